//! Assembles files from pieces.
//!
//! An unfinished file is `.parts/<event>-<kind>-<hash>-<piece size>.part`: the bytes of the file, each piece
//! in its place, then one SHA-256 per piece, all zero until the piece has come. One fsync per piece makes
//! both durable. After a power cut between the two writes the piece is not acknowledged either, and the hash
//! shows which pieces are whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tracing::{info, warn};

use super::files::OutputFolder;
use super::{Refusal, StoreError};
use crate::base::{WallTime, finish_file, sync_folder, wall_now};
use crate::wire::{ChunkError, ChunkHeader};

const HASH_BYTES: u64 = 32;
/// Unfinished files that received nothing for this long are removed at the start.
const STALE: Duration = Duration::from_secs(30 * 24 * 3600);
/// Names of the receiver's own files; a node's file must not replace them.
const RESERVED: [&str; 3] = ["event.json", "events.jsonl", "evidence.json"];

/// The result of a piece.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Kept,
    Repeat,
    /// It was the last one: the file is complete, at this path.
    Whole(PathBuf),
}

#[derive(Debug)]
pub(super) struct Parts {
    folder: OutputFolder,
    /// The file of the previous piece; pieces come file by file.
    open: Option<Part>,
}

#[derive(Debug)]
struct Part {
    path: PathBuf,
    file: File,
    missing: Vec<bool>,
    /// How many of `missing` are true.
    left: u32,
}

impl Parts {
    pub fn open(folder: OutputFolder) -> Result<Self, StoreError> {
        let dir = folder.parts_dir();
        fs::create_dir_all(&dir).map_err(StoreError::io(&dir))?;
        remove_stale(&dir).map_err(StoreError::io(&dir))?;
        Ok(Self { folder, open: None })
    }

    /// Writes a piece to its place and syncs it. `decode_chunk` has checked the header.
    pub fn push(&mut self, header: &ChunkHeader, data: &[u8]) -> Result<Piece, StoreError> {
        if RESERVED.contains(&header.file.as_str()) {
            return Err(Refusal::Chunk(ChunkError::FileName(header.file.clone())).into());
        }
        let dir = self
            .folder
            .event_dir(header.event)
            .ok_or(ChunkError::EventId(header.event))
            .map_err(Refusal::from)?;
        let target = dir.join(&header.file);
        let piece_bytes = header.piece_bytes(data.len() as u64);
        let path = self.folder.parts_dir().join(format!(
            "{}-{}-{}-{piece_bytes}.part",
            header.event,
            header.kind,
            &header.sha256[..16]
        ));
        let mut part = match self.open.take().filter(|part| part.path == path) {
            Some(part) => part,
            None => {
                let begun = path.exists();
                if !begun && already_there(&target, header).map_err(StoreError::io(&target))? {
                    return Ok(Piece::Repeat);
                }
                Part::open(path.clone(), header, piece_bytes).map_err(StoreError::io(&path))?
            }
        };
        let index = header.index as usize;
        let fresh = part.missing[index];
        if fresh {
            part.write(header, data).map_err(StoreError::io(&path))?;
        }
        if part.left > 0 {
            self.open = Some(part);
            return Ok(if fresh { Piece::Kept } else { Piece::Repeat });
        }
        self.finish(part, header, &target)
    }

    fn finish(&self, mut part: Part, header: &ChunkHeader, target: &Path) -> Result<Piece, StoreError> {
        let found = part.hash(header.total).map_err(StoreError::io(&part.path))?;
        if found != header.sha256 {
            let bad = part.path.with_extension("bad");
            fs::rename(&part.path, &bad).map_err(StoreError::io(&bad))?;
            warn!(kept = %bad.display(), "a complete file has the wrong hash; it is moved aside and not requested again");
            return Err(Refusal::Hash {
                event: header.event,
                file: header.file.clone(),
                found,
                promised: header.sha256.clone(),
            }
            .into());
        }
        let dir = target.parent().unwrap_or(target);
        fs::create_dir_all(dir).map_err(StoreError::io(dir))?;
        let done = || -> io::Result<()> {
            part.file.set_len(header.total)?;
            finish_file(&part.path, target)?;
            dir.parent().map_or(Ok(()), sync_folder)
        };
        done().map_err(StoreError::io(target))?;
        Ok(Piece::Whole(target.to_owned()))
    }
}

impl Part {
    fn open(path: PathBuf, header: &ChunkHeader, piece_bytes: u64) -> io::Result<Self> {
        let length = header.total + u64::from(header.count) * HASH_BYTES;
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
        let known = file.metadata()?.len() == length;
        if !known {
            // New, or a stop in the middle of setting the length. Sparse: a promise of gigabytes costs
            // nothing.
            file.set_len(0)?;
            file.set_len(length)?;
            path.parent().map_or(Ok(()), sync_folder)?;
        }
        let mut part = Self { path, file, missing: vec![true; header.count as usize], left: header.count };
        if known {
            part.find_missing(header, piece_bytes)?;
        }
        Ok(part)
    }

    /// Finds the pieces that are already complete.
    fn find_missing(&mut self, header: &ChunkHeader, piece_bytes: u64) -> io::Result<()> {
        let mut table = vec![0; header.count as usize * HASH_BYTES as usize];
        self.file.read_exact_at(&mut table, header.total)?;
        let mut data = Vec::new();
        for (index, promised) in table.chunks_exact(HASH_BYTES as usize).enumerate() {
            if promised.iter().all(|byte| *byte == 0) {
                continue;
            }
            let offset = index as u64 * piece_bytes;
            data.resize(usize::try_from(piece_bytes.min(header.total - offset)).unwrap_or(usize::MAX), 0);
            self.file.read_exact_at(&mut data, offset)?;
            if Sha256::digest(&data).as_slice() == promised {
                self.missing[index] = false;
                self.left -= 1;
            }
        }
        Ok(())
    }

    fn write(&mut self, header: &ChunkHeader, data: &[u8]) -> io::Result<()> {
        self.file.write_all_at(data, header.offset)?;
        let entry = header.total + u64::from(header.index) * HASH_BYTES;
        self.file.write_all_at(&Sha256::digest(data), entry)?;
        self.file.sync_data()?;
        self.missing[header.index as usize] = false;
        self.left -= 1;
        Ok(())
    }

    fn hash(&mut self, total: u64) -> io::Result<String> {
        self.file.seek(SeekFrom::Start(0))?;
        hash(&mut (&self.file).take(total))
    }
}

fn hash(from: &mut impl Read) -> io::Result<String> {
    let mut hash = Sha256::new();
    io::copy(from, &mut hash)?;
    Ok(format!("{:x}", hash.finalize()))
}

/// A file that came whole before, and was then sent again because its last acknowledgement was lost.
fn already_there(target: &Path, header: &ChunkHeader) -> io::Result<bool> {
    match File::open(target) {
        Ok(mut file) => Ok(file.metadata()?.len() == header.total && hash(&mut file)? == header.sha256),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

fn remove_stale(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let changed = entry.metadata()?.modified()?;
        let changed = WallTime::from(jiff::Timestamp::try_from(changed).unwrap_or(jiff::Timestamp::MAX));
        if entry.path().extension().is_some_and(|e| e == "part") && wall_now().since(changed) > STALE {
            info!(file = %entry.path().display(), "an unfinished file was not continued for 30 days: removed");
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
