//! The sender of a command.

use crate::publish::Delivery;

/// Where the answer to a command goes.
pub(super) struct Sender {
    pub delivery: Delivery,
    pub name: String,
    pub id: Option<String>,
}
