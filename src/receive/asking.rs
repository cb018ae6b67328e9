//! Which events wait for files, and when their node is asked to send them again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use uuid::Uuid;

/// After the first wait, the node is asked again after these, and no more: what it has not sent by then it does not
/// have.
const AGAIN: [Duration; 4] =
    [Duration::from_secs(3600), Duration::from_secs(6 * 3600), Duration::from_secs(86_400), Duration::MAX];
/// Events that wait. More are not asked for until some of these are complete.
const MOST: usize = 10_000;

/// What is done beside storing; nothing of it, unless the store is told to.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    pub asking: Option<Asking>,
    /// Older events are deleted, and when they are looked for next.
    pub keep: Option<Duration>,
    pub next: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Asking {
    after: Duration,
    waiting: BTreeMap<Uuid, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    node: String,
    since: Instant,
    wait: Duration,
    asked: usize,
}

impl Asking {
    /// `after`: how long files may take to come by themselves.
    pub fn new(after: Duration) -> Self {
        Self { after, waiting: BTreeMap::new() }
    }

    pub fn waits(&mut self, node: &str, event: Uuid, now: Instant) {
        if self.waiting.len() < MOST {
            let wait = self.after;
            self.waiting.entry(event).or_insert_with(|| Waiting {
                node: node.to_owned(),
                since: now,
                wait,
                asked: 0,
            });
        }
    }

    pub fn complete(&mut self, event: Uuid) {
        self.waiting.remove(&event);
    }

    /// Node and id of the events that are due now.
    pub fn due(&mut self, now: Instant) -> Vec<(String, Uuid)> {
        let mut due = Vec::new();
        for (event, waiting) in &mut self.waiting {
            if now.duration_since(waiting.since) >= waiting.wait {
                waiting.since = now;
                waiting.wait = AGAIN[waiting.asked.min(AGAIN.len() - 1)];
                waiting.asked += 1;
                due.push((waiting.node.clone(), *event));
            }
        }
        due
    }

    pub fn len(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::monotonic;

    #[test]
    fn a_node_is_asked_after_a_while_then_ever_more_rarely_and_not_once_all_is_there() {
        let start = monotonic();
        let mut asking = Asking::new(Duration::from_secs(600));
        let [one, two] = [1, 2].map(|n| Uuid::from_bytes([n; 16]));
        asking.waits("a", one, start);
        asking.waits("b", two, start);
        let mut asked = Vec::new();
        for minute in 0..3 * 24 * 60 {
            let now = start + Duration::from_secs(minute * 60);
            // What it says again meanwhile changes nothing.
            asking.waits("a", one, now);
            if minute == 30 {
                asking.complete(two);
            }
            asked.extend(asking.due(now).into_iter().map(|(node, _)| (minute, node)));
        }
        let of = |minute: u64, node: &str| (minute, node.to_owned());
        let expected = [of(10, "a"), of(10, "b"), of(70, "a"), of(70 + 360, "a"), of(70 + 360 + 1440, "a")];
        assert_eq!(asked, expected);
    }
}
