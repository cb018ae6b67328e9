//! What the builder works on.

use toml::de::DeTable;

use crate::config::source::Span;

/// A table of the config with its position in the file.
pub(crate) type TableAt<'i> = (Span, DeTable<'i>);

/// Whether the builder reads passwords from where the operator keeps them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Secrets {
    Fetch,
    /// For replays and other runs that connect to nothing.
    Leave,
}

/// A `[[rule]]` at top level.
pub(crate) struct SharedRule<'i> {
    pub(super) id: String,
    pub(super) span: Span,
    pub(super) profiles: Option<Vec<String>>,
    pub(super) zones: Vec<String>,
    pub(super) table: DeTable<'i>,
}
