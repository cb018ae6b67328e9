//! Pieces of files: what is read is safe to use, is written, and is read again as it was. The fuzzer cannot guess the length of
//! the header, so the input is also read as a header in a line of its own, and a length is put in front.
#![no_main]

use lintel_fuzz::outbox::MediaChunk;
use lintel_fuzz::wire::{ChunkHeader, MAX_TOTAL_BYTES, decode_chunk, encode_chunk};

fn is_plain(text: &str, more: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || more.contains(c))
}

fn check(header: &ChunkHeader, bytes: u64) {
    assert!(is_plain(&header.kind, "_") && is_plain(&header.sha256, ""), "{header:?}");
    assert!(is_plain(&header.file, "_-.") && header.file.matches('.').count() == 1, "{header:?}");
    assert!(
        !header.file.starts_with('.') && !header.file.ends_with('.') && header.file.len() <= 41,
        "{header:?}"
    );
    assert!(header.event.get_version_num() == 7 && header.total <= MAX_TOTAL_BYTES, "{header:?}");
    // Index, offset, count and total bind each other.
    let (index, count, size) = (u64::from(header.index), u64::from(header.count), header.piece_bytes(bytes));
    assert!(index < count && bytes <= size && index * size == header.offset, "{header:?}");
    assert_eq!(header.offset + bytes == header.total, index + 1 == count, "{header:?}");
    assert!(header.offset + bytes <= header.total && count * size >= header.total, "{header:?}");
}

fn judge(payload: Vec<u8>) {
    let payload = payload.into();
    let (header, data) = match decode_chunk(&payload) {
        Ok(read) => read,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    check(&header, data.len() as u64);
    let text = &payload[8..payload.len() - data.len()];
    assert_eq!(text.trim_ascii().first(), Some(&b'{'), "a header is a JSON object");
    // Another way to write the event's id may be shorter, and a header has at most 4096 bytes.
    if text.len() > 4000 {
        return;
    }
    let written = encode_chunk(&MediaChunk {
        event: header.event,
        kind: header.kind.clone(),
        file: header.file.clone(),
        media_type: header.media_type.clone(),
        index: header.index,
        count: header.count,
        offset: header.offset,
        total: header.total,
        sha256: header.sha256.clone(),
        data: data.clone(),
    });
    let again = decode_chunk(&written).expect("what was written is read");
    assert_eq!(again, (header, data));
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    judge(bytes.to_vec());
    let end = bytes.iter().position(|b| *b == b'\n').unwrap_or(bytes.len());
    let (header, data) = (&bytes[..end], bytes.get(end + 1..).unwrap_or_default());
    let length = u32::try_from(header.len()).expect("short").to_be_bytes();
    judge([b"LTC1", &length[..], header, data].concat());
});
