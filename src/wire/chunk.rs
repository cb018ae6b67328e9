//! A piece of a file with its own header, so that it can be stored, bridged to MQTT 3.1.1 and resumed.
//!
//! Format: `"LTC1"`, length of the header as big-endian u32, header as JSON, bytes of the file up to the end.

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::outbox::MediaChunk;

const MAGIC: &[u8; 4] = b"LTC1";
/// Far above the length of any valid header.
const MAX_HEADER_BYTES: usize = 4096;
/// Largest file that a receiver accepts: two hours at 4 Mbit/s.
pub const MAX_TOTAL_BYTES: u64 = 4 << 30;
const MAX_COUNT: u32 = 1 << 20;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Header of a piece of a file")]
pub struct ChunkHeader {
    pub event: Uuid,
    /// `still`, `annotated`, `clip`, `closed` or `manifest`.
    #[schemars(regex(pattern = "^[a-z0-9_]{1,32}$"))]
    pub kind: String,
    /// Name of the file, without its folder.
    #[schemars(regex(pattern = "^[a-z0-9][a-z0-9_-]{0,31}\\.[a-z0-9]{1,8}$"))]
    pub file: String,
    pub media_type: String,
    /// Number of this piece, from 0.
    pub index: u32,
    /// Total number of pieces. All but the last have the same size.
    #[schemars(range(min = 1))]
    pub count: u32,
    /// Offset of this piece in the file, in bytes.
    pub offset: u64,
    /// Size of the whole file in bytes.
    pub total: u64,
    /// SHA-256 of the whole file.
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    pub sha256: String,
}

/// Why a payload is not a valid piece of a file. None of it was used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    #[error("does not begin with the magic bytes of a piece of a file")]
    NotAChunk,
    #[error("its header is truncated or longer than {MAX_HEADER_BYTES} bytes")]
    Truncated,
    #[error("its header is not valid: {0}")]
    Header(String),
    #[error("its file name {0:?} is not a plain lower-case name")]
    FileName(String),
    #[error("its kind {0:?} is not a plain lower-case word")]
    Kind(String),
    #[error("its event id {0} is not a UUIDv7")]
    EventId(Uuid),
    #[error("its SHA-256 is not 64 hexadecimal digits")]
    Hash,
    #[error("its file has {0} bytes, more than {MAX_TOTAL_BYTES}")]
    TooLarge(u64),
    #[error("piece {index} of {count} at {offset} with {bytes} bytes does not fit a file of {total}")]
    Numbers { index: u32, count: u32, offset: u64, bytes: u64, total: u64 },
}

pub fn encode_chunk(chunk: &MediaChunk) -> Bytes {
    let header = ChunkHeader {
        event: chunk.event,
        kind: chunk.kind.clone(),
        file: chunk.file.clone(),
        media_type: chunk.media_type.clone(),
        index: chunk.index,
        count: chunk.count,
        offset: chunk.offset,
        total: chunk.total,
        sha256: chunk.sha256.clone(),
    };
    let header = serde_json::to_vec(&header).expect("string keys only");
    let length = u32::try_from(header.len()).expect("a header has a few hundred bytes");
    let mut payload = Vec::with_capacity(8 + header.len() + chunk.data.len());
    payload.extend_from_slice(MAGIC);
    payload.extend_from_slice(&length.to_be_bytes());
    payload.extend_from_slice(&header);
    payload.extend_from_slice(&chunk.data);
    payload.into()
}

/// Whether a receiver stores a file of this name for this kind: pictures, clips and manifests, named after
/// their kind. Whatever a browser or a shell would run is none.
pub fn is_storable(kind: &str, file: &str) -> bool {
    file.strip_prefix(kind).is_some_and(|end| matches!(end, ".jpg" | ".mp4" | ".json"))
        && !matches!(kind, "event" | "evidence")
}

/// Parses a payload and checks every number and name in it: the result is safe to use in a path.
///
/// # Errors
/// The payload is not a valid piece of a file.
pub fn decode_chunk(payload: &Bytes) -> Result<(ChunkHeader, Bytes), ChunkError> {
    if payload.len() < 8 || &payload[..4] != MAGIC {
        return Err(ChunkError::NotAChunk);
    }
    let length = u32::from_be_bytes([payload[4], payload[5], payload[6], payload[7]]) as usize;
    if length > MAX_HEADER_BYTES || payload.len() < 8 + length {
        return Err(ChunkError::Truncated);
    }
    let header = &payload[8..8 + length];
    // Serde would take the values of a list for the fields in their order.
    if header.trim_ascii_start().starts_with(b"[") {
        return Err(ChunkError::Header("a list, not an object".to_owned()));
    }
    let header: ChunkHeader =
        serde_json::from_slice(header).map_err(|e| ChunkError::Header(e.to_string()))?;
    let data = payload.slice(8 + length..);
    header.check(data.len() as u64)?;
    Ok((header, data))
}

impl ChunkHeader {
    /// Size of every piece but the last, in bytes.
    pub fn piece_bytes(&self, data: u64) -> u64 {
        if self.index + 1 < self.count || self.index == 0 {
            data
        } else {
            self.offset / u64::from(self.index)
        }
    }

    fn check(&self, bytes: u64) -> Result<(), ChunkError> {
        if self.event.get_version_num() != 7 {
            return Err(ChunkError::EventId(self.event));
        }
        let word = |s: &str, more: &str| {
            !s.is_empty()
                && s.len() <= 32
                && s.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || more.contains(c))
        };
        if !word(&self.kind, "_") {
            return Err(ChunkError::Kind(self.kind.clone()));
        }
        match self.file.split_once('.') {
            Some((stem, end))
                if word(stem, "_-") && !stem.starts_with(['_', '-']) && word(end, "") && end.len() <= 8 => {}
            _ => return Err(ChunkError::FileName(self.file.clone())),
        }
        if self.sha256.len() != 64
            || !self.sha256.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
        {
            return Err(ChunkError::Hash);
        }
        if self.total > MAX_TOTAL_BYTES {
            return Err(ChunkError::TooLarge(self.total));
        }
        let last = self.index + 1 == self.count;
        let fits = self.count >= 1
            && self.count <= MAX_COUNT
            && self.index < self.count
            && self.offset <= self.total
            && (self.index == 0 || self.offset.is_multiple_of(u64::from(self.index)))
            && (self.index > 0 || self.offset == 0)
            && if last { self.offset + bytes == self.total } else { self.offset + bytes < self.total }
            && {
                // All pieces but the last have the same size, so index, offset, count and total must agree.
                let piece = self.piece_bytes(bytes);
                piece * u64::from(self.index) == self.offset
                    && bytes <= piece
                    && self.total.div_ceil(piece.max(1)).max(1) == u64::from(self.count)
            };
        if fits {
            Ok(())
        } else {
            Err(ChunkError::Numbers {
                index: self.index,
                count: self.count,
                offset: self.offset,
                bytes,
                total: self.total,
            })
        }
    }
}
