//! A person's decision about an event.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules::Decision;

/// Who decided, and by which command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DecisionData {
    #[schemars(extend("enum" = ["confirmed", "rejected", "permitted", "rectified"]))]
    pub verdict: String,
    /// `by` of the command: its own words, not proved.
    pub by: Option<String>,
    /// The sender, proved by its key. `null`: the node's config names no senders.
    pub issuer: Option<String>,
    /// `id` of the command.
    pub command: Option<String>,
    /// When the command came.
    pub at: String,
}

impl From<&Decision> for DecisionData {
    fn from(decision: &Decision) -> Self {
        let Decision { verdict, by, issuer, command, at } = decision.clone();
        Self { verdict, by, issuer, command, at: at.to_string() }
    }
}
