//! The messages in flight on one connection: which packet id belongs to which record.
//!
//! rumqttc numbers packets when it writes them, in the order of the requests, and reports each number in an
//! event. A queue of requested items and a table of numbered ones is therefore enough.

use std::collections::{HashMap, VecDeque};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use crate::outbox::RecordId;

/// A record, or a retained state, whose acknowledgement is not tracked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Record(RecordId),
    /// A record whose topic the sender of a command chose.
    Reply(RecordId),
    State,
}

#[derive(Debug, Default)]
struct Inner {
    /// The most unacknowledged messages; 0 until the broker has answered.
    window: usize,
    handed: VecDeque<Item>,
    numbered: HashMap<u16, Item>,
}

#[derive(Debug, Default)]
pub(super) struct InFlight {
    inner: Mutex<Inner>,
    changed: Notify,
}

/// What may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    None,
    /// The last place is reserved for events; chunks may fill the others.
    MessagesOnly,
    All,
}

impl InFlight {
    pub fn open(&self, window: usize) {
        self.lock().window = window.max(1);
        self.changed.notify_one();
    }

    pub fn room(&self) -> Room {
        let inner = self.lock();
        let used = inner.handed.len() + inner.numbered.len();
        if used >= inner.window {
            Room::None
        } else if used + 1 == inner.window && inner.window > 1 {
            Room::MessagesOnly
        } else {
            Room::All
        }
    }

    pub fn is_open(&self) -> bool {
        self.lock().window > 0
    }

    pub fn is_empty(&self) -> bool {
        let inner = self.lock();
        inner.handed.is_empty() && inner.numbered.is_empty()
    }

    /// Call it before the item is handed to rumqttc, and from one place only.
    pub fn hand_over(&self, item: Item) {
        self.lock().handed.push_back(item);
    }

    pub fn number(&self, packet: u16) {
        let mut inner = self.lock();
        if let Some(item) = inner.handed.pop_front() {
            inner.numbered.insert(packet, item);
        }
    }

    pub fn acknowledge(&self, packet: u16) -> Option<Item> {
        let item = self.lock().numbered.remove(&packet);
        self.changed.notify_one();
        item
    }

    /// The records that were not acknowledged when the connection ended.
    pub fn unknown(&self) -> Vec<RecordId> {
        let inner = self.lock();
        let all = inner.handed.iter().chain(inner.numbered.values());
        all.filter_map(|item| match item {
            Item::Record(id) | Item::Reply(id) => Some(*id),
            Item::State => None,
        })
        .collect()
    }

    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_finds_its_record_in_any_order_and_the_last_place_is_for_events() {
        let in_flight = InFlight::default();
        assert_eq!(in_flight.room(), Room::None, "nothing before the broker has answered");
        in_flight.open(3);
        for n in 0..2 {
            in_flight.hand_over(Item::Record(RecordId::Message(n)));
            in_flight.number(u16::try_from(n).expect("small") + 1);
        }
        assert_eq!(in_flight.room(), Room::MessagesOnly);
        in_flight.hand_over(Item::State);
        assert_eq!(in_flight.room(), Room::None);
        assert_eq!(in_flight.acknowledge(2), Some(Item::Record(RecordId::Message(1))));
        assert_eq!(in_flight.acknowledge(2), None, "a second acknowledgement is of nothing");
        assert_eq!(in_flight.unknown(), [RecordId::Message(0)]);
    }
}
