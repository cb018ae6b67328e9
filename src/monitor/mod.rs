//! Takes: the counters of the stages. Gives: logs, Prometheus metrics and health over HTTP on a thread of its own, and
//! notifications for systemd. When full: does not queue.
//! On failure: the node continues without them and logs it. Not here: deciding whether a stage is healthy.

mod http;
mod logging;
mod metrics;
mod service;
mod snapshot;

pub use http::{HttpServer, MonitorError};
pub use logging::{LogControl, init_logging};
pub use service::Service;
pub use snapshot::{
    CameraSnapshot, ConfigStatus, EventCounts, FlightFailure, FlightsSnapshot, LoadSnapshot, NodeSnapshot,
    ReloadOutcome, ReloadReport,
};
