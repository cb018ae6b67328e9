//! Loading what most commands begin with; what is wrong is printed here, once.

use std::path::Path;

use anyhow::Context;

use crate::config::{ConfigErrors, Loaded};
use crate::detect::ModelManifest;

/// `None`: the config is wrong and all of it has been told.
pub(super) fn load(path: &Path) -> Option<Loaded> {
    told(crate::config::load(path))
}

/// As [`load`], for footage away from the node: passwords are not asked for.
pub(super) fn load_for_replay(path: &Path) -> Option<Loaded> {
    told(crate::config::load_without_secrets(path))
}

/// The model that the config names. `None`: a rule asks for an object that it does not know, and that has been told.
///
/// # Errors
/// The model's folder cannot be used.
pub(super) fn load_model(loaded: &Loaded) -> anyhow::Result<Option<ModelManifest>> {
    let folder = &loaded.config.detect.model;
    let model =
        ModelManifest::load(folder).with_context(|| format!("detect.model = {}", folder.display()))?;
    let fits = told(loaded.check_objects(model.class_names()));
    Ok(fits.map(|()| model))
}

fn told<T>(result: Result<T, ConfigErrors>) -> Option<T> {
    result.inspect_err(|errors| eprintln!("{}", errors.report())).ok()
}
