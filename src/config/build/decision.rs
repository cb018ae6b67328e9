//! How a rule decides: its kind with what belongs to it, its objects, how sure it must be.

use toml::de::DeTable;

use super::Builder;
use super::name::class_names;
use crate::base::{ClassName, Point};
use crate::config::loaded::ObjectUse;
use crate::config::problem::Problem;
use crate::config::raw::{At, RawDirection, RawKind, RawRuleSettings};
use crate::config::types::{Direction, RuleKind};

impl Builder<'_, '_> {
    /// `written` is what the operator wrote, over which the catalogue's settings are complete.
    pub(super) fn kind(
        &mut self,
        settings: &RawRuleSettings,
        written: &DeTable<'_>,
        class: &At<String>,
    ) -> Option<RuleKind> {
        let Some(kind) = settings.kind.as_deref().copied() else {
            let message = format!("the catalogue does not say how `{}` is decided", **class);
            self.report(
                Problem::new(&class.span, message).help("set `kind` in the catalogue or in the rule"),
            );
            return None;
        };
        let (name, keys) = keys_of(kind);
        for key in [
            "dwell",
            "still",
            "limit",
            "distance",
            "distance_m",
            "line",
            "direction",
            "bare",
            "stop",
            "within",
            "shows",
        ] {
            if let Some(value) = written.get(key)
                && !keys.contains(&key)
            {
                let message = format!("`{key}` means nothing to a rule of kind `{name}`");
                let help = match keys {
                    [] => format!(
                        "take it out; `{}` is of this kind in the catalogue, and `kind` changes it",
                        **class
                    ),
                    _ => format!("this kind goes by {}; `kind` changes it", keys.join(", ")),
                };
                self.report(Problem::new(&value.span(), message).help(help));
            }
        }
        let dwell = settings.dwell.as_ref().map(|d| d.0);
        let built = match kind {
            RawKind::Presence => dwell.map(|dwell| RuleKind::Presence {
                dwell,
                still: settings.still.as_deref().copied().unwrap_or(false),
            }),
            RawKind::Entry => Some(RuleKind::Entry),
            RawKind::LineCrossing => {
                let direction = match settings.direction.as_deref() {
                    Some(RawDirection::LeftToRight) => Direction::LeftToRight,
                    Some(RawDirection::RightToLeft) => Direction::RightToLeft,
                    Some(RawDirection::Any) | None => Direction::Any,
                };
                match &settings.line {
                    Some(line) => return Some(RuleKind::LineCrossing { line: self.line(line)?, direction }),
                    None => None,
                }
            }
            RawKind::Count => settings
                .limit
                .as_deref()
                .zip(dwell)
                .map(|(limit, dwell)| RuleKind::Count { limit: *limit, dwell }),
            RawKind::CompanionAbsent => {
                settings.distance.as_deref().zip(dwell).map(|(distance, dwell)| RuleKind::CompanionAbsent {
                    distance: *distance,
                    distance_m: settings.distance_m.as_deref().copied(),
                    dwell,
                })
            }
            RawKind::LongDwell => dwell.map(|dwell| RuleKind::LongDwell { dwell }),
            RawKind::Change => dwell.map(|dwell| RuleKind::Change {
                dwell,
                bare: settings.bare.as_deref().copied().unwrap_or(false),
            }),
            RawKind::Sequence => match (dwell, &settings.stop, &settings.within) {
                (Some(dwell), Some(stop), Some(within)) => {
                    Some(RuleKind::Sequence { dwell, stop: stop.0, within: within.0 })
                }
                _ => None,
            },
        };
        if built.is_none() {
            let needs: Vec<&str> = keys
                .iter()
                .copied()
                .filter(|k| !matches!(*k, "still" | "direction" | "distance_m" | "bare" | "shows"))
                .collect();
            let message = format!("a rule of kind `{name}` needs {}", needs.join(" and "));
            let help = if kind == RawKind::LineCrossing {
                "for example `line = [[0.1, 0.6], [0.9, 0.6]]`"
            } else {
                "set it in the rule"
            };
            self.report(Problem::new(&class.span, message).help(help));
        }
        built
    }

    fn line(&mut self, line: &At<[[f32; 2]; 2]>) -> Option<(Point, Point)> {
        let inside = line.iter().flatten().all(|v| (0.0..=1.0).contains(v));
        if !inside || line[0] == line[1] {
            self.report(
                Problem::new(&line.span, "a line has two different points inside the picture")
                    .help("coordinates are shares of the picture, 0 to 1, from the upper left corner"),
            );
            return None;
        }
        Some((Point::from(line[0]), Point::from(line[1])))
    }

    /// Notes what the rule asks of the model, for the check against it.
    pub(super) fn objects(
        &mut self,
        settings: &RawRuleSettings,
        written: &DeTable<'_>,
        class: &At<String>,
    ) -> Option<Vec<ClassName>> {
        let mut note = |key: &str, names: &At<Vec<At<String>>>| {
            self.objects.push(ObjectUse {
                class: class.to_string(),
                span: class.span.clone(),
                from_catalogue: !written.contains_key(key),
                objects: names.iter().map(|n| (ClassName::new(n.as_str()), n.span.clone())).collect(),
            });
        };
        let companions = settings.companions.as_ref().filter(|c| !c.is_empty());
        let absent = settings.kind.as_deref() == Some(&RawKind::CompanionAbsent);
        let sequence = settings.kind.as_deref() == Some(&RawKind::Sequence);
        let by_change = sequence || settings.kind.as_deref() == Some(&RawKind::Change);
        if let Some(companions) = companions
            && (absent || sequence || written.contains_key("companions"))
        {
            note("companions", companions);
        }
        let objects = settings.objects.as_ref().filter(|o| !o.is_empty());
        if let Some(objects) = objects
            && (!by_change || written.contains_key("objects"))
        {
            note("objects", objects);
        }
        if sequence && companions.is_none() {
            let message = "a rule of kind `sequence` needs `companions`";
            self.report(
                Problem::new(&class.span, message)
                    .help("for spoil: `companions = [\"dump_truck\", \"truck\"]`"),
            );
        }
        if by_change {
            return Some(class_names(objects));
        }
        if absent && companions.is_none() {
            let message = "a rule of kind `companion_absent` needs `companions`";
            self.report(
                Problem::new(&class.span, message)
                    .help("for a dog without a leash: `companions = [\"person\"]`"),
            );
        }
        if objects.is_none() {
            let message = format!("the rule `{}` is about no objects", **class);
            self.report(
                Problem::new(&class.span, message).help("set `objects` to names that the model knows"),
            );
        }
        objects.map(|o| class_names(Some(o)))
    }

    pub(super) fn hysteresis(&mut self, settings: &RawRuleSettings) -> Option<(u32, u32)> {
        let Some(at) = &settings.hysteresis else { return Some((2, 3)) };
        let [seen, of] = **at;
        if 1 <= seen && seen <= of && of <= 60 {
            return Some((seen, of));
        }
        self.report(
            Problem::new(&at.span, format!("hysteresis [{seen}, {of}] cannot be met"))
                .help("[N, M]: seen in N of the last M pictures; 1 <= N <= M <= 60"),
        );
        None
    }
}

/// The name of a kind and the keys that belong to it.
fn keys_of(kind: RawKind) -> (&'static str, &'static [&'static str]) {
    match kind {
        RawKind::Presence => ("presence", &["dwell", "still"]),
        RawKind::Entry => ("entry", &[]),
        RawKind::LineCrossing => ("line_crossing", &["line", "direction"]),
        RawKind::Count => ("count", &["limit", "dwell"]),
        RawKind::CompanionAbsent => ("companion_absent", &["distance", "distance_m", "dwell"]),
        RawKind::LongDwell => ("long_dwell", &["dwell"]),
        RawKind::Change => ("change", &["dwell", "bare", "shows"]),
        RawKind::Sequence => ("sequence", &["dwell", "stop", "within", "shows"]),
    }
}
