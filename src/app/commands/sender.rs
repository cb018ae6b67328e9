//! The sender of a command.

use uuid::Uuid;

use super::answered::CommandKey;
use crate::base::{DerivedId, WallTime};
use crate::publish::Delivery;

/// Where the answer to a command goes.
pub(super) struct Sender {
    pub delivery: Delivery,
    pub name: String,
    pub id: Option<String>,
    /// Who it is, proved by its key; `None`: the config names nobody.
    pub issuer: Option<String>,
    /// Under which the answer is remembered. `None`: the command has no id, or is refused.
    pub key: Option<CommandKey>,
    /// When the command came. Its answer and evidence have ids of this time.
    pub came: WallTime,
}

impl Sender {
    /// The id of the answer, or of its evidence: it follows from the command's id. Without one it is never given twice.
    pub fn answer_id(&self, node: &str, what: &str) -> Uuid {
        let id = DerivedId::new("reply").name(node).name(&self.name).name(what).time(self.came);
        let id = id.name(self.issuer.as_deref().unwrap_or_default());
        match &self.id {
            Some(own) => id.name(own),
            None => id.number(rand::random()),
        }
        .at(self.came)
    }
}
