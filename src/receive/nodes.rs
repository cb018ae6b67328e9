//! What nodes say of themselves and of their cameras: `DIR/nodes/<node>/`.
//!
//! States are replaced, messages appended. A log that has grown to its limit is begun anew beside one old one.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::error::{Refusal, StoreError};
use super::events::Stored;
use super::files::{OutputFolder, append_line, make_dir, whole_lines};
use super::folder::{Hash, digest};
use super::report::Line;
use crate::base::replace_file;
use crate::wire::{CloudEvent, Outcome};

/// Of one log; the one before it is kept too.
const MOST_BYTES: u64 = 64 << 20;

#[derive(Debug)]
pub(super) struct NodeStore {
    folder: OutputFolder,
    logs: HashMap<PathBuf, Log>,
}

#[derive(Debug)]
struct Log {
    seen: HashMap<String, Hash>,
    whole: u64,
}

impl NodeStore {
    pub fn new(folder: OutputFolder) -> Self {
        Self { folder, logs: HashMap::new() }
    }

    /// Appends a message to the node's log of this name unless it is there.
    pub fn append(
        &mut self,
        node: &str,
        name: &str,
        message: &CloudEvent<Value>,
        raw: &[u8],
    ) -> Result<Stored, StoreError> {
        let dir = self.folder.node_dir(node);
        make_dir(&dir).map_err(StoreError::io(&dir))?;
        let path = dir.join(name);
        let io = || StoreError::io(path.clone());
        let log = match self.logs.get_mut(&path) {
            Some(log) => log,
            None => {
                let log = Log::read(&path).map_err(io())?;
                self.logs.entry(path.clone()).or_insert(log)
            }
        };
        let hash = digest(raw);
        // The same id with another content is a new line here: nothing is replaced by it.
        if log.seen.get(&message.id) == Some(&hash) {
            return Ok((vec![Line::Repeat], Some(Outcome::Stored)));
        }
        if log.whole > MOST_BYTES {
            fs::rename(&path, path.with_extension("old.jsonl")).map_err(io())?;
            *log = Log { seen: HashMap::new(), whole: 0 };
        }
        log.whole = append_line(&path, log.whole, raw).map_err(io())?;
        log.seen.insert(message.id.clone(), hash);
        let what = message.kind.trim_start_matches("cn.lintel.").to_owned();
        let line = Line::Node { node: node.to_owned(), what, time: message.time.clone() };
        Ok((vec![line], Some(Outcome::Stored)))
    }

    /// Replaces a state. An empty payload clears it.
    pub fn state(&self, node: &str, name: &str, payload: &[u8]) -> Result<Stored, StoreError> {
        let dir = self.folder.node_dir(node);
        let path = dir.join(name);
        if payload.is_empty() {
            return match fs::remove_file(&path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(StoreError::io(path)(e)),
                _ => Ok((Vec::new(), None)),
            };
        }
        let state: Value = serde_json::from_slice(payload).map_err(|e| Refusal::NotAnEvent(e.to_string()))?;
        if state.get("node").and_then(Value::as_str) != Some(node) {
            return Err(Refusal::Mismatch.into());
        }
        make_dir(&dir).map_err(StoreError::io(&dir))?;
        let mut text = serde_json::to_vec_pretty(&state).expect("JSON values have string keys");
        text.push(b'\n');
        replace_file(&path, &text).map_err(StoreError::io(path))?;
        Ok((Vec::new(), None))
    }
}

impl Log {
    fn read(path: &Path) -> std::io::Result<Self> {
        let text = whole_lines(path)?;
        let seen = text.split(|byte| *byte == b'\n').filter_map(|line| {
            let message: CloudEvent<Value> = serde_json::from_slice(line).ok()?;
            Some((message.id, digest(line)))
        });
        Ok(Self { seen: seen.collect(), whole: text.len() as u64 })
    }
}
