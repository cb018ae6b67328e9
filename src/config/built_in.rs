//! The files that are built into the program.

pub(crate) const DEFAULTS: &str = include_str!("defaults.toml");
pub(crate) const CATALOGUE: &str = include_str!("../../config/catalogue.toml");
