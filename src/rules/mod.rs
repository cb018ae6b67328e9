//! Decides which tracks, changes and differences between flights are suspected violations.
//!
//! Takes: the tracks and changes of one camera, picture by picture ([`CameraRules`]); the differences between
//! two flights, pair by pair ([`FlightJudge`]). Gives: [`Violation`] transitions.
//! When full: a rule holds at most 512 things at a time and skips and counts the rest. Events above the
//! camera's hourly cap wait and are counted. A flight opens at most 200 events.
//! On failure: tracks with coordinates that are not finite are skipped.
//! Not here: clocks, IO, threads. The state of a camera is plain data ([`RulesState`]) that survives a
//! restart.

mod answers;
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
mod second_look;
mod spot;
mod state;
mod violation;

pub use camera::{CameraRules, Seen};
pub use flight_finding::FlightFinding;
pub use flights::{Flight, FlightEvent, FlightJudge, FlightStep, PairFindings};
pub use input::{CHANGE, Changed, Changes, Thresholds};
pub use schedule::is_awake;
pub use second_look::ThingInQuestion;
pub use state::{EventSight, Ignored, RulesState};
pub use violation::{
    ChangeFacts, Decision, FlightFacts, SecondLookFacts, SecondLookVerdict, Transition, Violation,
    ViolationObject,
};

#[cfg(test)]
mod tests;
