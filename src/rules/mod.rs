//! Takes: the tracks of one camera, picture by picture. Gives: [`Violation`] transitions.
//! When full: a rule holds at most 512 things at a time, what comes above is passed over and counted; events above the
//! camera's hourly cap wait and are counted. On failure: tracks that are not numbers are passed over.
//! Not here: clocks, IO, threads. The state of a camera is plain data ([`RulesState`]) that survives a restart.

mod camera;
mod change;
mod constants;
mod count;
mod events;
mod feedback;
mod flight_finding;
mod flights;
mod appearance;
mod input;
mod observe;
mod geometry;
mod reason;
mod schedule;
mod spot;
mod state;
mod violation;

pub use camera::CameraRules;
pub use flight_finding::FlightFinding;
pub use flights::{Flight, FlightEvent, FlightJudge, FlightStep, PairFindings};
pub use input::{CHANGE, Changed, Changes, Thresholds};
pub use schedule::is_awake;
pub use state::{Ignored, RulesState};
pub use violation::{ChangeFacts, FlightFacts, Transition, Violation, ViolationObject};

#[cfg(test)]
mod tests;
