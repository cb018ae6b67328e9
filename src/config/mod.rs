//! Takes: the operator's TOML files. Gives: one checked [`Config`].
//! On failure: every error at once, each with file, line, column and what to do. Not here: opening what it
//! names.
//!
//! ```text
//! files -> TOML tree -> structure (schema of raw/) -> layers merged -> raw types -> build/ -> Config
//! ```

mod build;
mod built_in;
mod catalogue;
mod coverage;
mod files;
mod geojson;
mod load;
mod loaded;
mod moving;
mod problem;
mod raw;
mod schema;
mod source;
mod structure;
mod tree;
mod types;

pub use coverage::{Coverage, Signal};
pub use load::{load, load_without_secrets};
pub use loaded::{Finding, Loaded};
pub use moving::{Compensation, DroneConfig, TelemetrySource, UdpConfig};
pub use problem::ConfigErrors;
pub use schema::schema;
pub use types::*;
