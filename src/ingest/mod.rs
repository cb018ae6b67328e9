//! Takes: a camera's address or a recorded file. Gives: [`EncodedFrame`]s in decode order to a [`FrameSink`], and what a
//! drone tells beside them as [`Telemetry`].
//! When full: never waits for a live camera's sink. On failure: reconnects with jittered back-off and counts why.
//! Not here: decoding, keeping.

mod access_unit;
mod camera;
mod container;
mod error;
mod file;
mod frame;
mod gst_rtsp;
mod intake;
mod paced;
mod probe;
mod pipeline;
mod retina_rtsp;
mod sender_reports;
mod stats;
mod telemetry;
mod timing;
mod udp;

pub use camera::{CameraHandle, spawn_camera};
pub use error::{IngestError, Reason};
pub use file::{FileReader, footage_start, open_file};
pub use frame::{Codec, EncodedFrame, FrameSink};
pub use probe::{ProbeReport, probe};
pub use stats::{IngestSnapshot, IngestStats, Reconnects, SourceState};
pub use telemetry::{FlightError, FlightSettings, Telemetry, flight_of};
