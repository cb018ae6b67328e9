//! The commands about an event (feedback): kept for training, learned by the rules, and checked for
//! `rectified`.

use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use uuid::Uuid;

use super::commander::Commander;
use super::sender::Sender;
use super::waiting::MAX_WAITING;
use crate::app::requests::Request;
use crate::app::rules_thread::Work;
use crate::base::error_chain;
use crate::events::feedback::{FeedbackRecord, KnownEvent};
use crate::rules::Decision;
use crate::scene::RulesChange;
use crate::wire::{Feedback, FeedbackCommand, ReplyData};

/// How long a rejected place is ignored if the command does not say.
const IGNORE_DAYS: f64 = 30.0;
/// How long to wait for the rules thread. It answers within milliseconds unless the disk is full.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a request was not carried out.
enum NotDone {
    NoSuchCamera,
    Busy,
}

impl Commander {
    pub(super) fn feedback(&mut self, sender: Sender, verdict: Feedback, command: &FeedbackCommand) {
        let known = match self.known(command.event) {
            Ok(Some(known)) => known,
            Ok(None) => {
                let reason = format!("event {} is not known here", command.event);
                let help = "the id is `subject` of the event's messages; events of other nodes and those older than 90 days are not known";
                return self.refuse(&sender, &reason, help);
            }
            Err(error) => {
                return self.refuse(
                    &sender,
                    &format!("the outbox cannot be read: {}", error_chain(&error)),
                    "send it again later",
                );
            }
        };
        let most = self.parts.config.commands.max_ignore_days;
        if command.ignore_days.is_some_and(|days| days > most) {
            let reason = format!("`ignore_days` is more than {most}, the most that this node allows");
            return self.refuse(&sender, &reason, "ask for less, or raise `commands.max_ignore_days`");
        }
        if verdict == Feedback::Rectified && self.waiting.len() >= MAX_WAITING {
            let reason = format!("{MAX_WAITING} commands wait for pictures already");
            return self.refuse(&sender, &reason, "send it again in a minute");
        }
        let node = &self.parts.config.node;
        let decision = Decision {
            verdict: sender.name.clone(),
            by: command.by.clone(),
            issuer: sender.issuer.clone(),
            command: sender.id.clone(),
            at: sender.came,
        };
        let record = FeedbackRecord::new(verdict, command, &known, &node.id, &decision);
        if let Err(error) = record.keep(&node.data_dir) {
            tracing::error!(event = %command.event, "feedback is not kept: {error}");
            return self.refuse(
                &sender,
                &format!("the feedback cannot be written to the disk: {error}"),
                "send it again later",
            );
        }
        tracing::info!(camera = %known.camera, event = %command.event, by = command.by, issuer = sender.issuer, "{verdict:?}: {}", command.reason.as_deref().unwrap_or("no reason given"));
        let change = match verdict {
            Feedback::Rectified => return self.check_again(sender, command.event, &known),
            Feedback::Confirmed => RulesChange::Lift,
            Feedback::Permitted => RulesChange::Permit {
                permit: command.permit.clone().or_else(|| command.reason.clone()).unwrap_or_default(),
            },
            Feedback::Rejected => RulesChange::Reject {
                class: known.class.clone(),
                places: known.places(),
                during: Duration::from_secs_f64(
                    command.ignore_days.unwrap_or(IGNORE_DAYS.min(most)) * 86_400.0,
                ),
                why: command.reason.clone().unwrap_or_default(),
            },
        };
        let of_flights = self.parts.flight_service.decide(&known, command.event, &change, &decision);
        match if of_flights { Ok(()) } else { self.change_rules(&known, command.event, change, decision) } {
            Ok(()) => {}
            // The decision is kept; no rules are left to learn from it.
            Err(NotDone::NoSuchCamera) => {
                tracing::warn!(camera = %known.camera, event = %command.event, "feedback about a camera that is not in the config any more");
            }
            Err(NotDone::Busy) => {
                return self.refuse(
                    &sender,
                    "the rules have not answered; is the disk full?",
                    "send it again later",
                );
            }
        }
        let mut data = ReplyData::done(&sender.name, sender.id.as_deref());
        data.event = Some(command.event);
        self.answer(&sender, data);
    }

    fn known(&self, event: Uuid) -> Result<Option<KnownEvent>, crate::outbox::OutboxError> {
        let stored = self.parts.outbox.state(&KnownEvent::key(event))?;
        Ok(stored.and_then(|value| {
            serde_json::from_slice(&value)
                .inspect_err(
                    |error| tracing::error!(%event, %error, "what is known of the event cannot be read"),
                )
                .ok()
        }))
    }

    fn change_rules(
        &self,
        known: &KnownEvent,
        event: Uuid,
        change: RulesChange,
        decision: Decision,
    ) -> Result<(), NotDone> {
        let (answer, answered) = sync_channel(1);
        let request = Request::Rules { camera: known.camera.clone(), event, change, decision, answer };
        self.parts.to_rules.send(Work::Request(request)).map_err(|_| NotDone::Busy)?;
        answered.recv_timeout(PATIENCE).map_err(|error| match error {
            RecvTimeoutError::Disconnected => NotDone::NoSuchCamera,
            RecvTimeoutError::Timeout => NotDone::Busy,
        })
    }
}
