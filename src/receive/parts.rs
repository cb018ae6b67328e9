//! Assembles files from pieces.
//!
//! An unfinished file is `.parts/<node>/<event>-<kind>-<hash>-<size>-<piece size>.part`: the bytes of the file,
//! each piece in its place, then one SHA-256 per piece, all zero until the piece has come. One fsync per piece
//! makes both durable. After a power cut between the two writes the piece is not acknowledged either, and the
//! hash shows which pieces are whole. Which pieces of which file are here is kept in memory for the files that
//! grew last, so boxes that send at the same time do not make each other's files be read again.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tracing::info;

use super::error::{Refusal, StoreError};
use super::files::{OutputFolder, make_dir, no_link};
use super::folder::hash_file;
use crate::base::{WallTime, sync_folder, wall_now};
use crate::wire::ChunkHeader;

const HASH_BYTES: u64 = 32;
/// Unfinished files that received nothing for this long are removed at the start.
const STALE: Duration = Duration::from_secs(30 * 24 * 3600);
/// Files whose pieces are known in memory.
const MOST_OPEN: usize = 256;

/// The result of a piece.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Kept,
    Repeat,
    /// It was the last one: the file is complete and its hash is right. It lies at this path.
    Whole(PathBuf),
}

#[derive(Debug)]
pub(super) struct Parts {
    folder: OutputFolder,
    open: HashMap<PathBuf, Part>,
    /// Counts pieces: how long ago a file grew.
    clock: u64,
}

/// Which pieces of an unfinished file are missing.
#[derive(Debug)]
struct Part {
    missing: Vec<bool>,
    /// How many of `missing` are true.
    left: u32,
    used: u64,
}

impl Parts {
    pub fn open(folder: OutputFolder) -> Result<Self, StoreError> {
        let dir = folder.all_parts();
        make_dir(&dir).map_err(StoreError::io(&dir))?;
        remove_stale(&dir).map_err(StoreError::io(&dir))?;
        Ok(Self { folder, open: HashMap::new(), clock: 0 })
    }

    /// Where the file grows. Its name has everything that pieces of one file have in common, so a header that
    /// fits the name fits the file.
    fn path(&self, node: &str, header: &ChunkHeader, piece_bytes: u64) -> PathBuf {
        let ChunkHeader { event, kind, sha256, total, .. } = header;
        self.folder.parts_dir(node).join(format!("{event}-{kind}-{sha256}-{total}-{piece_bytes}.part"))
    }

    /// Whether a file like this has begun to grow.
    pub fn has_begun(&self, node: &str, header: &ChunkHeader, data: &[u8]) -> bool {
        let path = self.path(node, header, header.piece_bytes(data.len() as u64));
        self.open.contains_key(&path) || path.exists()
    }

    /// Writes a piece to its place and syncs it. `decode_chunk` has checked the header.
    pub fn push(&mut self, node: &str, header: &ChunkHeader, data: &[u8]) -> Result<Piece, StoreError> {
        let piece_bytes = header.piece_bytes(data.len() as u64);
        let path = self.path(node, header, piece_bytes);
        let io = || StoreError::io(path.clone());
        self.clock += 1;
        let mut part = match self.open.remove(&path) {
            Some(part) => part,
            None => {
                let dir = self.folder.parts_dir(node);
                make_dir(&dir).map_err(StoreError::io(&dir))?;
                Part::open(&path, header, piece_bytes).map_err(io())?
            }
        };
        part.used = self.clock;
        let fresh = part.missing.get(header.index as usize).copied().unwrap_or(false);
        if fresh {
            part.write(&path, header, data).map_err(io())?;
        }
        if part.left > 0 {
            self.keep(path, part);
            return Ok(if fresh { Piece::Kept } else { Piece::Repeat });
        }
        finish(&path, header)?;
        Ok(Piece::Whole(path))
    }

    /// Forgets the file that grew the longest ago if there are too many: its pieces are read once more then.
    fn keep(&mut self, path: PathBuf, part: Part) {
        self.open.insert(path, part);
        if self.open.len() > MOST_OPEN
            && let Some(oldest) =
                self.open.iter().min_by_key(|(_, part)| part.used).map(|(path, _)| path.clone())
        {
            self.open.remove(&oldest);
        }
    }
}

/// Cuts the table of hashes off, and checks the file.
fn finish(path: &Path, header: &ChunkHeader) -> Result<(), StoreError> {
    let cut = || -> io::Result<Option<String>> {
        let file = no_link(OpenOptions::new().write(true)).open(path)?;
        file.set_len(header.total)?;
        file.sync_all()?;
        hash_file(path)
    };
    let found = cut().map_err(StoreError::io(path))?.unwrap_or_default();
    if found == header.sha256 {
        return Ok(());
    }
    // Each piece came as it was sent, so what was sent is not what was promised. The node sends it again.
    fs::remove_file(path).map_err(StoreError::io(path))?;
    let (event, file) = (header.event, header.file.clone());
    Err(Refusal::Hash { event, file, found, promised: header.sha256.clone() }.into())
}

impl Part {
    fn open(path: &Path, header: &ChunkHeader, piece_bytes: u64) -> io::Result<Self> {
        let length = header.total + u64::from(header.count) * HASH_BYTES;
        let file =
            no_link(OpenOptions::new().read(true).write(true).create(true).truncate(false)).open(path)?;
        let found = file.metadata()?.len();
        let known = found == length;
        if found == header.total && hash_file(path)?.as_ref() == Some(&header.sha256) {
            // A stop between the last piece and the file's name: only the table is cut off.
            return Ok(Self { missing: vec![false; header.count as usize], left: 0, used: 0 });
        }
        if !known {
            // New, or a stop in the middle of setting the length. Sparse: a promise of gigabytes costs
            // nothing.
            file.set_len(0)?;
            file.set_len(length)?;
            path.parent().map_or(Ok(()), sync_folder)?;
        }
        let mut part = Self { missing: vec![true; header.count as usize], left: header.count, used: 0 };
        if known {
            part.find_missing(&file, header, piece_bytes)?;
        }
        Ok(part)
    }

    /// Finds the pieces that are already complete.
    fn find_missing(&mut self, file: &File, header: &ChunkHeader, piece_bytes: u64) -> io::Result<()> {
        let mut table = vec![0; header.count as usize * HASH_BYTES as usize];
        file.read_exact_at(&mut table, header.total)?;
        let mut data = Vec::new();
        for (index, promised) in table.chunks_exact(HASH_BYTES as usize).enumerate() {
            if promised.iter().all(|byte| *byte == 0) {
                continue;
            }
            let offset = index as u64 * piece_bytes;
            data.resize(usize::try_from(piece_bytes.min(header.total - offset)).unwrap_or(usize::MAX), 0);
            file.read_exact_at(&mut data, offset)?;
            if Sha256::digest(&data).as_slice() == promised {
                self.missing[index] = false;
                self.left -= 1;
            }
        }
        Ok(())
    }

    fn write(&mut self, path: &Path, header: &ChunkHeader, data: &[u8]) -> io::Result<()> {
        let file = no_link(OpenOptions::new().write(true)).open(path)?;
        file.write_all_at(data, header.offset)?;
        let entry = header.total + u64::from(header.index) * HASH_BYTES;
        file.write_all_at(&Sha256::digest(data), entry)?;
        file.sync_data()?;
        self.missing[header.index as usize] = false;
        self.left -= 1;
        Ok(())
    }
}

/// Also removes what earlier versions left: files outside a node's folder, and files with a wrong hash.
fn remove_stale(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            for part in fs::read_dir(entry.path())? {
                let part = part?;
                let changed = part.metadata()?.modified()?;
                let changed =
                    WallTime::from(jiff::Timestamp::try_from(changed).unwrap_or(jiff::Timestamp::MAX));
                if wall_now().since(changed) > STALE {
                    info!(file = %part.path().display(), "an unfinished file was not continued for 30 days: removed");
                    fs::remove_file(part.path())?;
                }
            }
        } else {
            info!(file = %entry.path().display(), "left unfinished by an earlier version: removed");
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
