//! Loading of config and model for several commands. Errors in a config are printed here, once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use crate::config::{ConfigErrors, Loaded};
use crate::detect::ModelManifest;
use crate::second_look::{Models, SecondLookManifest};

/// `None`: the config is wrong, and its errors are printed.
pub(super) fn load(path: &Path) -> Option<Loaded> {
    printed(crate::config::load(path))
}

/// As [`load`], for recorded footage: no passwords are needed.
pub(super) fn load_for_replay(path: &Path) -> Option<Loaded> {
    printed(crate::config::load_without_secrets(path))
}

/// Loads the models that the config names. `None`: a rule needs an object that the model does not know, and
/// the error is printed.
///
/// # Errors
/// A model's folder is missing or not valid.
pub(super) fn load_models(loaded: &Loaded) -> anyhow::Result<Option<Models>> {
    let of = |key: &str, folder: &Path| format!("{key} = {}", folder.display());
    let folder = &loaded.config.detect.model;
    let detector = ModelManifest::load(folder).with_context(|| of("detect.model", folder))?;
    let load = |folder: &PathBuf| {
        SecondLookManifest::load(folder).map(Arc::new).with_context(|| of("second_look.model", folder))
    };
    let second_look = loaded.config.second_look.model.as_ref().map(load).transpose()?;
    let fits = printed(loaded.check_objects(detector.class_names()));
    Ok(fits.map(|()| Models { detector, second_look }))
}

fn printed<T>(result: Result<T, ConfigErrors>) -> Option<T> {
    result.inspect_err(|errors| eprintln!("{}", errors.report())).ok()
}
