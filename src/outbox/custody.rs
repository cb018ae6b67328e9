//! Who has a record: this node only, the broker, or a platform that has confirmed it.
//!
//! A record that the broker has is marked with a rising number (`sent`) and waits for a platform's word. The
//! broker hands on in order, so once a later record is confirmed, an earlier one that is not was lost on the way
//! and is sent again. If nothing is confirmed at all, only the oldest record is sent again, ever more rarely: a
//! platform that is away gets everything from the broker when it comes back. A record that the broker had nobody
//! to hand on to was told to nobody; it stays unsent, and one for each topic is tried from time to time.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{OutboxStats, RecordId};

/// The first wait for a word before the oldest record is sent again.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// What is known of the records beside their rows.
#[derive(Debug)]
pub(super) struct Custody {
    /// Handed out and not answered, or told to nobody: not handed out again.
    pub held: HashSet<RecordId>,
    /// Messages that nobody has subscribed to, by topic.
    pub nobody: BTreeMap<String, BTreeSet<i64>>,
    /// Pieces of files that nobody has subscribed to.
    pub media_nobody: BTreeSet<RecordId>,
    /// One piece may be sent although nobody takes them.
    pub media_probe: bool,
    /// The number of the newest record that the broker has; 0 until it was read.
    pub sent: i64,
    /// The newest number that a platform has confirmed, now and at the last look.
    pub confirmed: i64,
    pub confirmed_before: i64,
    /// When a platform last said something, or the first record began to wait for it.
    pub word: Option<Instant>,
    /// When the oldest record is sent again, and the wait after that.
    pub again: Option<Instant>,
    pub patience: Duration,
    /// Folders of events whose files are all delivered now, to be marked.
    pub delivered: Vec<PathBuf>,
    pub counts: Counts,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub confirmed: u64,
    pub refused: u64,
    pub sent_again: u64,
    pub released: u64,
}

impl Default for Custody {
    fn default() -> Self {
        Self {
            held: HashSet::new(),
            nobody: BTreeMap::new(),
            media_nobody: BTreeSet::new(),
            media_probe: false,
            sent: 0,
            confirmed: 0,
            confirmed_before: 0,
            word: None,
            again: None,
            patience: PATIENCE,
            delivered: Vec::new(),
            counts: Counts::default(),
        }
    }
}

impl Custody {
    /// Hands a record out, unless it is on the way.
    pub fn take(&mut self, id: RecordId) -> bool {
        self.held.insert(id)
    }

    pub fn landed(&mut self, ids: &[RecordId]) {
        for id in ids {
            self.held.remove(id);
        }
    }

    pub fn may_send_media(&self) -> bool {
        self.media_nobody.is_empty() || self.media_probe
    }

    /// The connection ended.
    pub fn release(&mut self) {
        self.held.clear();
        self.nobody.clear();
        self.media_nobody.clear();
        self.media_probe = false;
    }

    pub fn stats(&self) -> OutboxStats {
        OutboxStats {
            confirmed: self.counts.confirmed,
            platform_refused: self.counts.refused,
            sent_again: self.counts.sent_again,
            released: self.counts.released,
            told_nobody: self.nobody.values().map(BTreeSet::len).sum::<usize>() as u64
                + self.media_nobody.len() as u64,
            silent_s: self.word.map_or(0, |since| since.elapsed().as_secs()),
            ..OutboxStats::default()
        }
    }

    /// What was told to nobody may be sent: all of it if somebody listens now.
    pub fn listened(&mut self, topic: Option<&str>) {
        let back: Vec<RecordId> = match topic {
            Some(topic) => self.nobody.remove(topic).into_iter().flatten().map(RecordId::Message).collect(),
            None => std::mem::take(&mut self.media_nobody).into_iter().collect(),
        };
        self.landed(&back);
    }
}
