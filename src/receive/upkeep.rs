//! What the store does beside storing: asks nodes for files that have not come, and deletes old events.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::Value;
use tracing::{error, info, warn};
use uuid::Uuid;

use super::asking::Asking;
use super::error::StoreError;
use super::report::Line;
use super::retention::{recent, tidy};
use super::store::Store;
use crate::base::{error_chain, monotonic, wall_now};
use crate::wire::{About, CloudEvent, Origin, ResendCommand, Topics};

/// How often old events are looked for, and how soon again while there are more.
const EVERY: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_secs(5);
/// Events of so long ago are looked at after a start.
const LOOK_BACK: Duration = Duration::from_secs(7 * 86_400);
/// Events that are deleted at a time, so that messages do not wait for it.
const AT_A_TIME: usize = 100;

impl Store {
    /// Deletes events of more than this ago, but never those that are open or wait for files.
    pub fn keep_for(&mut self, keep: Duration) {
        self.upkeep.keep = Some(keep);
    }

    /// Asks a node for files of an event that have not come so long after it announced them.
    pub fn ask_after(&mut self, after: Duration) {
        let mut asking = Asking::new(after);
        // Those that waited before a restart.
        let found = recent(self.folder.path(), LOOK_BACK, wall_now()).unwrap_or_default();
        let events = found.iter().filter_map(|dir| Uuid::parse_str(dir.file_name()?.to_str()?).ok());
        for event in events {
            let waits = self.events.missing(event).is_ok_and(|kinds| !kinds.is_empty());
            if let (true, Some(node)) = (waits, self.events.owner(event)) {
                asking.waits(&node, event, monotonic());
            }
        }
        self.upkeep.asking = Some(asking);
    }

    /// Notes what a stored message says of files to come.
    pub(super) fn watch(
        &mut self,
        origin: &Origin,
        payload: &Bytes,
        lines: &[Line],
    ) -> Result<(), StoreError> {
        let Some(asking) = &mut self.upkeep.asking else { return Ok(()) };
        for line in lines {
            if let Line::Complete { event, .. } = line {
                asking.complete(*event);
            }
        }
        if let About::Evidence { .. } | About::Lost = origin.about {
            let message: Option<CloudEvent<Value>> = serde_json::from_slice(payload).ok();
            let event = message.and_then(|message| Uuid::parse_str(&message.subject).ok());
            if let Some(event) =
                event.filter(|event| self.events.owner(*event).as_ref() == Some(&origin.node))
            {
                if self.events.missing(event)?.is_empty() {
                    asking.complete(event);
                } else {
                    asking.waits(&origin.node, event, monotonic());
                }
            }
        }
        self.stats.waiting.store(asking.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// To be called every few seconds. Returns topic and payload of what is to be asked.
    pub(super) fn look_after(&mut self, now: Instant) -> Vec<(String, Vec<u8>)> {
        self.delete_old(now);
        let due = self.upkeep.asking.as_mut().map(|asking| asking.due(now)).unwrap_or_default();
        due.into_iter().filter_map(|(node, event)| self.ask(&node, event)).collect()
    }

    fn ask(&mut self, node: &str, event: Uuid) -> Option<(String, Vec<u8>)> {
        let kinds = self.events.missing(event).ok()?;
        if kinds.is_empty() {
            return None;
        }
        warn!(node, %event, ?kinds, "these files were announced and have not come: the node is asked for them");
        self.stats.asked.fetch_add(1, Ordering::Relaxed);
        // Each question has an id of its own, because a node answers a repeat without doing it again.
        let issued_at = wall_now().to_string();
        let id = Some(format!("missing-{event}-{issued_at}"));
        let command = ResendCommand { id, issued_at: Some(issued_at), event, kinds: Some(kinds) };
        let payload = serde_json::to_vec(&command).expect("string keys only");
        Some((Topics::new(self.prefix(), node).command("resend"), payload))
    }

    fn delete_old(&mut self, now: Instant) {
        let Some(keep) = self.upkeep.keep else { return };
        if self.upkeep.next.is_some_and(|next| now < next) {
            return;
        }
        let mut gone = Vec::new();
        let found = tidy(self.folder.path(), keep, wall_now(), AT_A_TIME, |event| gone.push(event));
        gone.iter().for_each(|event| self.events.forget(*event));
        self.stats.deleted.fetch_add(gone.len() as u64, Ordering::Relaxed);
        self.upkeep.next = Some(now + if gone.len() == AT_A_TIME { SOON } else { EVERY });
        match found {
            Ok(found) if found.deleted + found.open + found.waiting > 0 => info!(
                deleted = found.deleted,
                open = found.open,
                wait_for_files = found.waiting,
                "old events: deleted, kept because they are open, kept because files have not come"
            ),
            Ok(_) => {}
            Err(e) => error!(error = %error_chain(&e), "cannot delete old events"),
        }
    }
}
