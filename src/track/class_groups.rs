//! Which classes a detector confuses for one and the same thing.

use crate::base::ClassName;

/// Inside a group a track may change its class from picture to picture. A name in no group goes only with itself.
const GROUPS: [&[&str]; 4] = [
    &["car", "van", "truck", "bus", "dump_truck", "concrete_mixer"],
    &["bicycle", "motorcycle", "tricycle"],
    &["excavator", "loader_dozer", "road_roller"],
    &["garbage", "garbage_overflow"],
];

pub(super) fn compatible(a: &ClassName, b: &ClassName) -> bool {
    a == b || GROUPS.iter().any(|g| g.contains(&a.as_str()) && g.contains(&b.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vehicles_flip_among_themselves_and_unknown_names_do_not() {
        for (a, b, expected) in [
            ("car", "van", true),
            ("dump_truck", "truck", true),
            ("car", "bicycle", false),
            ("person", "person", true),
            ("kiosk", "kiosk", true),
            ("kiosk", "stall", false),
        ] {
            assert_eq!(compatible(&a.into(), &b.into()), expected, "{a} {b}");
        }
    }
}
