//! The networks of a config, each opened and run once.

use std::path::Path;
use std::sync::Arc;

use crate::base::error_chain;
use crate::config::{Config, Finding};
use crate::detect::{Detector, ModelError, ModelManifest, Runtime};
use crate::second_look::{Classifier, Models, SecondLookManifest};

pub(super) struct Networks {
    pub models: Models,
    pub runtime: Runtime,
}

/// The networks and the library that runs them. A trial run finds shapes that do not fit. `None`: one of them
/// cannot be read, which is in `findings`.
pub(super) fn open(config: &Config, findings: &mut Vec<Finding>) -> Option<Networks> {
    let mut keep = |key: &str, error: ModelError| {
        findings.push(Finding { key: key.into(), message: error_chain(&error), help: String::new() });
    };
    let manifest = ModelManifest::load(&config.detect.model).map_err(|e| keep("detect.model", e)).ok();
    let load = |folder: &Path| SecondLookManifest::load(folder).map(Arc::new);
    let second_look = config.second_look.model.as_deref().map(load).transpose();
    let second_look = second_look.map_err(|e| keep("second_look.model", e)).ok();
    let runtime =
        Runtime::load(config.runtime.onnxruntime.as_deref()).map_err(|e| keep("runtime.onnxruntime", e)).ok();
    let (detector, second_look, runtime) = (manifest?, second_look?, runtime?);
    let mut tried = |key: &str, trial: Result<(), ModelError>| match trial {
        Err(error @ ModelError::NoProvider { .. }) => keep("detect.provider", error),
        Err(error) => keep(key, error),
        Ok(()) => {}
    };
    let trial = Detector::open(&runtime, &detector, config.detect.threads, config.detect.provider);
    tried("detect.model", trial.map(drop));
    if let Some(manifest) = &second_look {
        let trial = Classifier::open(&runtime, Arc::clone(manifest), config.detect.provider);
        tried("second_look.model", trial.map(drop));
    }
    Some(Networks { models: Models { detector, second_look }, runtime })
}

impl Networks {
    /// The network for second looks, and on which classes its word counts.
    pub fn second_look(&self) -> String {
        let Some(model) = &self.models.second_look else {
            return "none: what the detector finds is reported without a second look".to_owned();
        };
        let judged: Vec<&str> =
            model.class_names().filter(|class| model.bounds(class).is_some()).map(|c| c.as_str()).collect();
        format!("{} {}, for {}", model.name, model.version, judged.join(", "))
    }
}
