use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::base::WallTime;
use crate::outbox::{MediaChunk, OutMessage};

fn pieces(content: &[u8], size: usize) -> Vec<MediaChunk> {
    let count = content.len().div_ceil(size).max(1);
    (0..count)
        .map(|n| MediaChunk {
            event: uuid::Builder::from_unix_timestamp_millis(1_795_321_800_120, &[3; 10]).into_uuid(),
            kind: "still".to_owned(),
            file: "still.jpg".to_owned(),
            media_type: "image/jpeg".to_owned(),
            index: u32::try_from(n).expect("small"),
            count: u32::try_from(count).expect("small"),
            offset: (n * size) as u64,
            total: content.len() as u64,
            sha256: "a".repeat(64),
            data: Bytes::copy_from_slice(&content[n * size..content.len().min((n + 1) * size)]),
        })
        .collect()
}

#[test]
fn a_header_that_is_a_list_is_refused() {
    let header = format!(
        r#"["01a20184-a5b8-7101-8101-010101010101","still","still.jpg","image/jpeg",0,1,0,0,"{}"]"#,
        "a".repeat(64)
    );
    let length = u32::try_from(header.len()).expect("short").to_be_bytes();
    let payload = Bytes::from([b"LTC1", &length[..], header.as_bytes()].concat());
    assert_eq!(decode_chunk(&payload), Err(ChunkError::Header("a list, not an object".to_owned())));
}

proptest! {
    #[test]
    fn every_piece_of_every_file_comes_back_as_it_was(content in prop::collection::vec(any::<u8>(), 0..400), size in 1usize..500) {
        for piece in pieces(&content, size) {
            let (header, data) = decode_chunk(&encode_chunk(&piece)).expect("our own piece");
            prop_assert_eq!(&data, &piece.data);
            prop_assert_eq!((header.index, header.offset, header.total), (piece.index, piece.offset, piece.total));
            if piece.count > 1 {
                prop_assert_eq!(header.piece_bytes(data.len() as u64), size as u64);
            }
        }
    }

    #[test]
    fn bytes_from_a_stranger_never_panic(payload in prop::collection::vec(any::<u8>(), 0..200), magic in any::<bool>()) {
        let payload = if magic { [&b"LTC1\0\0\0\x20"[..], &payload].concat() } else { payload };
        drop(decode_chunk(&payload.into()));
    }

    #[test]
    fn numbers_from_a_stranger_are_refused_or_bind_each_other(
        index in prop_oneof![0u32..5, any::<u32>()], count in prop_oneof![0u32..5, any::<u32>()],
        offset in prop_oneof![0u64..400, any::<u64>()], total in prop_oneof![0u64..400, any::<u64>()], bytes in 0usize..200,
    ) {
        let piece = MediaChunk { index, count, offset, total, data: vec![0; bytes].into(), ..pieces(&[], 1).remove(0) };
        if let Ok((header, data)) = decode_chunk(&encode_chunk(&piece)) {
            let size = header.piece_bytes(data.len() as u64);
            prop_assert_eq!(u64::from(index) * size, offset);
            prop_assert!(offset + data.len() as u64 <= total);
            prop_assert!(u64::from(count) * size >= total && (u64::from(count) - 1) * size <= total);
        }
    }
}

#[test]
fn the_same_files_told_at_another_time_are_another_message_and_at_the_same_time_the_same() {
    let event = pieces(&[], 1)[0].event;
    let tell = |at: i64| {
        let (topics, camera) = (Topics::new("lintel", "n"), "gate".into());
        evidence_message(&topics, "n", &camera, event, WallTime(at), serde_json::json!({}), Vec::new())
    };
    let id = |message: OutMessage| {
        let message: CloudEvent<EvidenceData> = serde_json::from_slice(&message.payload).expect("its own");
        message.id
    };
    assert_eq!(tell(1_795_321_900_000_000), tell(1_795_321_900_000_000));
    assert_ne!(id(tell(1_795_321_900_000_000)), id(tell(1_795_321_930_000_000)));
}
