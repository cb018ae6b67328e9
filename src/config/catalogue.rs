//! The violation classes: the shipped catalogue or the operator's own, with the city's codes.

use std::collections::BTreeMap;

use toml::de::DeTable;

use super::problem::{Problem, did_you_mean, suggest};
use super::raw::{At, CLASS_KEYS, RawClass, RawNeeds};
use super::source::Span;
use super::tree::{merge, read, take_table, take_tables, text_at, texts};
use super::types::ViolationClass;

pub(crate) struct Catalogue<'i> {
    entries: Vec<Entry<'i>>,
}

pub(crate) struct Entry<'i> {
    pub(crate) class: ViolationClass,
    pub(crate) needs: Option<RawNeeds>,
    /// Rule settings: the class's own over the catalogue's defaults.
    pub(crate) settings: DeTable<'i>,
    span: Span,
}

/// What it takes to watch for a class.
#[derive(Clone, Debug)]
pub(crate) struct ClassNeeds {
    pub(crate) class: ViolationClass,
    /// An ability that this version does not have.
    pub(crate) ability: Option<&'static str>,
    pub(crate) objects: Vec<String>,
    /// It is decided by how a place looks: objects only make it surer.
    pub(crate) by_change: bool,
    /// Companions without which it cannot be decided; empty: none are needed.
    pub(crate) needed: Vec<String>,
}

impl<'i> Catalogue<'i> {
    pub(crate) fn build(
        mut table: DeTable<'i>,
        codes: &BTreeMap<String, At<String>>,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut entries: Vec<Entry<'i>> = Vec::new();
        let defaults = take_table(&mut table, "defaults");
        for (span, mut class) in take_tables(&mut table, "class") {
            let mut settings = defaults.clone();
            let raw: Option<RawClass> = read(class.clone(), &span, problems);
            for key in CLASS_KEYS {
                class.remove(key);
            }
            merge(&mut settings, class);
            entries.extend(raw.and_then(|raw| entry(raw, settings, span, &entries, problems)));
        }
        let mut catalogue = Self { entries };
        for (id, code) in codes {
            catalogue.set_code(id, code, problems);
        }
        catalogue
    }

    pub(crate) fn classes(&self) -> Vec<ViolationClass> {
        self.entries.iter().map(|e| e.class.clone()).collect()
    }

    /// The class, or the problem with naming it here.
    pub(crate) fn find(&self, id: &str, span: &Span) -> Result<&Entry<'i>, Problem> {
        let Some(entry) = self.entries.iter().find(|e| e.class.id == id) else {
            let message = format!("there is no violation class `{id}`");
            return Err(Problem::new(span, message).help(self.meant(id)));
        };
        let Some(what) = entry.needs.map(ability) else { return Ok(entry) };
        let message = format!("`{id}` ({}) needs {what}, which this version does not have", entry.class.zh);
        let able = self.entries.iter().filter(|e| e.needs.is_none()).map(|e| e.class.id.as_str());
        let able: Vec<&str> = able.collect();
        Err(Problem::new(span, message)
            .help(format!("take the rule out for now; classes that work: {}", able.join(", "))))
    }

    pub(crate) fn needs(&self) -> Vec<ClassNeeds> {
        let names = |entry: &Entry<'_>, key| -> Vec<String> {
            texts(&entry.settings, key).into_iter().flatten().map(|(name, _)| name).collect()
        };
        let needs = |entry: &Entry<'_>| {
            let kind = text_at(&entry.settings, "kind").map_or("", |(kind, _)| kind);
            let needs_companions = matches!(kind, "sequence" | "companion_absent");
            ClassNeeds {
                class: entry.class.clone(),
                ability: entry.needs.map(ability),
                objects: names(entry, "objects"),
                by_change: matches!(kind, "change" | "sequence"),
                needed: if needs_companions { names(entry, "companions") } else { Vec::new() },
            }
        };
        self.entries.iter().map(needs).collect()
    }

    /// The class whose Chinese name was written, or whose id is nearly that, or all of them.
    fn meant(&self, id: &str) -> String {
        let named = self.entries.iter().find(|e| e.class.zh == id.trim());
        match named.map(|e| e.class.id.as_str()).or_else(|| did_you_mean(id, self.ids())) {
            Some(near) => format!("did you mean `{near}`?"),
            None => {
                let names = self.entries.iter().map(|e| format!("{} ({})", e.class.id, e.class.zh));
                format!("classes: {}", names.collect::<Vec<_>>().join(", "))
            }
        }
    }

    fn ids(&self) -> impl Iterator<Item = &str> + Clone {
        self.entries.iter().map(|e| e.class.id.as_str())
    }

    fn set_code(&mut self, id: &str, code: &At<String>, problems: &mut Vec<Problem>) {
        check_code(code, problems);
        match self.entries.iter_mut().find(|e| e.class.id == id) {
            Some(entry) => entry.class.code = code.to_string(),
            None => {
                let message =
                    format!("[codes] names a violation class `{id}` that the catalogue does not have");
                problems.push(Problem::new(&code.span, message).help(suggest(id, "classes", self.ids())));
            }
        }
    }
}

fn ability(needs: RawNeeds) -> &'static str {
    match needs {
        RawNeeds::Ground => "ground coordinates",
    }
}

fn entry<'i>(
    raw: RawClass,
    settings: DeTable<'i>,
    span: Span,
    before: &[Entry<'i>],
    problems: &mut Vec<Problem>,
) -> Option<Entry<'i>> {
    let (Some(id), Some(zh), Some(en), Some(group)) = (raw.id, raw.zh, raw.en, raw.group) else {
        return None;
    };
    if id.is_empty() || !id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') {
        problems.push(
            Problem::new(&id.span, "a class id has lower-case letters, digits and `_` only")
                .help("platforms store it; names for people go into `zh` and `en`"),
        );
    }
    if let Some(first) = before.iter().find(|e| e.class.id == **id) {
        problems.push(
            Problem::new(&id.span, format!("the class `{}` is there already", *id))
                .also(&first.span, "first here")
                .help("give one of the two another id"),
        );
    }
    let code = raw.code.inspect(|code| check_code(code, problems)).map(At::into_inner).unwrap_or_default();
    let class = ViolationClass { id: id.into_inner(), zh: zh.into_inner(), en: en.into_inner(), group, code };
    Some(Entry { class, needs: raw.needs, settings, span })
}

fn check_code(code: &At<String>, problems: &mut Vec<Problem>) {
    if !code.chars().all(|c| c.is_ascii_digit()) {
        problems.push(
            Problem::new(&code.span, format!("an event code has digits only, this is \"{}\"", **code))
                .help("write the city's code, such as \"0505\", or \"\" where it has none"),
        );
    }
}
