//! What the broker has refused waits before it is offered again, also over connections: some brokers cut the
//! connection with each refusal.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::outbox::RecordId;

/// By then its access rules may have changed.
const PAUSE: Duration = Duration::from_secs(600);

#[derive(Debug, Default)]
pub(super) struct Held(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Of the first refusal.
    since: Option<Instant>,
    /// One piece of a file was refused, and so would be all others.
    files: bool,
    messages: HashSet<RecordId>,
}

impl Held {
    pub fn hold(&self, id: RecordId, now: Instant) {
        let mut inner = self.0.lock();
        inner.since.get_or_insert(now);
        match id {
            RecordId::Chunk { .. } => inner.files = true,
            RecordId::Message(_) => drop(inner.messages.insert(id)),
        }
    }

    pub fn holds(&self, id: RecordId) -> bool {
        let inner = self.0.lock();
        if matches!(id, RecordId::Chunk { .. }) { inner.files } else { inner.messages.contains(&id) }
    }

    pub fn holds_files(&self) -> bool {
        self.0.lock().files
    }

    /// When everything is to be offered again; `None`: nothing is held.
    pub fn until(&self) -> Option<Instant> {
        self.0.lock().since.map(|since| since + PAUSE)
    }

    pub fn forget(&self) {
        *self.0.lock() = Inner::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::monotonic;

    #[test]
    fn one_refused_piece_holds_all_files_and_one_message_only_itself() {
        let (held, now) = (Held::default(), monotonic());
        assert_eq!((held.until(), held.holds_files()), (None, false));
        held.hold(RecordId::Message(1), now);
        held.hold(RecordId::Chunk { media: 1, index: 0 }, now + Duration::from_secs(5));
        assert!(held.holds(RecordId::Chunk { media: 2, index: 7 }) && held.holds_files());
        assert!(held.holds(RecordId::Message(1)) && !held.holds(RecordId::Message(2)));
        assert_eq!(held.until(), Some(now + PAUSE));
        held.forget();
        assert!(!held.holds(RecordId::Message(1)) && !held.holds_files());
    }
}
