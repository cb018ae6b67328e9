//! Checks a finished MP4 and sets its dates (ISO/IEC 14496-12). Supports one video track and no fragments.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;

use super::EvidenceError;
use crate::base::WallTime;

/// The facts in the file's index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Video {
    pub frames: u64,
    pub duration_ms: u64,
    pub width: u32,
    pub height: u32,
}

/// Seconds from 1904-01-01, the container's epoch, to 1970-01-01.
const EPOCH_1904: i64 = 2_082_844_800;

/// Largest index: about 20 bytes a frame, so weeks of video.
const MAX_INDEX_BYTES: u64 = 64 << 20;

/// Checks that boxes fill the file, that the index comes before the pictures and matches their bytes, and
/// that the first frame is a key frame. Then writes `created` as the time of creation and modification.
///
/// # Errors
/// The file cannot be read, or a check fails.
pub(super) fn check_and_date(path: &Path, created: WallTime) -> Result<Video, EvidenceError> {
    let mut file =
        OpenOptions::new().read(true).write(true).open(path).map_err(EvidenceError::io("open", path))?;
    let (at, mut index, media_bytes) = read_index(&mut file).map_err(EvidenceError::io("read back", path))?;
    let video = read_video(&index, media_bytes).ok_or_else(|| {
        EvidenceError::Unreadable("its index does not describe the pictures that are in it".to_owned())
    })?;
    date(&mut index, created.0.div_euclid(1_000_000).saturating_add(EPOCH_1904));
    let written = file.seek(SeekFrom::Start(at)).and_then(|_| file.write_all(&index));
    written.map_err(EvidenceError::io("write the date into", path))?;
    Ok(video)
}

/// Offset and content of `moov`, and the number of bytes in `mdat`.
fn read_index(file: &mut File) -> io::Result<(u64, Vec<u8>, u64)> {
    let broken = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let end = file.metadata()?.len();
    let (mut at, mut index, mut media) = (0, None, None);
    while at < end {
        file.seek(SeekFrom::Start(at))?;
        let mut head = [0; 16];
        file.read_exact(&mut head[..8])?;
        let (mut size, mut head_bytes) = (u64::from(be32(&head, 0)), 8);
        if size == 1 {
            file.read_exact(&mut head[8..])?;
            (size, head_bytes) = ((u64::from(be32(&head, 8)) << 32) | u64::from(be32(&head, 12)), 16);
        }
        if size < head_bytes || size > end - at {
            return Err(broken("a box reaches past the end of the file"));
        }
        match &head[4..8] {
            b"moov" if size <= MAX_INDEX_BYTES && media.is_none() => {
                let mut content = vec![0; usize::try_from(size - head_bytes).unwrap_or(0)];
                file.read_exact(&mut content)?;
                index = Some((at + head_bytes, content));
            }
            b"mdat" => media = Some(size - head_bytes),
            _ => {}
        }
        at += size;
    }
    match (index, media) {
        (Some((at, index)), Some(media)) => Ok((at, index, media)),
        _ => Err(broken("no index before the pictures")),
    }
}

fn read_video(moov: &[u8], media_bytes: u64) -> Option<Video> {
    let movie = &moov[find(moov, &[b"mvhd"])?];
    let (scale, duration) = match movie.first()? {
        0 => (be32_at(movie, 12)?, u64::from(be32_at(movie, 16)?)),
        _ => (be32_at(movie, 20)?, (u64::from(be32_at(movie, 24)?) << 32) | u64::from(be32_at(movie, 28)?)),
    };
    let table = &moov[find(moov, &[b"trak", b"mdia", b"minf", b"stbl"])?];
    let sizes = &table[find(table, &[b"stsz"])?];
    let (each, count) = (be32_at(sizes, 4)?, be32_at(sizes, 8)?);
    let bytes = match each {
        0 => (0..count as usize).map(|i| be32_at(sizes, 12 + 4 * i).map(u64::from)).sum::<Option<u64>>()?,
        each => u64::from(each) * u64::from(count),
    };
    // Without a table of key frames every frame is a key frame.
    let first_key = match find(table, &[b"stss"]) {
        Some(keys) => be32_at(&table[keys], 8)?,
        None => 1,
    };
    // The sample entry: 8 bytes of table head, 8 of box head, then 24 bytes up to width and height.
    let entry = &table[find(table, &[b"stsd"])?];
    let size = be32_at(entry, 40)?;
    let sound = bytes == media_bytes && count > 0 && duration > 0 && scale > 0 && first_key == 1;
    sound.then(|| Video {
        frames: u64::from(count),
        duration_ms: duration.saturating_mul(1_000) / u64::from(scale),
        width: size >> 16,
        height: size & 0xffff,
    })
}

/// Writes creation and modification time into the movie's, the track's and the media's header.
fn date(moov: &mut [u8], seconds: i64) {
    for path in [&[b"mvhd"][..], &[b"trak", b"tkhd"], &[b"trak", b"mdia", b"mdhd"]] {
        let Some(range) = find(moov, path) else { continue };
        let header = &mut moov[range];
        match header.first() {
            Some(0) if header.len() >= 12 => {
                let short = u32::try_from(seconds).unwrap_or(0).to_be_bytes();
                header[4..8].copy_from_slice(&short);
                header[8..12].copy_from_slice(&short);
            }
            Some(_) if header.len() >= 20 => {
                header[4..12].copy_from_slice(&seconds.to_be_bytes());
                header[12..20].copy_from_slice(&seconds.to_be_bytes());
            }
            _ => {}
        }
    }
}

/// Content of the first box at a path inside another box's content.
fn find(content: &[u8], path: &[&[u8; 4]]) -> Option<Range<usize>> {
    let (wanted, rest) = path.split_first()?;
    let mut at = 0;
    loop {
        let size = usize::try_from(be32_at(content, at)?).ok()?;
        let inside = at + 8..at.checked_add(size)?;
        let body = content.get(inside.clone())?;
        if content[at + 4..at + 8] == wanted[..] {
            if rest.is_empty() {
                return Some(inside);
            }
            let deeper = find(body, rest)?;
            return Some(inside.start + deeper.start..inside.start + deeper.end);
        }
        at = inside.end;
    }
}

fn be32_at(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..at.checked_add(4)?).map(|b| be32(b, 0))
}

fn be32(data: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(content: &[u8]) -> String {
        let place = tempfile::tempdir().expect("a folder");
        let file = place.path().join("clip.mp4");
        std::fs::write(&file, content).expect("written");
        crate::base::error_chain(&check_and_date(&file, WallTime(0)).expect_err("no clip"))
    }

    #[test]
    fn what_is_no_clip_is_refused_without_a_panic() {
        assert!(check(b"").contains("no index"));
        assert!(check(b"\0\0\0\x08moov").contains("no index"));
        assert!(check(b"\0\0\0\x02moov").contains("past the end"));
        assert!(check(b"\0\0\xff\xffmdat").contains("past the end"));
        assert!(check(b"\0\0\0\x10moov\0\0\0\x08mvhd\0\0\0\x08mdat").contains("does not describe"));
        assert!(check(b"\0\0\0\x10moov\0\0\0\x00mvhd\0\0\0\x08mdat").contains("does not describe"));
    }
}
