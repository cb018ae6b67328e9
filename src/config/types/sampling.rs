//! How often a camera is looked at, and who gives way.

use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// Key frames while a scene is quiet, more of them while something moves, and then every frame for a
    /// while.
    Adaptive(Adaptive),
    /// Key frames only, through the shared decoders.
    Keyframes,
    /// Every access unit is decoded; pictures are still analysed no more often than `interval`.
    All,
}

impl Sampling {
    /// For how long a look that shows nothing new may do without the detector.
    pub fn full_look(self) -> Duration {
        match self {
            Sampling::Adaptive(adaptive) => adaptive.full_look,
            Sampling::Keyframes | Sampling::All => Duration::ZERO,
        }
    }
}

/// Who gives way first when the box has too much to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    Low,
    Normal,
    High,
}

impl Priority {
    /// How many times as often as a normal camera this one is scheduled, when there is not enough for all.
    pub fn weight(self) -> f64 {
        match self {
            Priority::Low => 0.5,
            Priority::Normal => 1.0,
            Priority::High => 3.0,
        }
    }

    /// The camera's own stretch where that of a normal one is `stretch`: what is above 1 counts by weight.
    pub fn stretch(self, stretch: f64) -> f64 {
        1.0 + (stretch - 1.0).max(0.0) / self.weight()
    }
}

/// What a camera gets while something moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adaptive {
    /// Between two key frames that are looked at.
    pub active_interval: Duration,
    /// Pictures a second while every frame is decoded.
    pub fps: u32,
    /// Every frame is decoded for at most this long at a time. Zero: never.
    pub burst: Duration,
    /// And then not for this long.
    pub rest: Duration,
    /// The detector is run again at the latest so long after it was, also where a look shows nothing new.
    /// Zero: each time.
    pub full_look: Duration,
}
