//! Takes in what `lintel export` has written to a folder, by the same rules as what comes over MQTT: each line
//! is a message on its topic, each file its pieces.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tracing::{error, warn};

use super::error::{ReceiveError, Refusal, StoreError};
use super::files::{make_dir, no_link};
use super::report::Line;
use super::store::{Confirmed, Pushed, Store};
use crate::base::{Shutdown, error_chain, replace_file};
use crate::carry::{Carried, CarriedFile, CarriedMessage, CarryError, lines};
use crate::outbox::MediaChunk;
use crate::wire::{Confirmation, Origin, Topics, encode_chunk};

/// Pieces in which files are taken in.
const PIECE_BYTES: usize = 1 << 20;
/// The most records in one file of confirmations.
const MOST: usize = 1000;

/// What was found in a folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TakenIn {
    pub nodes: u64,
    /// Records that are stored now, or were before.
    pub stored: u64,
    pub quarantined: u64,
    /// Records that were refused, and lines and files that cannot be read.
    pub refused: u64,
    /// Nodes whose confirmations could not be written: they keep their records.
    pub unconfirmed: u64,
}

/// Stores everything in `folder` and writes the confirmations beside it. `by`: who confirms. Ends early, without
/// loss, when `shutdown` asks for it.
///
/// # Errors
/// The folder cannot be read, or the store's disk fails. Repeating it is harmless.
pub fn take_in(
    store: &mut Store,
    folder: &Path,
    by: &str,
    shutdown: &Shutdown,
    print: impl Fn(Line),
) -> Result<TakenIn, ReceiveError> {
    let mut all = TakenIn::default();
    for (node, carried) in Carried::all(folder)? {
        all.nodes += 1;
        let mut intake = Intake { store, node, by, print: &print, all: &mut all, said: Vec::new() };
        let done = intake.messages(&carried, shutdown).and_then(|()| intake.files(&carried, shutdown));
        // Also after a failure: what is stored is stored.
        intake.confirm(&carried);
        done?;
        if shutdown.is_stopped() {
            break;
        }
    }
    Ok(all)
}

/// The part of one node.
struct Intake<'a, P> {
    store: &'a mut Store,
    node: String,
    by: &'a str,
    print: &'a P,
    all: &'a mut TakenIn,
    said: Vec<Confirmed>,
}

impl<P: Fn(Line)> Intake<'_, P> {
    fn messages(&mut self, carried: &Carried, shutdown: &Shutdown) -> Result<(), ReceiveError> {
        for line in lines::<CarriedMessage>(&carried.messages())? {
            if shutdown.is_stopped() {
                return Ok(());
            }
            let message = match line {
                Ok(message) => message,
                Err(e) => {
                    self.unreadable(&e);
                    continue;
                }
            };
            // Over MQTT the broker's rules bind a node to its topics; here the folder's name does.
            if Origin::of(self.store.prefix(), &message.topic).is_some_and(|o| o.node != self.node) {
                self.unreadable(&Refusal::Topic(message.topic));
                continue;
            }
            let pushed = self.store.push(&message.topic, &Bytes::from(message.payload))?;
            self.note(&message.topic, pushed);
        }
        Ok(())
    }

    fn files(&mut self, carried: &Carried, shutdown: &Shutdown) -> Result<(), ReceiveError> {
        for line in lines::<CarriedFile>(&carried.files())? {
            if shutdown.is_stopped() {
                return Ok(());
            }
            match line {
                Ok(file) => self.file(carried, &file)?,
                Err(e) => self.unreadable(&e),
            }
        }
        Ok(())
    }

    fn file(&mut self, carried: &Carried, line: &CarriedFile) -> Result<(), StoreError> {
        let Some(path) = carried.file(line) else {
            self.unreadable(&Refusal::FileType(line.file.clone()));
            return Ok(());
        };
        let mut file = match no_link(File::options().read(true)).open(&path) {
            Ok(file) => file,
            Err(e) => {
                self.unreadable(&CarryError::io("open", &path)(e));
                return Ok(());
            }
        };
        let topics = Topics::new(self.store.prefix(), &self.node);
        let count = line.bytes.div_ceil(PIECE_BYTES as u64).max(1);
        for index in 0..u32::try_from(count).unwrap_or(u32::MAX) {
            let mut data = Vec::new();
            if let Err(e) = file.by_ref().take(PIECE_BYTES as u64).read_to_end(&mut data) {
                self.unreadable(&CarryError::io("read", &path)(e));
                return Ok(());
            }
            let chunk = MediaChunk {
                event: line.event,
                kind: line.kind.clone(),
                file: line.file.clone(),
                media_type: line.media_type.clone(),
                index,
                count: u32::try_from(count).unwrap_or(u32::MAX),
                offset: u64::from(index) * PIECE_BYTES as u64,
                total: line.bytes,
                sha256: line.sha256.clone(),
                data: data.into(),
            };
            let topic = topics.media(line.event, &line.kind, index);
            let pushed = self.store.push(&topic, &encode_chunk(&chunk))?;
            let over = pushed.confirmed.is_some() || pushed.refusal.is_some();
            self.note(&topic, pushed);
            if over {
                return Ok(());
            }
        }
        Ok(())
    }

    fn note(&mut self, topic: &str, pushed: Pushed) {
        if let Some(refusal) = &pushed.refusal {
            warn!(topic, %refusal, "refused");
            self.all.refused += 1;
        }
        pushed.lines.into_iter().filter(|line| !matches!(line, Line::Repeat)).for_each(self.print);
        if let Some((_, confirmed)) = pushed.confirmed {
            if pushed.refusal.is_none() {
                *(if confirmed.is_quarantined() {
                    &mut self.all.quarantined
                } else {
                    &mut self.all.stored
                }) += 1;
            }
            self.said.push(confirmed);
        }
    }

    fn unreadable(&mut self, error: &dyn std::error::Error) {
        warn!(node = self.node, "{}", error_chain(error));
        self.all.refused += 1;
    }

    fn confirm(&mut self, carried: &Carried) {
        let dir = carried.confirmed();
        let write = |said: &[Confirmed]| -> std::io::Result<()> {
            let mut confirmation = Confirmation { by: self.by.to_owned(), ..Confirmation::default() };
            said.iter().for_each(|confirmed| confirmed.clone().add_to(&mut confirmation));
            let text = serde_json::to_vec(&confirmation).expect("string keys only");
            // By its content, so that taking the same folder in twice leaves one.
            let name = format!("{:x}", Sha256::digest(&text));
            make_dir(&dir)?;
            replace_file(&dir.join(format!("{}.json", &name[..16])), &text)
        };
        if let Err(e) = self.said.chunks(MOST).try_for_each(write) {
            error!(
                node = self.node,
                folder = %dir.display(),
                "everything is stored, but the confirmations cannot be written: the node keeps its records, and they \
                 come again: {e}"
            );
            self.all.unconfirmed += 1;
        }
    }
}
