//! The networks that a node runs.

use std::sync::Arc;

use super::SecondLookManifest;
use crate::detect::ModelManifest;

/// Their manifests, checked.
#[derive(Clone, Debug)]
pub struct Models {
    pub detector: ModelManifest,
    /// `None`: there are no second looks.
    pub second_look: Option<Arc<SecondLookManifest>>,
}
