//! What the loaded model can decide, by which signal, and how well: for `lintel check`.

use super::table::columns;
use crate::base::ClassName;
use crate::config::{Coverage, Loaded, Signal};
use crate::detect::ModelManifest;

/// Rules that are valid, but of whose objects the model knows too little. Each says what to do.
pub(super) fn warnings(loaded: &Loaded, manifest: &ModelManifest) -> Vec<String> {
    let all = loaded.coverage(manifest.class_names());
    all.iter().filter(|coverage| coverage.rules > 0).filter_map(|c| warning(loaded, manifest, c)).collect()
}

fn warning(loaded: &Loaded, manifest: &ModelManifest, coverage: &Coverage<'_>) -> Option<String> {
    let Coverage { class, known, unknown, .. } = coverage;
    let what = if coverage.is_thin() {
        format!(
            "the model knows {} of its {} objects ({}) and none of: {}. Most of what it is about will not be found. \
             Use a rule of kind \"change\", set `objects`, or train a model with these objects (docs/models.md)",
            known.len(),
            known.len() + unknown.len(),
            known.join(", "),
            unknown.join(", ")
        )
    } else if coverage.signal == Signal::Objects && is_untested(manifest, known) {
        let objects: Vec<String> = known
            .iter()
            .filter_map(|name| {
                let figures = manifest.figures(&ClassName::from(*name))?;
                Some(format!(
                    "{name}: {} training boxes, {} test boxes",
                    figures.training_boxes, figures.test_boxes
                ))
            })
            .collect();
        format!(
            "the model's objects for it were hardly tested ({}). How well it is found was not shown. \
             Judge its first events by eye, or train with your own pictures (docs/models.md)",
            objects.join("; ")
        )
    } else {
        return None;
    };
    let place = loaded.place_of(&class.id).map_or_else(String::new, |place| format!("{place}: "));
    Some(format!("{place}`{}` ({}): {what}", class.id, class.zh))
}

/// Does the model give figures for all of these objects, and none of them with enough real test boxes?
fn is_untested(manifest: &ModelManifest, known: &[&str]) -> bool {
    let figures: Option<Vec<_>> =
        known.iter().map(|name| manifest.figures(&ClassName::from(*name))).collect();
    figures.is_some_and(|figures| !figures.iter().any(|figures| figures.is_shown()))
}

/// Tables: the classes and what decides them; the objects of the rules and how well the model finds them.
pub(super) fn report(loaded: &Loaded, manifest: &ModelManifest) -> String {
    let all = loaded.coverage(manifest.class_names());
    let (used, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(|coverage| coverage.rules > 0);
    let mut text = String::new();
    if !used.is_empty() {
        text += "\nWhat the rules are decided by, with this model:\n";
        text += &classes(&used);
    }
    if !rest.is_empty() {
        text += "\nThe other classes of the catalogue, with this model:\n";
        text += &classes(&rest);
    }
    let mut objects: Vec<&str> = used.iter().flat_map(|coverage| &coverage.known).copied().collect();
    objects.sort_unstable();
    objects.dedup();
    if !objects.is_empty() {
        text += "\nHow well the model finds the objects of the rules, at its own thresholds:\n";
        text += &figures(manifest, &objects);
        text += "The model's author measured this on single pictures, and often chose the thresholds on the same ones.\n";
    }
    text
}

fn classes(all: &[Coverage<'_>]) -> String {
    let head = ["  class", "name", "rules", "decided by", "known objects", "unknown objects"];
    let mut rows = vec![head.map(String::from)];
    let list = |names: &[&str]| if names.is_empty() { "-".into() } else { names.join(", ") };
    for Coverage { class, rules, signal, known, unknown } in all {
        let signal = match signal {
            Signal::Objects => "objects",
            Signal::Change => "lasting change",
            Signal::Both => "lasting change and objects",
            Signal::Nothing(why) => &format!("nothing: {why}"),
        };
        let id = format!("  {}", class.id);
        rows.push([id, class.zh.clone(), rules.to_string(), signal.into(), list(known), list(unknown)]);
    }
    columns(&rows)
}

fn figures(manifest: &ModelManifest, objects: &[&str]) -> String {
    let head = ["  object", "threshold", "training boxes", "test boxes", "precision", "recall", "shown on"];
    let mut rows = vec![head.map(String::from)];
    let share = |share: Option<f32>| share.map_or_else(|| "-".into(), |share| format!("{share:.2}"));
    for object in objects {
        let name = ClassName::from(*object);
        let threshold = share(manifest.threshold(&name));
        let rest = match manifest.figures(&name) {
            Some(f) => [
                f.training_boxes.to_string(),
                f.test_boxes.to_string(),
                share(f.precision),
                share(f.recall),
                f.shown_on.map_or_else(|| "nothing".into(), |shown| shown.to_string()),
            ],
            None => ["-", "-", "-", "-", "not measured"].map(String::from),
        };
        let [training, test, precision, recall, shown] = rest;
        rows.push([format!("  {object}"), threshold, training, test, precision, recall, shown]);
    }
    columns(&rows)
}
