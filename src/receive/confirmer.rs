//! Gathers what was stored for each node, and sends it as confirmations: one for many records.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::store::Confirmed;
use crate::base::monotonic;
use crate::wire::{Confirmation, Topics};

/// The most records in one confirmation: it fits a node with the smallest `chunk_bytes`.
const MOST: usize = 64;
/// How long a record waits for others.
const WAIT: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub(super) struct Confirmer {
    prefix: String,
    by: String,
    waiting: BTreeMap<String, (Confirmation, Instant)>,
}

impl Confirmer {
    pub fn new(prefix: &str, by: &str) -> Self {
        Self { prefix: prefix.to_owned(), by: by.to_owned(), waiting: BTreeMap::new() }
    }

    pub fn add(&mut self, node: String, confirmed: Confirmed) {
        let (confirmation, _) = self.waiting.entry(node).or_insert_with(|| {
            (Confirmation { by: self.by.clone(), ..Confirmation::default() }, monotonic())
        });
        confirmed.add_to(confirmation);
    }

    /// When the next confirmation is due; `None` if nothing waits.
    pub fn due_in(&self) -> Option<Duration> {
        self.waiting.values().map(|(_, since)| WAIT.saturating_sub(since.elapsed())).min()
    }

    /// Topic and payload of each confirmation that is due; of all that wait if `now`.
    pub fn take(&mut self, now: bool) -> Vec<(String, Vec<u8>)> {
        let is_due = |_: &String, (confirmation, since): &mut (Confirmation, Instant)| {
            now || since.elapsed() >= WAIT || confirmation.messages.len() + confirmation.files.len() >= MOST
        };
        let due: Vec<_> = self.waiting.extract_if(.., is_due).collect();
        due.into_iter()
            .map(|(node, (confirmation, _))| {
                let payload = serde_json::to_vec(&confirmation).expect("string keys only");
                (Topics::new(&self.prefix, &node).confirm(), payload)
            })
            .collect()
    }
}
