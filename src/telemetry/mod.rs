//! Takes: what the stages count. Gives: logs, Prometheus metrics and health over HTTP on a thread of its own.
//! On failure: the node runs on without; the failure is logged. Not here: deciding what is healthy for a stage.

mod http;
mod logging;
mod metrics;
mod snapshot;

pub use http::{HttpServer, TelemetryError};
pub use logging::init_logging;
pub use snapshot::{CameraSnapshot, EventCounts, NodeSnapshot};
