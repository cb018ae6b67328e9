//! Takes: counters of the stages. Gives: logs, Prometheus metrics and health over HTTP on its own thread, and
//! messages to the service manager.
//! On failure: the node runs on without them and logs the failure. Not here: what is healthy for a stage.

mod connections;
mod figures;
mod http;
mod logging;
mod one_line;
mod metrics;
mod service;
mod snapshot;

pub use figures::{Figure, FigureValue};
pub use http::{HttpError, HttpServer};
pub use logging::{LogControl, init_logging};
pub use one_line::OneLine;
pub use service::Service;
pub use snapshot::{
    CameraSnapshot, ConfigStatus, EventCounts, FlightFailure, FlightsSnapshot, LoadSnapshot, NodeSnapshot,
    ReloadOutcome, ReloadReport,
};
