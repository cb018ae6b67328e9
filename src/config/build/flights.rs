//! Areas whose flights are compared.

use std::time::Duration;

use super::Builder;
use super::input::TableAt;
use super::name::check_id;
use crate::base::AreaId;
use crate::config::problem::Problem;
use crate::config::raw::{At, RawFlightArea};
use crate::config::source::Span;
use crate::config::types::{FlightArea, Rule};

const SETTLE: Duration = Duration::from_secs(120);

impl<'i> Builder<'_, 'i> {
    /// Adds the area if all of it is right. Shared rules are for cameras and leave it alone.
    pub(crate) fn flight_area(&mut self, span: &Span, raw: &RawFlightArea, rules: Vec<TableAt<'i>>) {
        let id = raw.id.as_ref().and_then(|at| self.area_id(at));
        let shared = std::mem::take(&mut self.shared);
        let classes: Vec<(String, Span)> =
            rules.iter().filter_map(|(_, table)| super::rule::rule_id(table)).collect();
        let (zones, rules) = self.rules(None, Vec::new(), true, rules);
        self.shared = shared;
        for rule in rules.iter().filter(|rule| !rule.kind.is_change()) {
            let at = classes.iter().find(|(id, _)| *id == rule.id).map_or(span, |(_, at)| at);
            let message =
                format!("two flights do not show `{}`: it is about objects that come and go", rule.class.id);
            self.report(Problem::new(at, message).help("set `kind = \"change\"`, or take the rule out"));
        }
        if classes.is_empty() {
            self.report(
                Problem::new(span, "the area has no rule: its flights would never be reported")
                    .help("add `[[flight_area.rule]]` with `class`, and `zones` of `map.zones`"),
            );
        }
        let folder = raw.folder.as_ref();
        if let Some(at) = folder
            && let Some(first) = self.areas.iter().find(|area| area.folder == self.path(at))
        {
            let message = format!("the area `{}` has this folder", first.id);
            self.report(Problem::new(&at.span, message).help("give each area a folder of its own"));
            return;
        }
        let (Some(id), Some(folder)) = (id, folder) else { return };
        self.areas.push(FlightArea {
            name: raw.name.as_ref().map_or_else(|| id.clone(), |n| n.to_string()),
            id: AreaId::new(id),
            folder: self.path(folder),
            settle: raw.settle.as_ref().map_or(SETTLE, |s| s.0),
            fov_deg: raw.fov_deg.as_deref().copied(),
            takeoff_alt_m: raw.takeoff_alt_m.as_deref().copied(),
            zones,
            rules: rules.into_iter().filter(is_usable).collect(),
        });
    }

    fn area_id(&mut self, at: &At<String>) -> Option<String> {
        let id = self.keep(check_id(at, "flight area"))?;
        self.take_id(&id, at)
    }
}

fn is_usable(rule: &Rule) -> bool {
    rule.kind.is_change()
}
