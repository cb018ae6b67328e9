//! Carries commands out: the parts of the node that they need, and how an answer is sent.

use std::sync::Arc;

use uuid::Uuid;

use super::sender::Sender;
use super::waiting::Waiting;
use crate::app::rules_thread::ToRules;
use crate::base::{DerivedId, Shutdown, wall_now};
use crate::config::Config;
use crate::events::Recorder;
use crate::evidence::ClipService;
use crate::flights::FlightService;
use crate::outbox::{Batch, OutMessage, Outbox};
use crate::scene::Sites;
use crate::wire::{ReplyData, ReplyError, Topics, reply_message, reply_topic};

/// The parts of the node that commands need.
pub(in crate::app) struct Parts {
    pub config: Arc<Config>,
    pub outbox: Arc<Outbox>,
    pub recorder: Arc<Recorder>,
    pub clips: Arc<ClipService>,
    pub to_rules: ToRules,
    pub sites: Arc<Sites>,
    pub flight_service: Arc<FlightService>,
}

pub(super) struct Commander {
    pub parts: Parts,
    pub topics: Topics,
    pub waiting: Vec<Waiting>,
    pub stop: Shutdown,
}

impl Commander {
    pub fn refuse(&self, sender: &Sender, reason: &str, help: &str) {
        tracing::warn!(command = sender.name, id = sender.id, "refused: {reason}");
        let error = ReplyError { reason: reason.to_owned(), help: help.to_owned() };
        self.answer(sender, ReplyData::refused(&sender.name, sender.id.as_deref(), error));
    }

    pub fn answer(&self, sender: &Sender, data: ReplyData) {
        let batch = Batch { messages: vec![self.reply(sender, data)], ..Batch::default() };
        let journal = &self.parts.recorder.journal;
        if journal.commit_or_withdraw(journal.lock(), batch, &self.stop) {
            sender.delivery.done();
        }
    }

    pub fn reply(&self, sender: &Sender, data: ReplyData) -> OutMessage {
        let at = wall_now();
        let subject = new_id(&self.parts.config.node.id, &sender.name);
        let topic = reply_topic(&self.topics, sender.delivery.response_topic());
        let correlation = sender.delivery.correlation().map(|c| c.to_vec()).unwrap_or_default();
        reply_message(&self.parts.config.node.id, subject, at, topic, correlation, data)
    }
}

/// A new id, never given twice.
pub(super) fn new_id(node: &str, what: &str) -> Uuid {
    let now = wall_now();
    DerivedId::new("reply").name(node).name(what).time(now).number(rand::random()).at(now)
}
