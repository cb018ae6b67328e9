//! Loading of config and model for several commands. Errors in a config are printed here, once.

use std::path::Path;

use anyhow::Context;

use crate::config::{ConfigErrors, Loaded};
use crate::detect::ModelManifest;

/// `None`: the config is wrong, and its errors are printed.
pub(super) fn load(path: &Path) -> Option<Loaded> {
    printed(crate::config::load(path))
}

/// As [`load`], for recorded footage: no passwords are needed.
pub(super) fn load_for_replay(path: &Path) -> Option<Loaded> {
    printed(crate::config::load_without_secrets(path))
}

/// Loads the model that the config names. `None`: a rule needs an object that the model does not know, and
/// the error is printed.
///
/// # Errors
/// The model's folder is missing or not valid.
pub(super) fn load_model(loaded: &Loaded) -> anyhow::Result<Option<ModelManifest>> {
    let folder = &loaded.config.detect.model;
    let model =
        ModelManifest::load(folder).with_context(|| format!("detect.model = {}", folder.display()))?;
    let fits = printed(loaded.check_objects(model.class_names()));
    Ok(fits.map(|()| model))
}

fn printed<T>(result: Result<T, ConfigErrors>) -> Option<T> {
    result.inspect_err(|errors| eprintln!("{}", errors.report())).ok()
}
