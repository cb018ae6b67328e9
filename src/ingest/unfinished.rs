//! Recognises an mp4 recording that was never closed: the camera or recorder lost power or its card.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Boxes of a whole file are few; a damaged one may look like any number.
const MOST_BOXES: usize = 1000;

/// True for an mp4 or mov (ISO/IEC 14496-12) without the index of its pictures (`moov`). False where that cannot be
/// read.
pub(super) fn is_unfinished(path: &Path) -> bool {
    File::open(path).is_ok_and(|mut file| lacks_index(&mut file).unwrap_or(false))
}

fn lacks_index(file: &mut (impl Read + Seek)) -> std::io::Result<bool> {
    let end = file.seek(SeekFrom::End(0))?;
    let mut at = 0;
    for number in 0..MOST_BOXES {
        if at + 8 > end {
            return Ok(number > 0);
        }
        file.seek(SeekFrom::Start(at))?;
        let mut head = [0; 8];
        file.read_exact(&mut head)?;
        let [a, b, c, d, kind @ ..] = head;
        match &kind {
            b"moov" => return Ok(false),
            b"ftyp" => {}
            _ if number == 0 => return Ok(false),
            _ => {}
        }
        let length = match u32::from_be_bytes([a, b, c, d]) {
            // To the end of the file.
            0 => return Ok(true),
            1 => {
                let mut long = [0; 8];
                file.read_exact(&mut long)?;
                u64::from_be_bytes(long)
            }
            length => u64::from(length),
        };
        at = at.saturating_add(length.max(8));
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn of(boxes: &[(&[u8; 4], usize)]) -> bool {
        let part = |(kind, body): &(&[u8; 4], usize)| {
            [&(8 + *body as u32).to_be_bytes()[..], *kind, &vec![7; *body]].concat()
        };
        lacks_index(&mut Cursor::new(boxes.iter().flat_map(part).collect::<Vec<u8>>())).expect("read")
    }

    #[test]
    fn a_recording_without_index_is_unfinished_and_other_files_are_not() {
        assert!(of(&[(b"ftyp", 16), (b"mdat", 500)]));
        assert!(of(&[(b"ftyp", 16), (b"free", 0)]));
        assert!(!of(&[(b"ftyp", 16), (b"mdat", 500), (b"moov", 40)]));
        assert!(!of(&[(b"ftyp", 16), (b"moov", 40), (b"mdat", 500)]));
        assert!(!of(&[(b"\x1a\x45\xdf\xa3", 30)]), "mkv");
        let cut =
            [&20u32.to_be_bytes()[..], b"ftypisom\0\0\0\0isom", &[0xff, 0xff, 0xff, 0xff], b"mdat", &[1; 9]]
                .concat();
        assert!(lacks_index(&mut Cursor::new(cut)).expect("read"), "cut off in the middle of its pictures");
        assert!(!lacks_index(&mut Cursor::new(b"abc")).expect("read"));
    }
}
