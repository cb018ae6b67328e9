//! Takes: telemetry of a drone (DJI subtitles, MISB ST 0601 packets, XMP and EXIF of stills). Gives: [`Pose`]s,
//! and from a [`Flight`] the pose at a picture's time.
//! When full: a live flight forgets its oldest poses.
//! On failure: a record that cannot be used is counted and named in a [`TelemetryReport`]; the rest is used.
//! No input panics.
//! Not here: video, the mathematics of pixels and ground (`geo`). Pure but for the two file readers in
//! `read`.

mod attitude;
mod check;
mod clock;
mod exif;
mod flight;
pub mod klv;
mod pose;
mod read;
mod report;
pub mod srt;
pub mod still;
mod view;
pub mod xmp;

pub use attitude::compose;
pub(crate) use check::judge;
pub use check::{Checker, Reference};
pub use clock::{ClockFit, fit_clock};
pub use flight::{Flight, MAX_GAP, NoPose, Sampled};
pub use pose::{Angles, LonLat, Pose};
pub use read::{TelemetryError, read_srt, read_still};
pub use report::{Fault, Gap, Rejected, TelemetryReport};
pub use still::{Still, StillError, StillLens, TakenSize};
pub use view::{NoView, locator, still_locator};
