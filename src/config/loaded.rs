//! A checked config together with what it takes to point into its files later, when others open what it
//! names.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::catalogue::ClassNeeds;
use super::problem::{ConfigErrors, Problem, suggest};
use super::source::{Sources, Span};
use super::types::Config;
use crate::base::ClassName;

/// A checked config, and what it takes to point into its files later.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    /// Worth knowing, not wrong; each with `file:line:column`.
    pub warnings: Vec<String>,
    pub(super) objects: Vec<ObjectUse>,
    pub(super) classes: Vec<ClassNeeds>,
    /// Where the operator wrote a key such as `detect.model` or `camera.gate.file`.
    pub(super) places: BTreeMap<String, Span>,
    pub(super) secret_files: Vec<PathBuf>,
    pub(super) sources: Arc<Sources>,
}

/// Something that is wrong with what a key names: a file that is not there, a folder that cannot be written.
#[derive(Clone, Debug)]
pub struct Finding {
    /// `detect.model`, `mqtt.tls.ca_file`, `camera.<id>.file`.
    pub key: String,
    pub message: String,
    /// What to do.
    pub help: String,
}

/// Objects that a rule asks of the model.
#[derive(Clone, Debug)]
pub(crate) struct ObjectUse {
    pub(crate) class: String,
    /// Where the rule names its class.
    pub(crate) span: Span,
    /// The operator did not write the objects: one that the model knows is enough.
    pub(crate) from_catalogue: bool,
    pub(crate) objects: Vec<(ClassName, Span)>,
}

impl Loaded {
    /// All files and folders that this config was read from: when one of them changes, it is worth reading
    /// again.
    pub fn watched(&self) -> Vec<PathBuf> {
        let paths = self.sources.paths().map(std::path::Path::to_owned);
        let mut all: Vec<PathBuf> = paths.chain(self.secret_files.iter().cloned()).collect();
        all.sort();
        all.dedup();
        all
    }

    /// Findings of those who opened what the config names, as errors at the operator's own lines.
    pub fn errors(&self, findings: impl IntoIterator<Item = Finding>) -> ConfigErrors {
        let problem = |finding: Finding| {
            let problem = match self.places.get(&finding.key) {
                Some(span) => Problem::new(span, finding.message),
                None => Problem::nowhere(format!("{}: {}", finding.key, finding.message)),
            };
            if finding.help.is_empty() { problem } else { problem.help(finding.help) }
        };
        ConfigErrors::new(findings.into_iter().map(problem).collect(), &self.sources)
    }

    /// Do the rules ask for objects that the model knows? Errors point at the operator's own line.
    ///
    /// Of the objects that come from the catalogue one is enough; those that the operator wrote must all be
    /// known.
    ///
    /// # Errors
    /// Every object that the model lacks, at once.
    pub fn check_objects(&self, model: &[ClassName]) -> Result<(), ConfigErrors> {
        let known = |name: &ClassName| model.contains(name);
        let names = || model.iter().map(ClassName::as_str);
        let mut problems: Vec<Problem> = Vec::new();
        // A shared rule is used by many cameras and has one line.
        let mut reported: Vec<Span> = Vec::new();
        for used in &self.objects {
            let ObjectUse { class, span, from_catalogue, objects } = used;
            if *from_catalogue {
                if !objects.iter().any(|(o, _)| known(o)) && !reported.contains(span) {
                    reported.push(span.clone());
                    let wanted: Vec<&str> = objects.iter().map(|(o, _)| o.as_str()).collect();
                    let message = format!("the model knows none of the objects of `{class}`");
                    problems.push(Problem::new(span, message).help(format!(
                        "it needs one of: {}. Take the rule out, set `objects`, or use a model that knows them. This one knows: {}",
                        wanted.join(", "),
                        names().collect::<Vec<_>>().join(", ")
                    )));
                }
                continue;
            }
            for (object, span) in objects.iter().filter(|(o, _)| !known(o)) {
                if !reported.contains(span) {
                    reported.push(span.clone());
                    let message = format!("the model knows no object `{object}`");
                    let help = suggest(object.as_str(), "it knows", names());
                    problems.push(Problem::new(span, message).help(help));
                }
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(ConfigErrors::new(problems, &self.sources)) }
    }
}
