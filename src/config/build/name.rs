//! Ids and the paths of files.

use std::path::PathBuf;

use super::Builder;
use crate::base::{ClassName, is_id};
use crate::config::problem::Problem;
use crate::config::raw::At;

/// The id, if it is one.
pub(super) fn check_id(id: &At<String>, what: &str) -> Result<String, Problem> {
    if is_id(id) {
        return Ok(id.to_string());
    }
    Err(Problem::new(
        &id.span,
        format!("the id of a {what} has 1 to 64 letters (a-z, A-Z), digits, `-` and `_`"),
    )
    .help("it becomes part of topics and paths; put the name for people into `name`"))
}

impl Builder<'_, '_> {
    pub(super) fn path(&self, path: &At<String>) -> PathBuf {
        self.sources.resolve(path, &path.span)
    }

    pub(super) fn optional_path(&self, path: Option<&At<String>>) -> Option<PathBuf> {
        path.map(|path| self.path(path))
    }
}

/// Empty without `names`.
pub(super) fn class_names(names: Option<&At<Vec<At<String>>>>) -> Vec<ClassName> {
    names.into_iter().flat_map(|list| list.iter()).map(|n| ClassName::new(n.as_str())).collect()
}
