//! Commands that were answered: a repeat of a command with the same id gets the same answer and does nothing.
//!
//! An answer is remembered in the transaction that stores it, for `commands.max_age` and [`MAX_KEPT`] commands at most.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::base::WallTime;
use crate::outbox::{Batch, OutMessage, Outbox, OutboxError};

/// Prefix of the keys in the outbox's state.
const PREFIX: &str = "command/";
/// The most commands that are remembered. The oldest go first.
const MAX_KEPT: usize = 4_096;

/// What identifies a command: its sender, name and id, and the rest of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CommandKey {
    key: String,
    /// Of the payload: the same id with another content is not a repeat.
    content: String,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    at: WallTime,
    content: String,
    content_type: String,
    payload: String,
}

/// What is known of a command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known {
    No,
    /// The payload of its answer, and the media type.
    Answered(Vec<u8>, String),
    /// Its id was used for another one.
    OtherContent,
}

impl CommandKey {
    /// `None`: it has no id, so nothing tells a repeat from another one.
    pub fn of(issuer: Option<&str>, name: &str, id: Option<&str>, payload: &[u8]) -> Option<Self> {
        let parts = [issuer.unwrap_or_default(), name, id?];
        let hash = parts.iter().fold(Sha256::new(), |hash, part| {
            hash.chain_update((part.len() as u64).to_be_bytes()).chain_update(part)
        });
        let content = format!("{:x}", Sha256::digest(payload));
        Some(Self { key: format!("{PREFIX}{:x}", hash.finalize()), content })
    }

    /// # Errors
    /// The outbox cannot be read.
    pub fn look_up(&self, outbox: &Outbox) -> Result<Known, OutboxError> {
        let Some(stored) = outbox.state(&self.key)? else { return Ok(Known::No) };
        // What cannot be read was written by another version: better done twice than never.
        let Ok(kept) = serde_json::from_slice::<Kept>(&stored) else { return Ok(Known::No) };
        Ok(if kept.content == self.content {
            Known::Answered(kept.payload.into_bytes(), kept.content_type)
        } else {
            Known::OtherContent
        })
    }
}

/// When each remembered command was answered.
#[derive(Debug, Default)]
pub(super) struct Answered {
    at: BTreeMap<String, WallTime>,
}

impl Answered {
    /// # Errors
    /// The outbox cannot be read.
    pub fn load(outbox: &Outbox) -> Result<Self, OutboxError> {
        let stored = outbox.states(PREFIX)?.into_iter().map(|(key, value)| {
            let at = serde_json::from_slice::<Kept>(&value).map_or(WallTime(0), |kept| kept.at);
            (key, at)
        });
        Ok(Self { at: stored.collect() })
    }

    /// Adds the answer to the batch that stores it, and forgets old ones.
    pub fn remember(
        &mut self,
        command: &CommandKey,
        answer: &OutMessage,
        now: WallTime,
        max_age: Duration,
        batch: &mut Batch,
    ) {
        let kept = Kept {
            at: now,
            content: command.content.clone(),
            content_type: answer.content_type.clone(),
            payload: String::from_utf8_lossy(&answer.payload).into_owned(),
        };
        self.at.insert(command.key.clone(), now);
        let mut gone: Vec<String> =
            self.at.iter().filter(|(_, at)| now.since(**at) > max_age).map(|(key, _)| key.clone()).collect();
        if self.at.len() - gone.len() > MAX_KEPT {
            gone.extend(self.at.iter().min_by_key(|(_, at)| **at).map(|(key, _)| key.clone()));
        }
        for key in gone {
            self.at.remove(&key);
            batch.state.push((key, None));
        }
        batch.state.push((command.key.clone(), serde_json::to_vec(&kept).ok()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::OutboxConfig;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn an_answer_is_remembered_with_its_command_and_forgotten_with_age() {
        let dir = tempfile::tempdir().expect("folder");
        let outbox = Outbox::open(dir.path(), &OutboxConfig { max_bytes: 1 << 30 }).expect("outbox");
        let key = |id: &str, payload: &[u8]| {
            CommandKey::of(Some("city"), "lead", Some(id), payload).expect("a key")
        };
        let answer = |text: &str| OutMessage {
            topic: "reply".into(),
            content_type: "application/json".into(),
            payload: text.into(),
            event: None,
            reply_to: None,
        };
        let mut answered = Answered::load(&outbox).expect("read");
        let mut store = |command: &CommandKey, text: &str, at: WallTime| {
            let mut batch = Batch::default();
            answered.remember(command, &answer(text), at, HOUR, &mut batch);
            outbox.append(&batch).expect("stored");
        };
        let (first, begin) = (key("1", b"a"), WallTime(1_795_321_800_000_000));
        assert_eq!(first.look_up(&outbox).expect("read"), Known::No);
        store(&first, "one", begin);
        let expected = Known::Answered(b"one".to_vec(), "application/json".into());
        assert_eq!(first.look_up(&outbox).expect("read"), expected);
        assert_eq!(key("1", b"b").look_up(&outbox).expect("read"), Known::OtherContent);
        let other = CommandKey::of(Some("town"), "lead", Some("1"), b"a").expect("a key");
        assert_eq!(other.look_up(&outbox).expect("read"), Known::No, "another sender's");
        assert_eq!(CommandKey::of(None, "lead", None, b"a"), None);
        store(&key("2", b"a"), "two", begin + HOUR + Duration::from_secs(1));
        assert_eq!(first.look_up(&outbox).expect("read"), Known::No, "forgotten");
        assert_eq!(Answered::load(&outbox).expect("read").at.len(), 1);
    }
}
