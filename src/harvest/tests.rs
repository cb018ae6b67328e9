//! Stores of a few events in, COCO sets out.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use uuid::Uuid;

use super::*;

const CAR: &str = "01a20184-a5b8-7101-8101-010101010101";
const PILE: &str = "01a20184-a5b8-7101-8101-010101010102";
const PERMITTED: &str = "01a20184-a5b8-7101-8101-010101010103";

struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lintel-harvest-{name}-{}", std::process::id()));
        drop(fs::remove_dir_all(&path));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// Stores an event as the receiver does: two revisions, of which the second one's box is elsewhere.
fn store(root: &Path, event: &str, class: &str, rect: [f64; 4]) -> PathBuf {
    let dir = root.join("2026-11-22").join(event);
    fs::create_dir_all(&dir).unwrap();
    let message = |revision: u32, rect: [f64; 4]| {
        json!({"specversion": "1.0", "id": format!("{event}/{revision}"), "data": {
            "event": event, "revision": revision, "camera": {"id": "gate", "name": "x"}, "zone": {"id": "kerb", "name": "y"},
            "at": "2026-11-22T04:31:35.120Z", "objects": [{"class": class, "track": 1, "score": 0.9, "box": rect}],
        }})
    };
    let newest = message(1, [0.0, 0.0, 0.1, 0.1]);
    fs::write(dir.join("event.json"), newest.to_string()).unwrap();
    let log = format!("{}\n{newest}\n{{\"data\": {{\"event\": \"{event}\"}}}}\n", message(0, rect));
    fs::write(dir.join("events.jsonl"), log).unwrap();
    image::RgbImage::from_pixel(400, 200, image::Rgb([90, 80, 70])).save(dir.join("still.jpg")).unwrap();
    dir
}

fn request(root: &Path, verdicts: &[(&str, Verdict, Option<&str>)]) -> Request {
    Request {
        stores: vec![root.join("store")],
        out: root.join("out"),
        verdicts: verdicts
            .iter()
            .map(|(event, verdict, reason)| Judgement {
                event: Uuid::parse_str(event).unwrap(),
                verdict: *verdict,
                reason: reason.map(str::to_owned),
            })
            .collect(),
        mistaken: MISTAKEN.iter().map(|&r| r.to_owned()).collect(),
        dev: 0.0,
        source: "own \"cameras\"".to_owned(),
        licence: "own".to_owned(),
    }
}

fn annotations(root: &Path, name: &str) -> Value {
    serde_json::from_slice(&fs::read(root.join("out").join(name)).unwrap()).unwrap()
}

#[test]
fn confirmed_gives_boxes_and_mistaken_gives_hard_negatives() {
    let dir = Dir::new("verdicts");
    store(&dir.0.join("store"), CAR, "car", [0.5, 0.5, 0.75, 0.75]);
    store(&dir.0.join("store"), PILE, "soil_pile", [0.0, 0.0, 0.25, 0.5]);
    store(&dir.0.join("store"), PERMITTED, "car", [0.1, 0.1, 0.2, 0.3]);
    let verdicts = [
        (CAR, Verdict::Confirmed, None),
        (PILE, Verdict::Rejected, Some("not_there")),
        (PERMITTED, Verdict::Rejected, Some("has a permit")),
    ];
    let report = harvest(&request(&dir.0, &verdicts)).unwrap();
    assert_eq!((report.confirmed, report.mistaken, report.rejected_otherwise), (1, 1, 1));
    assert_eq!((report.train_pictures, report.dev_pictures, report.boxes), (3, 0, 2));

    let coco = annotations(&dir.0, "annotations_train.json");
    let images = coco["images"].as_array().unwrap();
    assert_eq!(images[0]["labelled_classes"], json!([]), "of a whole still nothing is known to be absent");
    assert_eq!((images[0]["width"].as_u64(), images[0]["height"].as_u64()), (Some(400), Some(200)));
    assert_eq!(images[1]["labelled_classes"], json!(["car"]));
    assert_eq!(images[2]["labelled_classes"], json!(["soil_pile"]), "the hard negative");
    let boxes = coco["annotations"].as_array().unwrap();
    assert_eq!(boxes[0]["bbox"], json!([200.0, 100.0, 100.0, 50.0]), "as opened, not as last updated");
    assert_eq!(boxes[1]["image_id"], json!(2));
    assert_eq!(boxes[1]["bbox"], json!([50.0, 50.0, 100.0, 50.0]), "within the crop 150..350 x 50..200");
    assert!(boxes.iter().all(|b| b["image_id"] != json!(3)));
    let names: Vec<&str> =
        coco["categories"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["car", "soil_pile"]);
    let (w, h) =
        image::image_dimensions(dir.0.join("out").join(images[1]["file_name"].as_str().unwrap())).unwrap();
    assert_eq!((w, h), (200, 150));
    let sources: toml::Table = fs::read_to_string(dir.0.join("out/sources.toml")).unwrap().parse().unwrap();
    assert_eq!(sources["source"][0]["name"].as_str(), Some("own \"cameras\""));
}

#[test]
fn a_feedback_file_beside_the_event_counts_and_the_last_line_wins() {
    let dir = Dir::new("beside");
    let event = store(&dir.0.join("store"), CAR, "car", [0.5, 0.5, 0.75, 0.75]);
    let lines = format!(
        "{{\"event\": \"{CAR}\", \"verdict\": \"rejected\", \"reason\": \"not_there\"}}\n{{\"event\": \"{CAR}\", \"verdict\": \"rectified\"}}\nhalf a li"
    );
    fs::write(event.join("feedback.jsonl"), lines).unwrap();
    let report = harvest(&request(&dir.0, &[])).unwrap();
    assert_eq!((report.confirmed, report.mistaken), (1, 0));
}

#[test]
fn what_cannot_be_used_is_named_and_the_rest_goes_on() {
    let dir = Dir::new("broken");
    let root = dir.0.join("store");
    store(&root, CAR, "car", [0.5, 0.5, 0.75, 0.75]);
    fs::remove_file(store(&root, PILE, "soil_pile", [0.0, 0.0, 0.2, 0.2]).join("still.jpg")).unwrap();
    fs::write(store(&root, PERMITTED, "car", [0.0, 0.0, 0.2, 0.2]).join("still.jpg"), b"no JPEG").unwrap();
    let verdicts = [CAR, PILE, PERMITTED].map(|event| (event, Verdict::Confirmed, None));
    let report = harvest(&request(&dir.0, &verdicts)).unwrap();
    assert_eq!((report.events, report.confirmed), (3, 1));
    let reasons: Vec<&str> = report.passed_over.iter().map(|(_, why)| why.as_str()).collect();
    assert!(reasons[0].contains("still.jpg"), "{reasons:?}");
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert_eq!(report.unknown_events, 1, "the one that has no still was not read");
}

#[test]
fn a_cluster_is_wholly_in_one_set_and_stays_there() {
    let dir = Dir::new("split");
    store(&dir.0.join("store"), CAR, "car", [0.5, 0.5, 0.75, 0.75]);
    let all = Request { dev: 1.0, ..request(&dir.0, &[(CAR, Verdict::Confirmed, None)]) };
    let report = harvest(&all).unwrap();
    assert_eq!((report.train_pictures, report.dev_pictures), (0, 2));
    let first = fs::read(dir.0.join("out/annotations_dev.json")).unwrap();
    harvest(&all).unwrap();
    assert_eq!(
        first,
        fs::read(dir.0.join("out/annotations_dev.json")).unwrap(),
        "the same input gives the same files"
    );
}

#[test]
fn the_decisions_that_a_node_keeps_are_read() {
    let dir = Dir::new("node");
    let feedback = dir.0.join("store/feedback");
    fs::create_dir_all(&feedback).unwrap();
    let record = |event: &str, verdict: &str, reason: Value| {
        let still = format!("{event}.jpg");
        image::RgbImage::from_pixel(400, 200, image::Rgb([90, 80, 70])).save(feedback.join(&still)).unwrap();
        let text = json!({"version": 1, "event": event, "node": "n", "camera": "gate", "class": "motor_vehicle_parking",
            "rule": "parking", "started": "2026-11-22T04:31:35.120Z", "verdict": verdict, "reason": reason, "by": null,
            "permit": null, "at": "2026-11-22T05:00:00Z", "box": {"x0": 0.5, "y0": 0.5, "x1": 0.75, "y1": 0.75},
            "objects": [{"class": "car", "score": 0.9, "box": {"x0": 0.5, "y0": 0.5, "x1": 0.75, "y1": 0.75}}],
            "still": still});
        fs::write(feedback.join(format!("{event}.json")), text.to_string()).unwrap();
    };
    record(CAR, "permitted", Value::Null);
    record(PILE, "rejected", json!("误检"));
    fs::write(feedback.join("notes.json"), "{}").unwrap();
    store(&dir.0.join("store"), CAR, "car", [0.1, 0.1, 0.2, 0.2]);
    let report = harvest(&request(&dir.0, &[])).unwrap();
    assert_eq!((report.confirmed, report.mistaken, report.unjudged), (1, 1, 1), "{report}");
    fs::remove_dir_all(dir.0.join("store/2026-11-22")).unwrap();
    let report = harvest(&request(&dir.0, &[])).unwrap();
    assert_eq!((report.events, report.confirmed, report.mistaken), (2, 1, 1), "{report}");
    let coco = annotations(&dir.0, "annotations_train.json");
    assert_eq!(coco["annotations"][0]["bbox"], json!([200.0, 100.0, 100.0, 50.0]));
}

#[test]
fn a_folder_without_events_is_an_error() {
    let dir = Dir::new("empty");
    fs::create_dir_all(dir.0.join("store")).unwrap();
    let error = harvest(&request(&dir.0, &[])).unwrap_err().to_string();
    assert!(error.contains("no event.json"), "{error}");
}

#[test]
fn verdicts_are_read_from_csv_and_json_and_a_wrong_line_is_named() {
    let dir = Dir::new("lines");
    let file = dir.0.join("verdicts.csv");
    let text = format!(
        "event,verdict,reason\n{CAR},confirmed\n\n# x\n{PILE},rejected,\"not_there\"\n{{\"event\":\"{CAR}\",\"verdict\":\"rectified\"}}\n"
    );
    fs::write(&file, text).unwrap();
    let read = read_verdicts(&file).unwrap();
    assert_eq!(read.len(), 3);
    assert_eq!(read[1].reason.as_deref(), Some("not_there"));
    assert_eq!(read[2].verdict, Verdict::Rectified);
    fs::write(&file, format!("{CAR},perhaps\n")).unwrap();
    let error = read_verdicts(&file).unwrap_err().to_string();
    assert!(error.contains(":1: \"perhaps\" is none of"), "{error}");
}
