//! Commands that wait for pictures.

use std::sync::mpsc::Receiver;
use std::time::Instant;

use uuid::Uuid;

use super::sender::Sender;
use crate::app::requests::Sight;
use crate::base::{ClassName, Rect};
use crate::wire::{CameraAnswer, Verdict};

/// Commands that wait for pictures at a time.
pub(super) const MAX_WAITING: usize = 16;

/// A command that waits.
pub(super) struct Waiting {
    pub sender: Sender,
    pub question: Question,
    /// What the surest picture so far says.
    pub verdict: Verdict,
    pub cameras: Vec<Look>,
    pub deadline: Instant,
}

pub(super) enum Question {
    /// Is the event's thing still there?
    Rectified { event: Uuid, objects: Vec<ClassName>, places: Vec<Rect> },
    /// What is at this place (longitude, latitude)? With a clip, or without.
    Lead { place: [f64; 2], clip: bool },
}

/// One camera that is looked through.
pub(super) struct Look {
    pub answer: CameraAnswer,
    pub wanted: u32,
    pub sights: Receiver<Sight>,
    /// The newest picture, and how many there were.
    pub newest: Option<Sight>,
    pub seen: u32,
    pub over: bool,
}
