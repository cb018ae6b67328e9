//! RTP payloads of both codecs and session descriptions: any bytes are read, every unit has a picture, and no unit has
//! more bytes than came in.
#![no_main]

use lintel_fuzz::ingest::{Codec, described, head, units};

/// Cuts the input into packets. Each begins with a byte of flags and one of its length.
fn packets(mut data: &[u8]) -> Vec<(&[u8], i64, bool, u64)> {
    let (mut packets, mut time) = (Vec::new(), 0);
    while let [flags, length, rest @ ..] = data {
        let (payload, rest) = rest.split_at(rest.len().min(usize::from(*length)));
        time += i64::from(flags >> 6);
        packets.push((payload, time, flags & 1 != 0, u64::from(flags >> 1 & 3 == 3)));
        data = rest;
    }
    packets
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    for codec in [Codec::H264, Codec::H265] {
        let packets = packets(data);
        // A piece of a unit comes with a header and a start code of its own.
        let most = data.len() + 6 * packets.len() * 64;
        let units = units(codec, packets.into_iter());
        assert!(units.iter().map(Vec::len).sum::<usize>() <= most, "{codec:?}");
        for unit in units {
            assert!(head(codec, &unit).0.is_some(), "{codec:?}");
        }
    }
    described(data);
});
