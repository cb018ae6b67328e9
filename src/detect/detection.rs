//! What a model saw in one picture.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::{ClassName, Rect, WallTime};
use crate::decode::Picture;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    pub class: ClassName,
    /// 0 to 1.
    pub score: f32,
    /// Normalised picture coordinates.
    pub rect: Rect,
    /// How closely it was looked at: pixels of the network's input a pixel of the picture. 0: not known.
    #[serde(skip)]
    pub scale: f32,
    /// Found by the change of its place: since when it has stood there. `None`: found by a detector.
    #[serde(skip)]
    pub there_since: Option<WallTime>,
}

/// What a detector looked at in one picture.
#[derive(Clone, Debug, PartialEq)]
pub enum Looked {
    /// It ran on these parts.
    At(Vec<Part>),
    /// It did not run: the picture shows what an earlier one showed, whose answer is repeated.
    Again,
}

/// A part of a picture that a detector looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// Normalised picture coordinates.
    pub rect: Rect,
    /// Pixels of the network's input a pixel of the picture.
    pub scale: f32,
}

impl Looked {
    /// At the whole picture, as closely as anything can be seen.
    pub fn everything() -> Self {
        Self::At(vec![Part { rect: Rect::new(0.0, 0.0, 1.0, 1.0), scale: f32::MAX }])
    }
}

/// All that one picture gave, down to the model's score floor; highest score first.
#[derive(Clone, Debug)]
pub struct Detections {
    pub picture: Arc<Picture>,
    pub items: Vec<Detection>,
    pub looked: Looked,
}
