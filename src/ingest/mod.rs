//! Takes: a camera's address or a recorded file. Gives: [`EncodedFrame`]s in decode order and a drone's
//! [`Telemetry`], to a [`FrameSink`].
//! When full: a live camera never waits for its sink.
//! On failure: reconnects with jittered back-off and counts the reasons.
//! Not here: decoding, keeping frames.

mod access_unit;
mod bits;
mod camera;
mod clock;
mod container;
mod depacketizer;
mod error;
mod file;
mod frame;
mod gst_rtsp;
mod intake;
mod nal;
mod paced;
mod parameter_sets;
mod payload;
mod pipeline;
mod probe;
mod relay;
mod retina_rtsp;
mod rtsp;
mod sdp;
mod sender_reports;
mod sink;
mod sps;
mod stats;
mod telemetry;
mod timing;
mod ts;
mod udp;
mod unfinished;
mod ways;

pub(crate) use access_unit::next_start;
pub(crate) use bits::Bits;
pub use camera::{CameraHandle, spawn_camera};
pub use error::{IngestError, Reason};
pub use file::{FileReader, footage_start, open_file};
pub use frame::{Codec, EncodedFrame, Orientation};
pub use probe::{ProbeReport, probe, probe_into};
pub use sink::{FrameSink, Telemetry};
pub(crate) use sps::sequence_head;
pub use stats::{IngestSnapshot, IngestStats, Reconnects, SourceState};
pub use telemetry::{FlightError, FlightSettings, flight_of};
