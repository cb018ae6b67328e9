//! `lintel check` says what the loaded model can decide, by which signal, and how well.

use std::path::Path;

use super::{CAMERA, check, node_in, text};
use crate::support::root;

/// What `lintel check` prints about a camera with these rules and a model: output and warnings.
#[track_caller]
fn checked(model: &Path, rules: &[&str]) -> (String, String) {
    let folder = tempfile::tempdir().expect("folder");
    let rules: String = rules.iter().map(|rule| format!("[[camera.rule]]\n{rule}\n")).collect();
    let config = node_in(folder.path(), &format!("[mqtt]\nurl = \"mqtt://127.0.0.1\"\n{CAMERA}{rules}"));
    let model = format!("model = \"{}\"", model.display());
    let written = std::fs::read_to_string(&config).expect("config");
    let other = written.lines().map(|line| if line.starts_with("model = ") { &model } else { line });
    std::fs::write(&config, other.collect::<Vec<_>>().join("\n")).expect("config");
    let output = check(&config, &[], None);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    (out, err)
}

/// The words of the line of a table that begins with this word.
#[track_caller]
fn row<'o>(out: &'o str, first: &str) -> Vec<&'o str> {
    let line =
        out.lines().find(|line| line.starts_with("  ") && line.split_whitespace().next() == Some(first));
    line.unwrap_or_else(|| panic!("no line for {first} in\n{out}")).split_whitespace().collect()
}

#[test]
fn check_shows_each_class_with_its_signal_and_each_object_with_its_figures() {
    let rules =
        ["class = \"motor_vehicle_parking\"", "class = \"spoil_dumping\"", "class = \"rooftop_addition\""];
    let (out, err) = checked(&root().join("models/lintel-nano"), &rules);
    let parking = row(&out, "motor_vehicle_parking");
    assert_eq!(
        parking,
        [
            "motor_vehicle_parking",
            "机动车违停",
            "1",
            "objects",
            "car,",
            "truck,",
            "bus,",
            "dump_truck",
            "van"
        ]
    );
    assert_eq!(row(&out, "spoil_dumping")[2..7], ["1", "lasting", "change", "and", "objects"]);
    assert_eq!(row(&out, "rooftop_addition")[2..6], ["1", "lasting", "change", "-"]);
    assert_eq!(row(&out, "scaffolding")[2..5], ["0", "nothing:", "the"]);
    // As the model's card has it.
    assert_eq!(row(&out, "car"), ["car", "0.35", "2995", "961", "0.61", "0.38", "real", "pictures"]);
    assert_eq!(row(&out, "dump_truck"), ["dump_truck", "0.30", "130", "0", "-", "-", "nothing"]);
    assert!(!out.lines().any(|line| line.starts_with("  excavator ")), "no rule is about it:\n{out}");
    assert!(!err.contains("warning"), "{err}");
}

#[test]
fn check_warns_of_classes_whose_objects_are_unknown_or_untested_and_says_what_to_do() {
    let rules = ["class = \"clutter\"", "class = \"spoil_truck\"", "class = \"exposed_garbage\""];
    let (_, err) = checked(&root().join("models/lintel-nano"), &rules);
    let warning = |class: &str| {
        let line = err.lines().find(|line| line.starts_with("warning: ") && line.contains(class));
        line.unwrap_or_else(|| panic!("no warning about {class} in {err}"))
    };
    let clutter = warning("`clutter` (");
    for part in [
        "lintel.toml:12:9: ",
        "乱堆物料",
        "1 of its 4 objects (timber)",
        "brick_pile",
        "kind \"change\"",
        "train a model",
    ] {
        assert!(clutter.contains(part), "{part} is missing in {clutter}");
    }
    let truck = warning("`spoil_truck` (");
    assert!(truck.contains("dump_truck: 130 training boxes, 0 test boxes"), "{truck}");
    assert_eq!(err.lines().filter(|line| line.contains("the model")).count(), 2, "{err}");
}

#[test]
fn a_model_without_figures_is_not_measured_and_nobody_is_warned_of_that() {
    let (out, err) = checked(
        &root().join("testdata/models/yolox"),
        &["class = \"motor_vehicle_parking\"\nobjects = [\"car\"]"],
    );
    assert_eq!(row(&out, "car")[2..], ["-", "-", "-", "-", "not", "measured"]);
    assert!(!err.contains("warning"), "{err}");
}
