//! Takes: finished flights that people drop in an area's folder. Gives: events about what was built, cleared or piled up
//! since the last accepted flight of the area, through the outbox like any other.
//! When full: one flight at a time, one pair of pictures at a time, on a thread that gives way to all others; what waits
//! stays in its folder. Of an area only the last accepted flight is kept.
//! On failure: a flight that cannot be read or laid over the last one is named in the log and in the node's health, and
//! moved to `failed` with the reason; the next one goes on. A kill at any moment leaves the flight in its folder, and it
//! is compared again with the same result, or recorded whole.
//! Not here: how two pictures are compared (`compare`). The watchdog does not ask after this thread: a pair takes seconds
//! to minutes by its size, no camera waits for it, and a restart would only begin it anew.

mod flight;
mod inbox;
mod judge;
mod service;
mod state;
mod thread;

pub(crate) use judge::Step;
pub(crate) use service::FlightService;
pub(crate) use thread::FlightThread;
