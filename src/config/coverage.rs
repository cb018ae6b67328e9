//! What a model can decide of the rules and of the catalogue, and by which signal.

use super::catalogue::ClassNeeds;
use super::loaded::Loaded;
use super::types::{Rule, RuleKind, ViolationClass};
use crate::base::ClassName;

/// What a model can decide of a class, as its rules or else the catalogue ask for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Coverage<'a> {
    pub class: &'a ViolationClass,
    /// How many rules ask for it so, over all cameras and flight areas.
    pub rules: usize,
    pub signal: Signal,
    /// Objects that it is about and the model knows.
    pub known: Vec<&'a str>,
    pub unknown: Vec<&'a str>,
}

/// What decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Objects that the detector finds.
    Objects,
    /// A lasting change of the place.
    Change,
    /// A lasting change; objects beside it make it surer, or must have stood there before.
    Both,
    /// It cannot be decided; the reason.
    Nothing(String),
}

/// A class as it is asked for.
#[derive(PartialEq)]
struct Asked<'a> {
    class: &'a ViolationClass,
    by_change: bool,
    objects: Vec<&'a str>,
    /// Companions without which it cannot be decided; empty: none are needed.
    needed: Vec<&'a str>,
}

impl Coverage<'_> {
    /// Is nearly everything that it is about unknown to the model, though only objects decide it?
    pub fn is_thin(&self) -> bool {
        self.signal == Signal::Objects && 3 * self.known.len() <= self.known.len() + self.unknown.len()
    }
}

impl Loaded {
    /// What the model can decide: the classes of the rules first, then the rest of the catalogue, each in the
    /// catalogue's order.
    pub fn coverage(&self, model: &[ClassName]) -> Vec<Coverage<'_>> {
        let mut used: Vec<(Asked<'_>, usize)> = Vec::new();
        let cameras = self.config.cameras.iter().flat_map(|camera| &camera.rules);
        for rule in cameras.chain(self.config.flight_areas.iter().flat_map(|area| &area.rules)) {
            let asked = Asked::by_rule(rule);
            match used.iter_mut().find(|(other, _)| *other == asked) {
                Some((_, rules)) => *rules += 1,
                None => used.push((asked, 1)),
            }
        }
        let place = |class: &ViolationClass| self.classes.iter().position(|needs| needs.class.id == class.id);
        used.sort_by_key(|(asked, _)| place(asked.class));
        let is_used = |needs: &ClassNeeds| used.iter().any(|(asked, _)| asked.class.id == needs.class.id);
        let rest: Vec<&ClassNeeds> = self.classes.iter().filter(|needs| !is_used(needs)).collect();
        let mut all: Vec<Coverage<'_>> =
            used.into_iter().map(|(asked, rules)| asked.covered(rules, model)).collect();
        all.extend(rest.into_iter().map(|needs| {
            let coverage = Asked::by_catalogue(needs).covered(0, model);
            match needs.ability {
                Some(ability) => Coverage { signal: Signal::Nothing(format!("needs {ability}")), ..coverage },
                None => coverage,
            }
        }));
        all
    }

    /// Where the operator first asks for the class, as `file:line:column`. `None`: no rule needs its objects.
    pub fn place_of(&self, class: &str) -> Option<String> {
        let uses = self.objects.iter().filter(|used| used.class == class);
        let first = uses.map(|used| &used.span).min_by_key(|span| span.start)?;
        Some(self.sources.locate(first))
    }
}

impl<'a> Asked<'a> {
    fn by_rule(rule: &'a Rule) -> Self {
        let names = |names: &'a [ClassName]| names.iter().map(ClassName::as_str).collect();
        let needs = matches!(rule.kind, RuleKind::Sequence { .. } | RuleKind::CompanionAbsent { .. });
        let needed = if needs { names(&rule.companions) } else { Vec::new() };
        Self { class: &rule.class, by_change: rule.kind.is_change(), objects: names(&rule.objects), needed }
    }

    fn by_catalogue(needs: &'a ClassNeeds) -> Self {
        let names = |names: &'a [String]| names.iter().map(String::as_str).collect();
        Self {
            class: &needs.class,
            by_change: needs.by_change,
            objects: names(&needs.objects),
            needed: names(&needs.needed),
        }
    }

    fn covered(self, rules: usize, model: &[ClassName]) -> Coverage<'a> {
        let is_known = |name: &&str| model.iter().any(|class| class.as_str() == *name);
        let Self { class, by_change, objects, needed } = self;
        let lacks = |names: &[&str]| !names.is_empty() && !names.iter().any(is_known);
        let signal = if lacks(&needed) {
            Signal::Nothing(format!("the model knows none of its companions: {}", needed.join(", ")))
        } else if !by_change && !objects.iter().any(is_known) {
            Signal::Nothing("the model knows none of its objects".into())
        } else if !by_change {
            Signal::Objects
        } else if needed.is_empty() && !objects.iter().any(is_known) {
            Signal::Change
        } else {
            Signal::Both
        };
        let all = objects.into_iter().chain(needed.into_iter().filter(|_| by_change));
        let (known, unknown) = all.partition(is_known);
        Coverage { class, rules, signal, known, unknown }
    }
}
