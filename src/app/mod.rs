//! Builds the stages from the config, supervises them and shuts them down. Only this module and `cli` know
//! all others.

mod before_keeper;
mod commands;
mod health;
mod load_governor;
mod node;
mod reload;
mod replay;
mod requests;
mod roster;
mod rules_thread;
mod status;

pub use node::{AppError, RunReport, run};
pub use reload::{Live, ReloadRequest};
pub use replay::{ReplayOptions, replay};
