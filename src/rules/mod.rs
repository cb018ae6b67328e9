//! Takes: the tracks of one camera, picture by picture. Gives: [`Violation`] transitions.
//! Pure: no clock, no IO, no thread; the state of a camera is plain data that survives a restart.

mod violation;

pub use violation::{Transition, Violation, ViolationObject};
