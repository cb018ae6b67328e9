//! Retained states: one slot per topic, holding the newest state. They are not queued: a state that changed
//! ten times while the broker was away is published once.

use std::collections::BTreeMap;

use parking_lot::{Mutex, MutexGuard};
use serde::Serialize;
use tokio::sync::Notify;

#[derive(Debug)]
struct Slot {
    payload: Vec<u8>,
    /// Increases with each change.
    version: u64,
    /// The version that was sent last.
    sent: u64,
}

/// Shared by `Arc`; bounded by the number of topics.
#[derive(Debug, Default)]
pub struct States {
    slots: Mutex<BTreeMap<String, Slot>>,
    changed: Notify,
}

impl States {
    /// Sets the state of a topic. Sends nothing if it is unchanged. Never blocks.
    pub fn publish<T: Serialize>(&self, topic: &str, state: &T) {
        self.set(topic, serde_json::to_vec(state).expect("states have string keys only"));
    }

    /// Clears the state of a topic: the broker deletes it (MQTT 5, 3.3.1.3: a retained message without
    /// content).
    pub fn clear(&self, topic: &str) {
        self.set(topic, Vec::new());
    }

    fn set(&self, topic: &str, payload: Vec<u8>) {
        let mut slots = self.lock();
        match slots.get_mut(topic) {
            Some(slot) if slot.payload == payload => return,
            Some(slot) => {
                slot.payload = payload;
                slot.version += 1;
            }
            None => {
                slots.insert(topic.to_owned(), Slot { payload, version: 1, sent: 0 });
            }
        }
        drop(slots);
        self.changed.notify_one();
    }

    /// The next state that was not sent on this connection.
    pub(super) fn next(&self) -> Option<(String, Vec<u8>)> {
        let mut slots = self.lock();
        let (topic, slot) = slots.iter_mut().find(|(_, slot)| slot.sent != slot.version)?;
        slot.sent = slot.version;
        Some((topic.clone(), slot.payload.clone()))
    }

    /// For a new connection: the broker may have published our last will, so every state is sent again.
    pub(super) fn release(&self) {
        for slot in self.lock().values_mut() {
            slot.sent = 0;
        }
        self.changed.notify_one();
    }

    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Slot>> {
        self.slots.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_state_of_a_topic_is_published() {
        let states = States::default();
        states.publish("a", &1);
        states.publish("b", &1);
        states.publish("a", &2);
        assert_eq!(states.next(), Some(("a".into(), b"2".to_vec())));
        assert_eq!(states.next(), Some(("b".into(), b"1".to_vec())));
        assert_eq!(states.next(), None);
        states.publish("b", &1);
        assert_eq!(states.next(), None, "an equal state is no news");
        states.clear("b");
        assert_eq!(states.next(), Some(("b".into(), Vec::new())));
        states.release();
        assert_eq!(
            states.next(),
            Some(("a".into(), b"2".to_vec())),
            "a new connection gets every state again"
        );
    }
}
