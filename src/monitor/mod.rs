//! Takes: what the stages count. Gives: logs, Prometheus metrics and health over HTTP on a thread of its own, and words
//! for the service manager.
//! On failure: the node runs on without; the failure is logged. Not here: deciding what is healthy for a stage.

mod http;
mod logging;
mod metrics;
mod service;
mod snapshot;

pub use http::{HttpServer, TelemetryError};
pub use logging::{LogControl, init_logging};
pub use service::Service;
pub use snapshot::{
    CameraSnapshot, ConfigStatus, EventCounts, FlightFailure, FlightsSnapshot, LoadSnapshot, NodeSnapshot,
    ReloadOutcome, ReloadReport,
};
