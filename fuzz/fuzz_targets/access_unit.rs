//! Heads of access units, H.264 and H.265: any bytes have one, and it depends on nothing but the NAL units in front.
#![no_main]

use lintel_fuzz::ingest::{Codec, delimiter_len, head};

/// The NAL units between start codes, cut by a loop of its own.
fn nals(data: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<usize> = (3..=data.len()).filter(|&i| data[i - 3..i] == [0, 0, 1]).collect();
    let end = |i: usize| starts.get(i + 1).map_or(data.len(), |next| next - 3);
    starts.iter().enumerate().map(|(i, &start)| &data[start..end(i)]).collect()
}

fn joined(start: &[u8], nals: &[&[u8]]) -> Vec<u8> {
    nals.iter().flat_map(|nal| [start, nal].concat()).collect()
}

/// Tables 7-1 of H.264 and H.265; a header of H.265 has two bytes, and a temporal id that is not 0.
fn is_slice(codec: Codec, nal: &[u8]) -> bool {
    match (codec, nal) {
        (Codec::H264, [first, ..]) => (1..=5).contains(&(first & 0x1f)),
        (Codec::H265, [first, second, ..]) => (first >> 1) & 0x3f < 32 && second & 7 != 0,
        _ => false,
    }
}

fn is_key(codec: Codec, slice: &[u8]) -> bool {
    match codec {
        Codec::H264 => slice[0] & 0x1f == 5,
        Codec::H265 => (16..=23).contains(&((slice[0] >> 1) & 0x3f)),
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    for (codec, delimiter) in [(Codec::H264, &[9, 0xf0][..]), (Codec::H265, &[70, 1, 0x50])] {
        let found = head(codec, data);
        let units = nals(data);
        let first = units.iter().position(|nal| is_slice(codec, nal));
        assert_eq!(found.0.is_some(), first.is_some(), "{codec:?}");
        if first.is_some_and(|i| is_key(codec, units[i])) {
            assert_eq!(found.0.as_deref(), Some("Point"), "{codec:?}");
        }

        // What follows the first slice says nothing, and neither does the length of start codes.
        let front = &units[..first.map_or(units.len(), |i| i + 1)];
        assert_eq!(head(codec, &joined(&[0, 0, 1], front)), found, "{codec:?}");
        assert_eq!(head(codec, &joined(&[0, 0, 0, 1], &units)), found, "{codec:?}");
        if first.is_some() {
            assert_eq!(
                head(codec, &[data, &[0, 0, 0, 1, 0x65, 0, 0, 1, 0x26, 1]].concat()),
                found,
                "{codec:?}"
            );
        }
        // Parameter sets may be repeated, and come in any order.
        let (sets, slice) = front.split_at(first.unwrap_or(front.len()));
        let turned: Vec<&[u8]> = sets.iter().rev().chain(sets).chain(slice).copied().collect();
        assert_eq!(head(codec, &joined(&[0, 0, 0, 1], &turned)), found, "{codec:?}");

        // A delimiter in front is cut off whole, and the head stays.
        let cut = delimiter_len(codec, data);
        let rest = &data[cut..];
        assert!(cut == 0 || rest.starts_with(&[0, 0, 1]) || rest.starts_with(&[0, 0, 0, 1]), "{codec:?}");
        assert_eq!(head(codec, rest), found, "{codec:?}");
        if !units.is_empty() {
            let plain = joined(&[0, 0, 0, 1], &units);
            let with = [&[0, 0, 0, 1], delimiter, &plain].concat();
            assert_eq!(&with[delimiter_len(codec, &with)..], plain, "{codec:?}");
            assert_eq!(head(codec, &with), found, "{codec:?}");
        }
    }
});
