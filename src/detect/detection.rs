//! What a model saw in one picture.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::{ClassName, Rect};
use crate::decode::Picture;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    pub class: ClassName,
    /// 0 to 1.
    pub score: f32,
    /// Normalised picture coordinates.
    pub rect: Rect,
}

/// All that one picture gave, down to the model's score floor; highest score first.
#[derive(Clone, Debug)]
pub struct Detections {
    pub picture: Arc<Picture>,
    pub items: Vec<Detection>,
}
