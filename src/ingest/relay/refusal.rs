//! Why a connection to a camera is cut.

use super::budget::Exceeded;

/// Why the relay cut a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// One side hung up, or the network failed. The library says it.
    Closed,
    LongHead,
    LongBody,
    /// So many bytes came without a picture.
    NoPicture(usize),
    OnlyBasic,
    /// Where a redirection leads.
    Elsewhere(String),
}

impl From<Exceeded> for Refusal {
    fn from(exceeded: Exceeded) -> Self {
        Self::NoPicture(exceeded.bytes)
    }
}
