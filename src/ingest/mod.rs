//! Takes: a camera's address or a recorded file. Gives: [`EncodedFrame`]s in decode order and a drone's
//! [`Telemetry`], to a [`FrameSink`].
//! When full: a live camera never waits for its sink.
//! On failure: reconnects with jittered back-off and counts the reasons.
//! Not here: decoding, keeping frames.

mod access_unit;
mod camera;
mod clock;
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
mod rtsp;
mod sender_reports;
mod sink;
mod stats;
mod telemetry;
mod timing;
mod ts;
mod udp;

pub use camera::{CameraHandle, spawn_camera};
pub use error::{IngestError, Reason};
pub use file::{FileReader, footage_start, open_file};
pub use frame::{Codec, EncodedFrame};
pub use probe::{ProbeReport, probe};
pub use sink::{FrameSink, Telemetry};
pub use stats::{IngestSnapshot, IngestStats, Reconnects, SourceState};
pub use telemetry::{FlightError, FlightSettings, flight_of};
