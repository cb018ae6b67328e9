//! Reads files piece by piece after checking that their content is the announced one.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::store::{MediaRow, chunk_count};
use super::{LostMedia, MediaChunk};

/// Holds the file of the medium on the way open; one at a time.
#[derive(Debug, Default)]
pub(super) struct MediaReader {
    open: Option<(i64, File)>,
}

impl MediaReader {
    /// The piece `index`. The first read of a medium hashes the whole file (about 5 ms a megabyte).
    ///
    /// # Errors
    /// A message for the operator: the file is gone, unreadable, or not the announced one.
    pub fn read(&mut self, media: &MediaRow, index: u32, chunk_bytes: u32) -> Result<MediaChunk, String> {
        let file = match &mut self.open {
            Some((id, file)) if *id == media.id => file,
            open => &mut open.insert((media.id, verified(media)?)).1,
        };
        let offset = u64::from(index) * u64::from(chunk_bytes);
        let length = media.bytes.saturating_sub(offset).min(u64::from(chunk_bytes));
        let mut data = Vec::new();
        file.seek(SeekFrom::Start(offset))
            .and_then(|_| file.take(length).read_to_end(&mut data))
            .map_err(|e| format!("cannot read {}: {e}", media.path.display()))?;
        if data.len() as u64 != length {
            return Err(format!("{} became shorter while it was sent", media.path.display()));
        }
        Ok(MediaChunk {
            event: media.event,
            kind: media.kind.clone(),
            file: media.file(),
            media_type: media.media_type.clone(),
            index,
            count: chunk_count(media.bytes, chunk_bytes),
            offset,
            total: media.bytes,
            sha256: media.sha256.clone(),
            data: Bytes::from(data),
        })
    }
}

impl MediaRow {
    pub fn file(&self) -> String {
        self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    pub fn lost(&self, reason: String) -> LostMedia {
        LostMedia {
            id: self.id,
            event: self.event,
            kind: self.kind.clone(),
            file: self.file(),
            bytes: self.bytes,
            sha256: self.sha256.clone(),
            reason,
        }
    }
}

fn verified(media: &MediaRow) -> Result<File, String> {
    let shown = media.path.display();
    let mut file = File::open(&media.path).map_err(|e| format!("cannot open {shown}: {e}"))?;
    let length = file.metadata().map_err(|e| format!("cannot read {shown}: {e}"))?.len();
    if length != media.bytes {
        return Err(format!("{shown} has {length} bytes, {} were announced", media.bytes));
    }
    let mut hash = Sha256::new();
    std::io::copy(&mut file, &mut hash).map_err(|e| format!("cannot read {shown}: {e}"))?;
    if format!("{:x}", hash.finalize()) != media.sha256 {
        return Err(format!("{shown} is not the file that was announced: its SHA-256 differs"));
    }
    Ok(file)
}
