//! A watcher as bytes for a file: a JSON header, the raw planes, and a hash of both.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::bank::{BANKS, Bank};
use super::grid::Grid;
use super::memory::Memory;
use super::watcher::{ChangeWatcher, Settings};

const MAGIC: &[u8; 8] = b"lintelc1";
const HASH: usize = 32;

#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("the file is not a reference of this version")]
    Version,
    #[error("the file is damaged: {0}")]
    Damaged(&'static str),
}

#[derive(Serialize, Deserialize)]
struct Header {
    size: (u32, u32),
    banks: Vec<Option<Bank>>,
    memory: Memory,
}

impl ChangeWatcher {
    /// All state that survives a restart: about 0.45 MB at 1080p for each light seen so far.
    pub fn to_bytes(&self) -> Vec<u8> {
        let header = Header { size: self.size, banks: self.banks.to_vec(), memory: self.memory.clone() };
        let header = serde_json::to_vec(&header).expect("plain data");
        let mut out = Vec::with_capacity(self.bytes() + header.len() + 64);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&(header.len() as u32).to_le_bytes());
        out.extend_from_slice(&header);
        for bank in self.banks.iter().flatten() {
            for plane in [&bank.field.x, &bank.field.y, &bank.green_magenta, &bank.blue_yellow] {
                out.extend(plane.iter().map(|v| v.cast_unsigned()));
            }
            out.extend_from_slice(&bank.luma);
            bank.usual.iter().for_each(|u| out.extend_from_slice(u));
        }
        out.extend_from_slice(&self.votes);
        let hash = Sha256::digest(&out);
        out.extend_from_slice(&hash);
        out
    }

    /// Restores the state that [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// The bytes are of another version, truncated or altered. Start with a new watcher in that case.
    pub fn from_bytes(settings: Settings, bytes: &[u8]) -> Result<Self, StateError> {
        if !bytes.starts_with(MAGIC) {
            return Err(StateError::Version);
        }
        let end = bytes.len().checked_sub(HASH).ok_or(StateError::Damaged("it is truncated"))?;
        if Sha256::digest(&bytes[..end]).as_slice() != &bytes[end..] {
            return Err(StateError::Damaged("its hash does not match; it was truncated or altered"));
        }
        let mut rest = Planes(&bytes[MAGIC.len()..end]);
        let length = rest.take(4)?.try_into().map(u32::from_le_bytes).unwrap_or(0) as usize;
        let header: Header = serde_json::from_slice(rest.take(length)?).map_err(|_| StateError::Version)?;
        let mut watcher = Self::new(settings);
        watcher.size = header.size;
        watcher.memory = header.memory;
        let Some(grid) = Grid::of(header.size.0, header.size.1) else { return Ok(watcher) };
        watcher.grid = Some(grid);
        let (pixels, cells) = (grid.width * grid.height, grid.cells());
        for (slot, bank) in watcher.banks.iter_mut().zip(header.banks.into_iter().take(BANKS)) {
            let Some(mut bank) = bank else { continue };
            bank.field.x = rest.signed(pixels)?;
            bank.field.y = rest.signed(pixels)?;
            bank.green_magenta = rest.signed(cells)?;
            bank.blue_yellow = rest.signed(cells)?;
            bank.luma = rest.take(cells)?.to_vec();
            for usual in &mut bank.usual {
                *usual = rest.take(cells)?.to_vec();
            }
            *slot = Some(bank);
        }
        watcher.votes = rest.take(cells)?.to_vec();
        let outside =
            |region: &super::region::Region| region.cells.iter().any(|c| c.number as usize >= cells);
        if watcher.memory.regions.iter().any(outside) {
            return Err(StateError::Damaged("a region lies outside of the picture"));
        }
        Ok(watcher)
    }
}

struct Planes<'a>(&'a [u8]);

impl<'a> Planes<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], StateError> {
        let (head, tail) = self.0.split_at_checked(n).ok_or(StateError::Damaged("it is too short"))?;
        self.0 = tail;
        Ok(head)
    }

    fn signed(&mut self, n: usize) -> Result<Vec<i8>, StateError> {
        Ok(self.take(n)?.iter().map(|v| v.cast_signed()).collect())
    }
}
