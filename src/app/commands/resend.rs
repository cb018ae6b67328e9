//! `resend`: queues what lies in an event's folder again.

use super::commander::Commander;
use super::sender::Sender;
use crate::events::event_again;
use crate::wire::{ReplyData, ResendCommand};

impl Commander {
    /// The answer goes with the records, so both are queued or neither.
    pub(super) fn resend(&self, sender: &Sender, command: &ResendCommand) {
        let config = &self.parts.config;
        let mut batch = event_again(&config.node.data_dir, command.event, &self.topics, &config.node.id);
        if let Some(kinds) = &command.kinds {
            batch.messages.clear();
            batch.media.retain(|media| kinds.contains(&media.kind));
        }
        if batch.messages.is_empty() && batch.media.is_empty() {
            let help =
                "its evidence was deleted by age or quota, or the id or the kinds are not of this node";
            return self.refuse(sender, "nothing of this event lies here", help);
        }
        tracing::info!(
            event = %command.event,
            messages = batch.messages.len(),
            files = batch.media.len(),
            "sent again on request"
        );
        let mut data = ReplyData::done(&sender.name, sender.id.as_deref());
        data.event = Some(command.event);
        self.add_reply(sender, data, &mut batch);
        let journal = &self.parts.recorder.journal;
        if journal.commit_or_withdraw(journal.lock(), batch, &self.stop) {
            sender.delivery.done();
        }
    }
}
