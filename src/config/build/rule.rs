//! Rules: a class of the catalogue, the rules for all cameras, and the camera's own, laid over each other.

use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::Builder;
use super::input::{SharedRule, TableAt};
use super::name::class_names;
use super::schedule::schedule;
use crate::config::catalogue::Entry;
use crate::config::problem::{Problem, suggest};
use crate::config::raw::{RawRule, RawRuleSettings};
use crate::config::source::Span;
use crate::config::tree::{merge, read, text_at, texts};
use crate::config::types::{Rule, RuleKind, Severity, Zone, ZoneArea};

/// For a catalogue that says nothing.
const UPDATE_EVERY: Duration = Duration::from_secs(600);
const COOL_DOWN: Duration = Duration::from_secs(1800);
const EXPIRE_AFTER: Duration = Duration::from_secs(1800);

/// A rule of one camera with all its layers over the catalogue.
struct Layered<'i> {
    span: Span,
    table: DeTable<'i>,
    /// Where the camera itself has the rule.
    own: Option<Span>,
    /// The camera names the zones, so that all of them must exist.
    zones_are_own: bool,
}

impl<'i> Builder<'_, 'i> {
    /// Takes the rules for all cameras; `cameras` are those whose zones they may name.
    pub(crate) fn shared_rules(
        &mut self,
        rules: Vec<TableAt<'i>>,
        profiles: &[String],
        cameras: &[TableAt<'i>],
    ) {
        let mut known_zones = zone_ids(cameras);
        known_zones.extend(self.map.zones.iter().map(|z| z.id.to_string()));
        for (_, mut table) in rules {
            let Some((id, place)) = rule_id(&table) else { continue };
            if let Some(first) = self.shared.iter().find(|s| s.id == id).map(|s| s.span.clone()) {
                self.report(duplicate(&id, &place, &first, "at top level"));
                continue;
            }
            for (name, at) in texts(&table, "profiles").into_iter().flatten() {
                if !profiles.contains(&name) {
                    let help = suggest(&name, "profiles", profiles.iter().map(String::as_str));
                    self.report(Problem::new(&at, format!("there is no profile `{name}`")).help(help));
                }
            }
            for (name, at) in texts(&table, "zones").into_iter().flatten() {
                if !known_zones.contains(&name) {
                    let help = suggest(&name, "zones", known_zones.iter().map(String::as_str));
                    self.report(Problem::new(&at, format!("there is no zone `{name}`")).help(help));
                }
            }
            // So that a rule that fits no camera is checked too.
            if let Some((class, at)) = text_at(&table, "class")
                && let Err(problem) = self.catalogue.find(class, &at)
            {
                self.problems.push(problem);
                continue;
            }
            let names = |key| texts(&table, key).map(|t| t.into_iter().map(|(name, _)| name).collect());
            let (profiles, zones) = (names("profiles"), names("zones").unwrap_or_default());
            table.remove("profiles");
            self.shared.push(SharedRule { id, span: place, profiles, zones, table });
        }
    }

    /// The rules of one camera, and its zones with those on the ground that its rules name. `on_map`: places
    /// on the ground are known.
    pub(super) fn rules(
        &mut self,
        profile: Option<&str>,
        mut zones: Vec<Zone>,
        on_map: bool,
        own: Vec<TableAt<'i>>,
    ) -> (Vec<Zone>, Vec<Rule>) {
        let in_picture = zones.len();
        zones.extend(self.map.zones.iter().cloned());
        let rules = self.rules_of(profile, &zones, on_map, own);
        let named = |z: &Zone| rules.iter().any(|r| r.zones.iter().any(|own| own.id == z.id));
        let ground = zones.split_off(in_picture);
        zones.extend(ground.into_iter().filter(named));
        (zones, rules)
    }

    fn rules_of(
        &mut self,
        profile: Option<&str>,
        zones: &[Zone],
        on_map: bool,
        own: Vec<TableAt<'i>>,
    ) -> Vec<Rule> {
        let here = |z: &&Zone| on_map || matches!(z.area, ZoneArea::Picture(_));
        let usable: Vec<Zone> = zones.iter().filter(here).cloned().collect();
        let mut layered: Vec<(String, Layered<'i>)> = Vec::new();
        for shared in &self.shared {
            let here = shared
                .profiles
                .as_ref()
                .is_none_or(|p| profile.is_some_and(|own| p.iter().any(|p| p == own)));
            let has_zone = shared.zones.is_empty()
                || shared.zones.iter().any(|z| usable.iter().any(|own| own.id.as_str() == z));
            if here && has_zone {
                let (span, table) = (shared.span.clone(), shared.table.clone());
                layered.push((shared.id.clone(), Layered { span, table, own: None, zones_are_own: false }));
            }
        }
        for (_, table) in own {
            let Some((id, place)) = rule_id(&table) else { continue };
            match layered.iter_mut().find(|(other, _)| *other == id) {
                Some((_, Layered { own: Some(first), .. })) => {
                    let problem = duplicate(&id, &place, first, "on this camera");
                    self.problems.push(problem);
                }
                Some((_, shared)) => {
                    shared.own = Some(place.clone());
                    shared.span = place;
                    shared.zones_are_own = table.contains_key("zones");
                    merge(&mut shared.table, table);
                }
                None => {
                    let own = Some(place.clone());
                    layered.push((id, Layered { span: place, table, own, zones_are_own: true }));
                }
            }
        }
        layered.into_iter().filter_map(|(id, rule)| self.rule(id, rule, zones, on_map)).collect()
    }

    fn rule(&mut self, id: String, layered: Layered<'i>, zones: &[Zone], on_map: bool) -> Option<Rule> {
        let Layered { span, table, zones_are_own, .. } = layered;
        let raw: RawRule = read(table.clone(), &span, &mut self.problems)?;
        if raw.enabled == Some(false) {
            return None;
        }
        let class_at = raw.class.as_ref()?;
        let found = self.catalogue.find(class_at, &class_at.span).map(|entry| {
            let Entry { class, settings, .. } = entry;
            (class.clone(), settings.clone())
        });
        let (class, mut settings) = self.keep(found)?;
        merge(&mut settings, table.clone());
        let settings: RawRuleSettings = read(settings, &span, &mut self.problems)?;
        let rule_zones = self.rule_zones(&raw, zones, zones_are_own, on_map);
        let kind = self.kind(&settings, &table, class_at);
        let objects = self.objects(&settings, &table, class_at);
        let schedule = match settings.schedule.as_ref().map(|s| schedule(s, &self.time_zone)) {
            Some(Ok(schedule)) => schedule,
            Some(Err(problems)) => {
                self.problems.extend(problems);
                None
            }
            None => None,
        };
        if matches!(kind, Some(RuleKind::Entry)) && schedule.is_none() && rule_zones.is_empty() {
            let warning = format!(
                "`{}` reports every such object in the picture, at all hours: set `zones` or `schedule`",
                **class_at
            );
            self.warnings.push((class_at.span.clone(), warning));
        }
        let hysteresis = self.hysteresis(&settings);
        let area_m2 = self.sizes(&settings, on_map);
        Some(Rule {
            id,
            zones: rule_zones,
            kind: kind?,
            shows: settings.shows.as_deref().cloned().unwrap_or_default(),
            objects: objects?,
            min_score: settings.min_score.as_deref().copied(),
            companions: class_names(settings.companions.as_ref()),
            schedule,
            hysteresis: hysteresis?,
            update_every: settings.update_every.map_or(UPDATE_EVERY, |d| d.0),
            cool_down: settings.cool_down.map_or(COOL_DOWN, |d| d.0),
            merge_distance: settings.merge_distance.as_deref().copied().unwrap_or(0.0),
            merge_m: settings.merge_m.as_deref().copied(),
            area_m2,
            expire_after: settings.expire_after.map_or(EXPIRE_AFTER, |d| d.0),
            severity: settings.severity.unwrap_or(Severity::Medium),
            class,
        })
    }

    /// Smallest and largest size. Without positions on the ground the size is unknown, and every size counts.
    fn sizes(&mut self, settings: &RawRuleSettings, on_map: bool) -> (Option<f64>, Option<f64>) {
        let (least, most) = (&settings.min_area_m2, &settings.max_area_m2);
        if let (Some(least), Some(most)) = (least, most)
            && **least > **most
        {
            self.report(
                Problem::new(&least.span, "`min_area_m2` is above `max_area_m2`: nothing would count")
                    .also(&most.span, "`max_area_m2`")
                    .help("raise the second or lower the first"),
            );
        }
        if let (Some(size), false) = (least.as_ref().or(most.as_ref()), on_map) {
            let warning = "sizes in square metres need a calibrated camera: where a camera of this rule has no `calibration`, every size counts";
            if !self.warnings.iter().any(|(span, _)| *span == size.span) {
                self.warnings.push((size.span.clone(), warning.to_owned()));
            }
        }
        (least.as_deref().copied(), most.as_deref().copied())
    }

    fn rule_zones(&mut self, raw: &RawRule, zones: &[Zone], all_must_exist: bool, on_map: bool) -> Vec<Zone> {
        let is_here = |zone: &Zone| on_map || matches!(zone.area, ZoneArea::Picture(_));
        let mut found: Vec<Zone> = Vec::new();
        for name in raw.zones.as_deref().into_iter().flatten() {
            match zones.iter().find(|z| z.id.as_str() == name.as_str()) {
                Some(zone) if !is_here(zone) && all_must_exist => {
                    let message =
                        format!("the camera has no `calibration`, and `{}` is a ground zone", **name);
                    let help = "calibrate the camera (`lintel calibrate`) and name the file, or draw the zone in the picture";
                    self.report(Problem::new(&name.span, message).help(help));
                }
                Some(zone) if is_here(zone) && found.iter().all(|f| f.id != zone.id) => {
                    found.push(zone.clone())
                }
                Some(_) => {}
                None if all_must_exist => {
                    let help = suggest(name, "zones", zones.iter().map(|z| z.id.as_str()));
                    self.report(
                        Problem::new(&name.span, format!("there is no zone `{}` for this rule", **name))
                            .help(help),
                    );
                }
                None => {}
            }
        }
        found
    }
}

/// The id of a rule, by default its class, and where it stands.
pub(super) fn rule_id(table: &DeTable<'_>) -> Option<(String, Span)> {
    let (id, span) = text_at(table, "id").or_else(|| text_at(table, "class"))?;
    Some((id.to_owned(), span))
}

fn duplicate(id: &str, place: &Span, first: &Span, whereabouts: &str) -> Problem {
    Problem::new(place, format!("a rule `{id}` is there already {whereabouts}"))
        .also(first, "first here")
        .help("join the two (a rule may have several zones), or give one of them its own `id`")
}

fn zone_ids(cameras: &[TableAt<'_>]) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for (_, camera) in cameras {
        let Some(DeValue::Array(zones)) = camera.get("zone").map(|z| z.get_ref()) else { continue };
        let tables = zones.iter().filter_map(|z| z.get_ref().as_table());
        ids.extend(tables.filter_map(|t| text_at(t, "id")).map(|(id, _)| id.to_owned()));
    }
    ids.sort();
    ids.dedup();
    ids
}
