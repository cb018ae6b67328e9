//! What kind of object a class is. Rules, tracking and change detection treat the kinds differently.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;

use super::ClassName;

/// The kind of a class, as the model's manifest names it in `[[classes]]`, or by default from the class's
/// name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassKind {
    Person,
    Animal,
    /// A motor vehicle with four wheels or more.
    Vehicle,
    /// A bicycle, motorcycle or tricycle.
    Cycle,
    /// A construction machine that moves about while it works.
    Machine,
    Garbage,
    /// Anything else.
    Other,
}

/// The names that Lintel's own model and catalogue use, most of them COCO's. A manifest that names a kind
/// overrides this.
fn usual_kind(name: &str) -> ClassKind {
    match name {
        "person" => ClassKind::Person,
        "dog" => ClassKind::Animal,
        "car" | "van" | "truck" | "bus" | "dump_truck" | "concrete_mixer" => ClassKind::Vehicle,
        "bicycle" | "motorcycle" | "tricycle" => ClassKind::Cycle,
        "excavator" | "loader_dozer" | "road_roller" => ClassKind::Machine,
        "garbage" | "garbage_overflow" => ClassKind::Garbage,
        _ => ClassKind::Other,
    }
}

/// The kinds of a model's classes. A class without an entry has the kind that its name usually means. Cheap
/// to clone.
#[derive(Clone, Debug, Default)]
pub struct ClassKinds {
    listed: Arc<HashMap<ClassName, ClassKind>>,
}

impl ClassKinds {
    /// `listed`: the classes whose kind the manifest names.
    pub fn new(listed: impl IntoIterator<Item = (ClassName, ClassKind)>) -> Self {
        Self { listed: Arc::new(listed.into_iter().collect()) }
    }

    pub fn kind(&self, class: &ClassName) -> ClassKind {
        self.listed.get(class).copied().unwrap_or_else(|| usual_kind(class.as_str()))
    }

    /// People, animals and vehicles: they come and go, so they are never a change of the place themselves.
    pub fn is_passing(&self, class: &ClassName) -> bool {
        use ClassKind::{Animal, Cycle, Person, Vehicle};
        matches!(self.kind(class), Person | Animal | Vehicle | Cycle)
    }

    /// Whether objects of the class may follow each other on the same spot, as vehicles at a traffic light
    /// do.
    pub fn flows(&self, class: &ClassName) -> bool {
        self.kind(class) == ClassKind::Vehicle
    }

    pub fn is_machine(&self, class: &ClassName) -> bool {
        self.kind(class) == ClassKind::Machine
    }

    /// Whether a detector confuses the two classes for one object, so that a track may change from one to the
    /// other.
    pub fn may_be_confused(&self, a: &ClassName, b: &ClassName) -> bool {
        use ClassKind::{Cycle, Garbage, Machine, Vehicle};
        let kind = self.kind(a);
        a == b || (kind == self.kind(b) && matches!(kind, Vehicle | Cycle | Machine | Garbage))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vehicles_are_confused_among_themselves_and_unknown_names_are_not() {
        let kinds = ClassKinds::default();
        for (a, b, expected) in [
            ("car", "van", true),
            ("dump_truck", "truck", true),
            ("car", "bicycle", false),
            ("person", "person", true),
            ("kiosk", "kiosk", true),
            ("kiosk", "stall", false),
        ] {
            assert_eq!(kinds.may_be_confused(&a.into(), &b.into()), expected, "{a} {b}");
        }
    }

    #[test]
    fn a_listed_kind_overrides_the_usual_one() {
        let kinds =
            ClassKinds::new([("pickup".into(), ClassKind::Vehicle), ("dog".into(), ClassKind::Other)]);
        assert!(kinds.flows(&"pickup".into()) && kinds.may_be_confused(&"pickup".into(), &"car".into()));
        assert!(!kinds.is_passing(&"dog".into()) && kinds.is_passing(&"person".into()));
        assert!(kinds.is_machine(&"excavator".into()));
    }
}
