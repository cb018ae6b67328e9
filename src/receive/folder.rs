//! What is known of one event's folder, so that no message reads it again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::files::{append_line, no_link, whole_lines};
use crate::wire::{CloudEvent, EvidenceData, MediaFile};

pub(super) const LOG: &str = "events.jsonl";
/// A revision further than this from the others is not taken for the event's state.
const NEIGHBOURS: u32 = 64;

pub(super) type Hash = [u8; 32];

/// A folder of an event: its messages, and which file it holds under which name.
#[derive(Debug)]
pub(super) struct EventFolder {
    pub dir: PathBuf,
    /// Hash of the line of each message, by source and id.
    messages: HashMap<(String, String), Hash>,
    revisions: BTreeSet<u32>,
    /// The hashes that evidence messages named for a file, newest last.
    named: BTreeMap<String, Vec<String>>,
    /// The newest evidence message.
    pub evidence: Option<EvidenceData>,
    /// Files that the node said it has lost.
    lost: BTreeSet<String>,
    /// Hash of each file that was looked at.
    files: HashMap<String, String>,
    /// Length of the log in bytes.
    whole: u64,
}

/// Whether a message is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    New,
    Same,
    /// Source and id are taken by another content.
    Other,
}

impl EventFolder {
    pub fn read(dir: PathBuf) -> io::Result<Self> {
        let text = whole_lines(&dir.join(LOG))?;
        let mut folder = Self {
            dir,
            messages: HashMap::new(),
            revisions: BTreeSet::new(),
            named: BTreeMap::new(),
            evidence: None,
            lost: BTreeSet::new(),
            files: HashMap::new(),
            whole: text.len() as u64,
        };
        for line in text.split(|byte| *byte == b'\n') {
            if let Ok(message) = serde_json::from_slice::<CloudEvent<Value>>(line) {
                folder.note(&message, line);
            }
        }
        Ok(folder)
    }

    /// How much memory this takes, in messages.
    pub fn weight(&self) -> usize {
        1 + self.messages.len()
    }

    pub fn known(&self, message: &CloudEvent<Value>, line: &[u8]) -> Known {
        match self.messages.get(&(message.source.clone(), message.id.clone())) {
            None => Known::New,
            Some(hash) if *hash == digest(line) => Known::Same,
            Some(_) => Known::Other,
        }
    }

    /// Adds a message to the log.
    pub fn append(&mut self, message: &CloudEvent<Value>, line: &[u8]) -> io::Result<()> {
        self.whole = append_line(&self.dir.join(LOG), self.whole, line)?;
        self.note(message, line);
        Ok(())
    }

    fn note(&mut self, message: &CloudEvent<Value>, line: &[u8]) {
        self.messages.insert((message.source.clone(), message.id.clone()), digest(line));
        self.revisions.extend(revision_of(message));
        if message.kind == "cn.lintel.evidence.ready"
            && let Ok(evidence) = serde_json::from_value::<EvidenceData>(message.data.clone())
        {
            for file in &evidence.media {
                self.named.entry(file.file.clone()).or_default().push(file.sha256.clone());
            }
            self.evidence = Some(evidence);
        }
        if message.kind == "cn.lintel.evidence.lost" {
            self.lost.extend(message.data.get("file").and_then(Value::as_str).map(str::to_owned));
        }
    }

    /// Whether the event's state is of this revision once it is added.
    pub fn would_lead(&mut self, revision: u32) -> bool {
        let is_new = self.revisions.insert(revision);
        let leads = leading(&self.revisions) == Some(revision);
        if is_new {
            self.revisions.remove(&revision);
        }
        leads
    }

    pub fn is_ahead(&self, revision: u32) -> bool {
        self.revisions.last().is_some_and(|newest| revision > *newest)
    }

    /// Whether evidence messages speak of the file and none of them means this content.
    pub fn denies(&self, file: &str, sha256: &str) -> bool {
        self.named.get(file).is_some_and(|hashes| hashes.iter().all(|hash| hash != sha256))
    }

    /// Whether the newest evidence message that speaks of the file means this content.
    pub fn wants(&self, file: &str, sha256: &str) -> bool {
        self.named.get(file).and_then(|hashes| hashes.last()).is_some_and(|hash| hash == sha256)
    }

    /// Whether an evidence message ever meant this content.
    pub fn meant(&self, file: &str, sha256: &str) -> bool {
        self.named.get(file).is_some_and(|hashes| hashes.iter().any(|hash| hash == sha256))
    }

    /// The kinds of files that the newest evidence message names and that have not come, without those that the node
    /// has lost and those on request.
    pub fn missing(&self) -> Vec<String> {
        let media = self.evidence.iter().flat_map(|evidence| &evidence.media);
        let waits = |file: &&MediaFile| {
            !file.on_request && !self.lost.contains(&file.file) && !self.dir.join(&file.file).exists()
        };
        media.filter(waits).map(|file| file.kind.clone()).collect()
    }

    /// The hash of a file here; `None` if there is none.
    pub fn hash(&mut self, file: &str) -> io::Result<Option<String>> {
        if let Some(hash) = self.files.get(file) {
            if self.dir.join(file).exists() {
                return Ok(Some(hash.clone()));
            }
            // Somebody has deleted it.
            self.files.remove(file);
        }
        let found = hash_file(&self.dir.join(file))?;
        if let Some(hash) = &found {
            self.files.insert(file.to_owned(), hash.clone());
        }
        Ok(found)
    }

    /// Another file lies under this name now, or none.
    pub fn changed(&mut self, file: &str, hash: Option<&str>) {
        match hash {
            Some(hash) => self.files.insert(file.to_owned(), hash.to_owned()),
            None => self.files.remove(file),
        };
    }
}

/// The newest state among revisions: the highest of the largest group of neighbours. A single message with a
/// revision far from all others is no state, however high it is; of two groups alike the lower one leads.
fn leading(revisions: &BTreeSet<u32>) -> Option<u32> {
    let (mut best, mut group): ((usize, Option<u32>), (usize, Option<u32>)) = ((0, None), (0, None));
    for &revision in revisions {
        let near = group.1.is_some_and(|before| revision - before <= NEIGHBOURS);
        group = (if near { group.0 + 1 } else { 1 }, Some(revision));
        if group.0 > best.0 {
            best = group;
        }
    }
    best.1
}

/// `None` for messages that are not transitions. The id must say the same as the data.
pub(super) fn revision_of(message: &CloudEvent<Value>) -> Option<u32> {
    let revision = u32::try_from(message.data.get("revision")?.as_u64()?).ok()?;
    (message.id == format!("{}/{revision}", message.subject)).then_some(revision)
}

pub(super) fn digest(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

pub(super) fn hash_file(path: &Path) -> io::Result<Option<String>> {
    let mut file: File = match no_link(OpenOptions::new().read(true)).open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let mut hash = Sha256::new();
    io::copy(&mut file, &mut hash)?;
    Ok(Some(format!("{:x}", hash.finalize())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lead(revisions: &[u32]) -> Option<u32> {
        leading(&revisions.iter().copied().collect())
    }

    #[test]
    fn the_state_is_the_newest_of_those_that_belong_together() {
        assert_eq!(lead(&[]), None);
        assert_eq!(lead(&[0, 1, 2]), Some(2));
        assert_eq!(lead(&[0, 2, 40]), Some(40), "some may be missing");
        assert_eq!(lead(&[300, 301]), Some(301), "a receiver may have come late");
    }

    #[test]
    fn a_revision_far_from_all_others_is_no_state() {
        assert_eq!(lead(&[0, 1, u32::MAX]), Some(1));
        assert_eq!(lead(&[0, u32::MAX]), Some(0));
        assert_eq!(lead(&[0, 1, 2, u32::MAX - 1, u32::MAX]), Some(2));
    }
}
