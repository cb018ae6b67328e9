use super::*;

const SEQUENCE: &[u8] = &[0x67, 66, 0, 30, 0x80];
const PICTURE_SET: &[u8] = &[0x68, 0x80];

/// A slice of H.264 whose address is 0 where `first`.
fn slice(first: bool, fill: u8, len: usize) -> Vec<u8> {
    [&[0x41, if first { 0x88 } else { 0x48 }][..], &vec![fill; len]].concat()
}

#[derive(Clone)]
struct Sent {
    payload: Vec<u8>,
    time: i64,
    mark: bool,
    lost: u64,
}

fn sent(payload: &[u8], time: i64, mark: bool) -> Sent {
    Sent { payload: payload.to_vec(), time, mark, lost: 0 }
}

/// The NAL unit in fragments of `size` bytes.
fn fragments(nal: &[u8], size: usize, time: i64, mark: bool) -> Vec<Sent> {
    let pieces: Vec<&[u8]> = nal[1..].chunks(size).collect();
    let last = pieces.len() - 1;
    let fragment = |(i, piece): (usize, &&[u8])| {
        let flags = if i == 0 { 0x80 } else { 0 } | if i == last { 0x40 } else { 0 };
        let payload = [&[nal[0] & 0xe0 | 28, flags | nal[0] & 0x1f], *piece].concat();
        Sent { payload, time, mark: mark && i == last, lost: 0 }
    };
    pieces.iter().enumerate().map(fragment).collect()
}

fn annex_b(nals: &[&[u8]]) -> Vec<u8> {
    nals.iter().flat_map(|nal| [&[0, 0, 0, 1], *nal].concat()).collect()
}

fn read(codec: Codec, packets: &[Sent]) -> (Vec<AccessUnit>, u64) {
    let mut reader = Depacketizer::new(codec);
    let mut units = Vec::new();
    for Sent { payload, time, mark, lost } in packets {
        let packet = Packet { payload, time: MediaTime(*time), mark: *mark, lost: *lost };
        reader.push(&packet, &mut |unit| units.push(unit));
    }
    let unreadable = reader.take_unreadable();
    (units, unreadable)
}

/// Times of the units, and the pictures lost before each.
fn times(packets: &[Sent]) -> Vec<(i64, u64)> {
    read(Codec::H264, packets).0.iter().map(|unit| (unit.raw_pts.0, unit.lost_pictures)).collect()
}

/// Four pictures of two slices each, the second one in three fragments.
fn stream() -> Vec<Sent> {
    let mut all = Vec::new();
    for time in 0..4 {
        all.push(sent(&slice(true, 1, 20), time, false));
        all.extend(fragments(&slice(false, 2, 30), 11, time, true));
    }
    all
}

#[test]
fn a_unit_has_its_sets_and_slices_as_they_were_sent() {
    let idr = [&[0x65, 0x88][..], &[7; 40]].concat();
    let mut packets = vec![
        sent(&[9, 0x10], 5, false),
        sent(SEQUENCE, 5, false),
        sent(PICTURE_SET, 5, false),
        sent(&[12, 255], 5, false),
    ];
    packets.extend(fragments(&idr, 9, 5, true));
    let (units, unreadable) = read(Codec::H264, &packets);
    assert_eq!(units.len(), 1);
    assert_eq!(units[0].data, annex_b(&[SEQUENCE, PICTURE_SET, &idr]), "no delimiter, no filler");
    assert_eq!((units[0].raw_pts, units[0].lost_pictures, unreadable), (MediaTime(5), 0, 0));
}

#[test]
fn a_lost_packet_costs_its_picture_and_no_other() {
    let whole = stream();
    assert_eq!(times(&whole), [(0, 0), (1, 0), (2, 0), (3, 0)]);
    // The last picture's loss would be told with the next one.
    for missing in 0..whole.len() - 4 {
        let mut packets = whole.clone();
        packets.remove(missing);
        packets[missing].lost = 1;
        let left = times(&packets);
        let expected: Vec<i64> = (0..4).filter(|&time| time != whole[missing].time).collect();
        assert_eq!(left.iter().map(|(time, _)| *time).collect::<Vec<_>>(), expected, "{missing}");
        assert_eq!(left.iter().map(|(_, lost)| lost).sum::<u64>(), 1, "{missing}");
    }
}

#[test]
fn packets_that_are_nothing_cost_nothing_else() {
    let whole = stream();
    let bad: [&[u8]; 6] = [&[], &[31, 1, 2], &[30], &[0], &[0x9c, 1], &[0x7c]];
    for payload in bad {
        for at in [0, 1, 4, 5, 8] {
            let mut packets = whole.clone();
            packets.insert(at, sent(payload, whole[at].time, false));
            let (units, unreadable) = read(Codec::H264, &packets);
            assert_eq!((units.len(), unreadable), (4, 1), "{payload:?} at {at}");
        }
    }
    let mut inside = whole.clone();
    inside.insert(3, sent(&[], 0, false));
    assert_eq!(times(&inside), [(1, 1), (2, 0), (3, 0)], "a piece of a slice may be what cannot be read");
}

#[test]
fn a_piece_without_its_beginning_costs_its_picture() {
    let mut packets = stream();
    packets.remove(5);
    assert_eq!(times(&packets), [(0, 0), (2, 1), (3, 0)]);
}

#[test]
fn a_last_piece_without_end_bit_ends_with_the_mark() {
    let mut packets = stream();
    packets.iter_mut().filter(|p| p.mark).for_each(|p| p.payload[1] &= !0x40);
    assert_eq!(times(&packets), [(0, 0), (1, 0), (2, 0), (3, 0)]);
}

#[test]
fn without_marks_a_new_time_ends_a_picture() {
    let mut packets = stream();
    packets.iter_mut().for_each(|p| p.mark = false);
    assert_eq!(times(&packets), [(0, 0), (1, 0), (2, 0)], "the last one goes on");
}

#[test]
fn marks_on_every_packet_cost_one_picture() {
    let mut packets: Vec<Sent> = (0..6)
        .flat_map(|t| [sent(&slice(true, 1, 9), t, true), sent(&slice(false, 2, 9), t, true)])
        .collect();
    packets.insert(0, sent(SEQUENCE, 0, true));
    let (units, _) = read(Codec::H264, &packets);
    let lens: Vec<usize> = units.iter().map(|unit| unit.data.len()).collect();
    assert_eq!(lens[1..], [30; 4], "two slices each");
    assert_eq!(units[1].lost_pictures, 1, "the first one was cut");
}

#[test]
fn pictures_of_a_clock_that_stands_still_are_told_apart_by_their_marks() {
    let packets: Vec<Sent> = (0..3).map(|_| sent(&slice(true, 1, 9), 7, true)).collect();
    assert_eq!(times(&packets), [(7, 0); 3]);
}

#[test]
fn sets_with_a_time_of_their_own_belong_to_the_next_picture() {
    let packets = [sent(SEQUENCE, 1, true), sent(PICTURE_SET, 2, true), sent(&slice(true, 1, 4), 3, true)];
    let (units, _) = read(Codec::H264, &packets);
    assert_eq!(units.len(), 1);
    assert_eq!(units[0].data, annex_b(&[SEQUENCE, PICTURE_SET, &slice(true, 1, 4)]));
}

#[test]
fn a_payload_in_annex_b_is_taken_apart() {
    let idr: &[u8] = &[0x65, 0x88, 1];
    let all = annex_b(&[SEQUENCE, PICTURE_SET, idr]);
    let behind_delimiter = [&[9, 0x10][..], &all].concat();
    for payload in [&all[4..], &behind_delimiter] {
        let (units, _) = read(Codec::H264, &[sent(payload, 1, true)]);
        assert_eq!(units.len(), 1);
        assert_eq!(units[0].data, all);
    }
}

#[test]
fn pictures_of_h265_in_fragments() {
    let cra = [&[21 << 1, 1, 0x80][..], &[3; 20]].concat();
    let mut packets = vec![sent(&[0x60, 1, 0, 3, 32 << 1, 1, 9, 0, 3, 33 << 1, 1, 9], 1, false)];
    let half = &cra[2..];
    packets.push(sent(&[&[0x62, 1, 0x80 | 21], &half[..10]].concat(), 1, false));
    packets.push(sent(&[&[0x62, 1, 0x40 | 21], &half[10..]].concat(), 1, true));
    let (units, _) = read(Codec::H265, &packets);
    assert_eq!(units[0].data, annex_b(&[&[32 << 1, 1, 9], &[33 << 1, 1, 9], &cra]));
}

#[test]
fn endless_pictures_are_given_up() {
    let piece = vec![1; 60_000];
    let mut packets = vec![sent(&[&[0x7c, 0x81, 0x88][..], &piece].concat(), 1, false)];
    let middle = sent(&[&[0x7c, 0x01][..], &piece].concat(), 1, false);
    packets.extend(std::iter::repeat_n(middle, LARGEST_UNIT / piece.len() + 5));
    let mut reader = Depacketizer::new(Codec::H264);
    for Sent { payload, time, mark, lost } in &packets {
        let packet = Packet { payload, time: MediaTime(*time), mark: *mark, lost: *lost };
        reader.push(&packet, &mut |_| panic!("it has no end"));
        assert!(reader.unit.len() <= LARGEST_UNIT + 65_536);
    }
    assert!(reader.unit.is_empty(), "and its bytes are let go");
    packets.push(sent(&slice(true, 1, 4), 2, true));
    assert_eq!(times(&packets), [(2, 1)]);
}

#[test]
fn no_bytes_make_it_panic() {
    let mut state = 7u32;
    let mut next = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as u8
    };
    for codec in [Codec::H264, Codec::H265] {
        let packets: Vec<Sent> = (0..20_000)
            .map(|i| {
                let len = usize::from(next() % 40);
                let payload: Vec<u8> = (0..len).map(|_| if next() % 3 == 0 { 0 } else { next() }).collect();
                Sent {
                    payload,
                    time: i / i64::from(next() % 7 + 1),
                    mark: next() % 4 == 0,
                    lost: u64::from(next() % 9 == 0),
                }
            })
            .collect();
        let (units, unreadable) = read(codec, &packets);
        assert!(units.iter().all(|unit| access_unit::head(codec, &unit.data).picture.is_some()));
        assert!(unreadable > 0);
    }
}
