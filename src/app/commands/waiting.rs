//! Commands that wait for pictures.

use std::sync::mpsc::Receiver;
use std::time::Instant;

use uuid::Uuid;

use super::sender::Sender;
use crate::app::requests::PictureAnswer;
use crate::base::{ClassName, Rect};
use crate::wire::{CameraAnswer, Verdict};

/// The most commands that wait for pictures at a time.
pub(super) const MAX_WAITING: usize = 16;

/// A command that waits for pictures.
pub(super) struct Waiting {
    pub sender: Sender,
    pub question: Question,
    /// The strongest verdict of the pictures so far.
    pub verdict: Verdict,
    pub cameras: Vec<CameraWait>,
    pub deadline: Instant,
}

pub(super) enum Question {
    /// Is the event's object still there?
    Rectified { event: Uuid, objects: Vec<ClassName>, places: Vec<Rect> },
    /// What is at this place (longitude, latitude in degrees)? `clip`: record one too.
    Lead { place: [f64; 2], clip: bool },
}

/// The pictures that a command waits for from one camera.
pub(super) struct CameraWait {
    pub answer: CameraAnswer,
    pub wanted: u32,
    pub observations: Receiver<PictureAnswer>,
    /// The newest picture.
    pub newest: Option<PictureAnswer>,
    /// How many pictures came.
    pub received: u32,
    /// No further picture will come, or none is needed.
    pub done: bool,
}
