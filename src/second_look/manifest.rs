//! `model.toml` of a network that classifies crops.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::base::{ClassKind, ClassKinds, ClassName};
use crate::detect::{InputSpec, ModelError, ModelFolder, NetworkFile, WrongValue, check_file, check_threads};

/// The manifest of a checked model folder: the model file exists and has the manifest's hash.
#[derive(Clone, Debug)]
pub struct SecondLookManifest {
    pub name: String,
    pub version: String,
    /// SPDX identifier.
    pub licence: String,
    /// SHA-256 of the model file, lower-case hex.
    pub sha256: String,
    pub input: InputSpec,
    /// A crop is a square around the thing's box. Its side is the longer side of the box, plus this share of
    /// it at both ends.
    pub context: f32,
    /// Threads of one run.
    pub threads: usize,
    folder: ModelFolder,
    file: PathBuf,
    classes: Vec<RawClass>,
    kinds: ClassKinds,
}

/// What the mean probability of a thing's class says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// From here on it is such a thing.
    pub confirm: f32,
    /// Below this it is not.
    pub deny: f32,
}

impl SecondLookManifest {
    /// Reads `folder`/model.toml and the whole model file, for its hash.
    ///
    /// # Errors
    /// The manifest or the model file is missing, a key or value is wrong, or the hash differs.
    pub fn load(folder: &Path) -> Result<Self, ModelError> {
        let folder = ModelFolder::new(folder);
        let raw: Raw = folder.read()?;
        raw.check().map_err(|wrong| folder.wrong(wrong))?;
        let file = folder.checked_file(&raw.file, &raw.sha256)?;
        Ok(Self {
            name: raw.name,
            version: raw.version,
            licence: raw.licence,
            sha256: raw.sha256.to_ascii_lowercase(),
            input: raw.input,
            context: raw.head.context,
            threads: raw.runtime.threads,
            folder,
            file,
            kinds: ClassKinds::new(raw.classes.iter().filter_map(|c| Some((c.name.clone(), c.kind?)))),
            classes: raw.classes,
        })
    }

    /// In the order of the network's output.
    pub fn class_names(&self) -> impl ExactSizeIterator<Item = &ClassName> {
        self.classes.iter().map(|class| &class.name)
    }

    /// `None`: its word about things of this class is not worth having.
    pub fn bounds(&self, class: &ClassName) -> Option<Bounds> {
        let class = self.classes.iter().find(|c| c.name == *class)?;
        class.judges.then_some(Bounds { confirm: class.confirm, deny: class.deny })
    }

    /// The probability that it is any of `classes`, by an answer of the network.
    pub fn probability<'a>(&self, answer: &[f32], classes: impl IntoIterator<Item = &'a ClassName>) -> f32 {
        let of = |class: &ClassName| answer.get(self.class_names().position(|c| c == class)?).copied();
        classes.into_iter().filter_map(of).sum::<f32>().clamp(0.0, 1.0)
    }

    /// The likeliest class of an answer, with its probability.
    pub fn likeliest(&self, answer: &[f32]) -> Option<(&ClassName, f32)> {
        self.class_names().zip(answer.iter().copied()).max_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// The probability that it is of this class or of another one of its kind: a van is car and truck.
    pub fn probability_of_kind(&self, answer: &[f32], class: &ClassName) -> f32 {
        let kind = self.kinds.kind(class);
        let kin = |c: &&ClassName| *c == class || (kind != ClassKind::Other && self.kinds.kind(c) == kind);
        self.probability(answer, self.class_names().filter(kin))
    }

    /// For tests: without a file. Each class with its bounds, if its word is worth having.
    #[cfg(test)]
    pub(crate) fn for_tests(classes: &[(&str, Option<Bounds>)]) -> Self {
        let class = |(name, bounds): &(&str, Option<Bounds>)| RawClass {
            name: (*name).into(),
            kind: None,
            judges: bounds.is_some(),
            confirm: bounds.map_or(1.0, |bounds| bounds.confirm),
            deny: bounds.map_or(0.0, |bounds| bounds.deny),
        };
        let input = "width = 32\nheight = 32\nchannels = \"rgb\"\nscale = 1.0\nletterbox = \"stretch\"";
        Self {
            name: "test".into(),
            version: "1".into(),
            licence: "Apache-2.0".into(),
            sha256: String::new(),
            input: toml::from_str(input).expect("an input"),
            context: 0.0,
            threads: 1,
            folder: ModelFolder::new(Path::new("")),
            file: PathBuf::new(),
            classes: classes.iter().map(class).collect(),
            kinds: ClassKinds::default(),
        }
    }

    pub(super) fn network(&self) -> NetworkFile<'_> {
        NetworkFile { file: &self.file, manifest: self.folder.manifest(), input: &self.input }
    }

    pub(super) fn wrong(&self, key: &str, problem: String) -> ModelError {
        self.folder.wrong((key.to_owned(), problem))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: String,
    version: String,
    file: String,
    sha256: String,
    licence: String,
    input: InputSpec,
    head: RawHead,
    runtime: RawRuntime,
    classes: Vec<RawClass>,
    /// Accuracy as measured by the model's author; for information only.
    #[serde(default, rename = "measured")]
    _measured: toml::Table,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHead {
    #[serde(rename = "kind")]
    _kind: Kind,
    context: f32,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Classifier,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRuntime {
    threads: usize,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawClass {
    name: ClassName,
    kind: Option<ClassKind>,
    #[serde(default)]
    judges: bool,
    #[serde(default = "never")]
    confirm: f32,
    #[serde(default)]
    deny: f32,
}

fn never() -> f32 {
    1.0
}

impl Raw {
    /// Fails with the key and the problem of its value.
    fn check(&self) -> Result<(), WrongValue> {
        self.input.check()?;
        check_threads(self.runtime.threads)?;
        check_file(&self.file, &self.sha256)?;
        if !(0.0..=2.0).contains(&self.head.context) {
            return Err(("head.context".into(), format!("{} is not in 0 to 2", self.head.context)));
        }
        if self.classes.len() < 2 {
            let problem = "fewer than two [[classes]]; list them in the order of the network";
            return Err(("classes".into(), problem.into()));
        }
        let mut seen = HashSet::new();
        for (i, class) in self.classes.iter().enumerate() {
            let no = |field: &str, problem: String| Err((format!("classes[{i}].{field}"), problem));
            if !seen.insert(&class.name) {
                return no(
                    "name",
                    format!("\"{}\" is listed twice; give each class its own name", class.name),
                );
            }
            let RawClass { confirm, deny, .. } = *class;
            if !(deny >= 0.0 && deny <= confirm && confirm <= 1.0) {
                return no("confirm", format!("needs 0 <= deny ({deny}) <= confirm ({confirm}) <= 1"));
            }
        }
        Ok(())
    }
}
