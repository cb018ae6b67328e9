//! Builds the stages from the config, supervises them, shuts them down. The only module beside `cli` that knows all.

mod analysis;
mod dossier;
mod node;
mod recorder;
mod replay;
mod scene;
mod status;

pub use node::{AppError, RunReport, run};
pub use replay::{ReplayOptions, replay};
