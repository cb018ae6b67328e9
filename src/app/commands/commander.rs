//! Carries commands out: the parts of the node that they need, and how an answer is sent.

use std::sync::Arc;

use parking_lot::Mutex;

use super::answered::Answered;
use super::sender::Sender;
use super::waiting::Waiting;
use crate::app::rules_thread::{RulesStatus, ToRules};
use crate::base::{Shutdown, wall_now};
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
    pub rules: Arc<RulesStatus>,
    pub sites: Arc<Sites>,
    pub flight_service: Arc<FlightService>,
}

pub(super) struct Commander {
    pub parts: Parts,
    pub topics: Topics,
    pub waiting: Vec<Waiting>,
    pub answered: Mutex<Answered>,
    pub stop: Shutdown,
}

impl Commander {
    pub fn refuse(&self, sender: &Sender, reason: &str, help: &str) {
        tracing::warn!(command = sender.name, id = sender.id, "refused: {reason}");
        let error = ReplyError { reason: reason.to_owned(), help: help.to_owned() };
        self.answer(sender, ReplyData::refused(&sender.name, sender.id.as_deref(), error));
    }

    pub fn answer(&self, sender: &Sender, data: ReplyData) {
        let mut batch = Batch::default();
        self.add_reply(sender, data, &mut batch);
        let journal = &self.parts.recorder.journal;
        if journal.commit_or_withdraw(journal.lock(), batch, &self.stop) {
            sender.delivery.done();
        }
    }

    /// Puts the answer before everything else of the batch. A repeat of the command gets it again.
    pub fn add_reply(&self, sender: &Sender, data: ReplyData, batch: &mut Batch) {
        let (at, node) = (wall_now(), &self.parts.config.node.id);
        let refused = data.error.is_some();
        let (topic, correlation) = self.way_back(sender);
        let answer = reply_message(node, sender.answer_id(node, "answer"), at, topic, correlation, data);
        if let (Some(key), false) = (&sender.key, refused) {
            let max_age = self.parts.config.commands.max_age;
            self.answered.lock().remember(key, &answer, at, max_age, batch);
        }
        batch.messages.insert(0, answer);
    }

    /// Sends the answer of an earlier command with the same id.
    pub fn answer_again(&self, sender: &Sender, payload: Vec<u8>, content_type: String) {
        let (topic, correlation) = self.way_back(sender);
        let message = OutMessage { topic, content_type, payload, reply_to: Some(correlation), event: None };
        let batch = Batch { messages: vec![message], ..Batch::default() };
        let journal = &self.parts.recorder.journal;
        if journal.commit_or_withdraw(journal.lock(), batch, &self.stop) {
            sender.delivery.done();
        }
    }

    /// Topic and correlation data of an answer.
    fn way_back(&self, sender: &Sender) -> (String, Vec<u8>) {
        let prefixes = &self.parts.config.commands.reply_prefixes;
        let topic = reply_topic(&self.topics, prefixes, sender.delivery.response_topic());
        (topic, sender.delivery.correlation().map(|c| c.to_vec()).unwrap_or_default())
    }
}
