//! Takes: the operator's TOML files. Gives: one checked [`Config`].
//! On failure: every error at once, each with file, line, column and what to do. Not here: opening what it names.

mod types;

pub use types::*;
