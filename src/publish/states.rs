//! Retained states: a slot a topic, the newest one counts. Never queued: a state that changed ten times while the
//! broker was away is told once.

use std::collections::BTreeMap;

use parking_lot::{Mutex, MutexGuard};
use serde::Serialize;
use tokio::sync::Notify;

#[derive(Debug)]
struct Slot {
    payload: Vec<u8>,
    /// Rises with each change.
    version: u64,
    /// The version that is on the way or with the broker.
    sent: u64,
}

/// Cloned by `Arc`; bounded by the number of topics, that is cameras plus one.
#[derive(Debug, Default)]
pub struct States {
    slots: Mutex<BTreeMap<String, Slot>>,
    changed: Notify,
}

impl States {
    /// Sets the state of a topic; equal to the one before, nothing is sent. Never blocks.
    pub fn publish<T: Serialize>(&self, topic: &str, state: &T) {
        self.set(topic, serde_json::to_vec(state).expect("states have string keys only"));
    }

    /// Takes the state of a topic away: the broker forgets it (MQTT 5, 3.3.1.3: a retained message without content).
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

    /// The next state that the broker does not have.
    pub(super) fn take(&self) -> Option<(String, Vec<u8>)> {
        let mut slots = self.lock();
        let (topic, slot) = slots.iter_mut().find(|(_, slot)| slot.sent != slot.version)?;
        slot.sent = slot.version;
        Some((topic.clone(), slot.payload.clone()))
    }

    /// A new connection: the broker may have told our last will meanwhile, so everything is told again.
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
    fn only_the_newest_state_of_a_topic_is_told() {
        let states = States::default();
        states.publish("a", &1);
        states.publish("b", &1);
        states.publish("a", &2);
        assert_eq!(states.take(), Some(("a".into(), b"2".to_vec())));
        assert_eq!(states.take(), Some(("b".into(), b"1".to_vec())));
        assert_eq!(states.take(), None);
        states.publish("b", &1);
        assert_eq!(states.take(), None, "an equal state is no news");
        states.clear("b");
        assert_eq!(states.take(), Some(("b".into(), Vec::new())));
        states.release();
        assert_eq!(states.take(), Some(("a".into(), b"2".to_vec())), "a new connection is told all again");
    }
}
