//! Texts that people write, in the encodings that their programs save: UTF-8, UTF-16, GB18030 (so also GBK).

use std::io;
use std::path::Path;

use encoding_rs::{Encoding, GB18030, UTF_16BE, UTF_16LE};

/// Why bytes are no text. Lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoText {
    #[error("line {line} is damaged, though the rest is UTF-8: write the line anew")]
    Damaged { line: usize },
    #[error(
        "line {line} is neither UTF-8 nor GB18030 (GBK): save the file as UTF-8 (Notepad: Save as, Encoding)"
    )]
    Unknown { line: usize },
    #[error("it is no text: line {line} holds a zero byte")]
    Binary { line: usize },
    #[error("it begins as UTF-16, and line {line} is damaged: save the file as UTF-8")]
    Utf16 { line: usize },
    #[error("it is UTF-32: save the file as UTF-8")]
    Utf32,
}

/// Reads a text, whatever encoding it is saved in. A byte order mark is left out.
///
/// # Errors
/// The file cannot be read, or holds no text: the source is a [`NoText`] then.
pub fn read_text(path: &Path) -> io::Result<String> {
    decode_text(std::fs::read(path)?).map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))
}

/// The text of these bytes, without a byte order mark.
///
/// # Errors
/// They are no text.
pub fn decode_text(bytes: Vec<u8>) -> Result<String, NoText> {
    if bytes.starts_with(&[0xff, 0xfe, 0, 0]) || bytes.starts_with(&[0, 0, 0xfe, 0xff]) {
        return Err(NoText::Utf32);
    }
    if let Some((encoding, mark)) = Encoding::for_bom(&bytes)
        && encoding != encoding_rs::UTF_8
    {
        return utf16(encoding, &bytes[mark..]);
    }
    if let Some(encoding) = unmarked_utf16(&bytes) {
        return utf16(encoding, &bytes);
    }
    if let Some(zero) = bytes.iter().position(|b| *b == 0) {
        return Err(NoText::Binary { line: line_of(&bytes, zero) });
    }
    match String::from_utf8(bytes) {
        Ok(mut text) => {
            if text.starts_with('\u{feff}') {
                text.drain(..'\u{feff}'.len_utf8());
            }
            Ok(text)
        }
        Err(error) => {
            let line = line_of(error.as_bytes(), error.utf8_error().valid_up_to());
            gb18030(error.as_bytes(), line)
        }
    }
}

/// `first_bad`: the first line that is no UTF-8.
fn gb18030(bytes: &[u8], first_bad: usize) -> Result<String, NoText> {
    // UTF-8 that somebody cut or pasted into reads as Chinese that nobody wrote.
    let chunks = || bytes.utf8_chunks();
    let whole: usize = chunks().map(|c| c.valid().chars().filter(|c| c.len_utf8() > 2).count()).sum();
    let broken = chunks().filter(|c| !c.invalid().is_empty()).count();
    if whole > broken {
        return Err(NoText::Damaged { line: first_bad });
    }
    match GB18030.decode_without_bom_handling_and_without_replacement(bytes) {
        Some(text) if text.chars().all(is_usual) => Ok(text.into_owned()),
        _ => Err(NoText::Unknown { line: first_bad }),
    }
}

/// Whether a text of the field may hold it. Private use and control characters come of wrong guesses.
fn is_usual(c: char) -> bool {
    !matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{80}'..='\u{9f}' | '\u{f0000}'..)
        && (!c.is_control() || c.is_whitespace())
}

fn utf16(encoding: &'static Encoding, bytes: &[u8]) -> Result<String, NoText> {
    let (text, damaged) = encoding.decode_without_bom_handling(bytes);
    if !damaged {
        return Ok(text.into_owned());
    }
    let line = text.lines().position(|line| line.contains('\u{fffd}')).map_or(1, |i| i + 1);
    Err(NoText::Utf16 { line })
}

/// UTF-16 without a mark: nearly every other byte of what is mostly ASCII is zero.
fn unmarked_utf16(bytes: &[u8]) -> Option<&'static Encoding> {
    let start = &bytes[..bytes.len().min(4096)];
    let zeros = |odd: usize| start.iter().skip(odd).step_by(2).filter(|b| **b == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    let many = |n: usize| n > 1 && n * 5 > start.len();
    match (many(even), many(odd)) {
        (false, true) if even == 0 => Some(UTF_16LE),
        (true, false) if odd == 0 => Some(UTF_16BE),
        _ => None,
    }
}

fn line_of(bytes: &[u8], at: usize) -> usize {
    bytes[..at].iter().filter(|b| **b == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "name = \"东门，高杆\"\nid = 3\n";

    fn utf16(text: &str, little: bool) -> Vec<u8> {
        text.encode_utf16().flat_map(|u| if little { u.to_le_bytes() } else { u.to_be_bytes() }).collect()
    }

    #[test]
    fn every_encoding_of_the_field_reads_the_same() {
        let marked = |mark: &[u8], text: Vec<u8>| [mark, &text].concat();
        for bytes in [
            TEXT.as_bytes().to_vec(),
            marked(&[0xef, 0xbb, 0xbf], TEXT.into()),
            GB18030.encode(TEXT).0.into_owned(),
            encoding_rs::GBK.encode(TEXT).0.into_owned(),
            marked(&[0xff, 0xfe], utf16(TEXT, true)),
            marked(&[0xfe, 0xff], utf16(TEXT, false)),
            utf16(TEXT, true),
            utf16(TEXT, false),
        ] {
            assert_eq!(decode_text(bytes.clone()).as_deref(), Ok(TEXT), "{bytes:?}");
        }
        assert_eq!(decode_text(Vec::new()).as_deref(), Ok(""));
    }

    #[test]
    fn what_is_no_text_is_named_with_its_line() {
        let mut damaged = "a = \"东门\"\nb = \"高杆\"\n".as_bytes().to_vec();
        damaged.remove(18);
        assert_eq!(decode_text(damaged), Err(NoText::Damaged { line: 2 }));
        assert_eq!(decode_text(b"a\nb\xff\xff\n".to_vec()), Err(NoText::Unknown { line: 2 }));
        assert_eq!(decode_text(b"\x7fELF\0\x01\x02\0\0\0".to_vec()), Err(NoText::Binary { line: 1 }));
        assert_eq!(decode_text(vec![0xff, 0xfe, 0, 0, 65, 0, 0, 0]), Err(NoText::Utf32));
        let mut cut = [&[0xff, 0xfe][..], &utf16("a\n东", true)].concat();
        cut.pop();
        assert_eq!(decode_text(cut), Err(NoText::Utf16 { line: 2 }));
    }
}
