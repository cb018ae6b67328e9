//! Takes: [`Picture`](crate::decode::Picture)s. Gives: [`Detections`].
//! When full: one picture a camera waits, the newest wins; the most overdue camera is served first.

mod detection;

pub use detection::{Detection, Detections};
