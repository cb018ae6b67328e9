//! Builds the stages from the config, supervises them, shuts them down. The only module beside `cli` that knows all.

mod airborne;
mod analysis;
mod commands;
mod dossier;
mod feedback;
mod flights;
mod guard;
mod health;
mod lookback;
mod merge;
mod node;
mod order;
mod place;
mod recorder;
mod reload;
mod replay;
mod scene;
mod shots;
mod site;
mod status;
mod stills;
mod survey;
mod tamper;
mod watch;

pub use feedback::{FeedbackRecord, KnownObject, feedback_dir};
pub use node::{AppError, RunReport, run};
pub use reload::{Live, ReloadRequest};
pub use replay::{ReplayOptions, replay};
pub use site::{SiteError, seen_on_ground};
