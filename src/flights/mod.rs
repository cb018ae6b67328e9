//! Takes: finished flights that people drop into an area's folder. Gives: events about what was built,
//! cleared or piled up since the last accepted flight of the area, through the outbox like all others.
//! When full: works on one flight and one pair of pictures at a time, on a thread of low priority. Waiting
//! flights stay in their folder. Only the last accepted flight of an area is kept.
//! On failure: a flight that cannot be read or matched to the last one is reported in the log and in the
//! node's health, and moved to `failed` with the reason. The next one continues. After a kill at any moment,
//! the flight is either recorded completely, or still in its folder and compared again with the same result.
//! Not here: how two pictures are compared (`compare`). The watchdog does not cover this thread: a pair takes
//! seconds to minutes, no camera waits for it, and a restart would only repeat the work.

mod flight;
mod inbox;
mod judge;
mod service;
mod state;
mod thread;

pub(crate) use service::FlightService;
pub(crate) use thread::FlightThread;
