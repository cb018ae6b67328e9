//! Takes: the tracks of one camera, picture by picture. Gives: [`Violation`] transitions.
//! When full: a rule holds at most 512 things at a time, what comes above is passed over and counted; events above the
//! camera's hourly cap wait and are counted. On failure: tracks that are not numbers are passed over.
//! Not here: clocks, IO, threads. The state of a camera is plain data ([`RulesState`]) that survives a restart.

mod camera;
mod change;
mod events;
mod feedback;
mod appearance;
mod observe;
mod geometry;
mod reason;
mod schedule;
mod state;
mod violation;

pub use camera::{CameraRules, Thresholds};
pub use change::{CHANGE, Changed, Changes};
pub use feedback::Ignored;
pub use schedule::is_awake;
pub use state::RulesState;
pub use violation::{ChangeFacts, FlightFacts, Transition, Violation, ViolationObject};

#[cfg(test)]
mod tests;
