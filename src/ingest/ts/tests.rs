//! Transport streams that are made here, packet by packet.

use std::io::Cursor;

use super::cells::Cells;
use super::klv::klv_of;
use super::packet::{self, Packets, SIZE};
use super::patch::MetadataPatch;
use super::psi::{StreamKind, Tables, checksum};
use crate::base::WallTime;
use crate::drone::klv::{LocalSet, Packet, packet as local_set, packets};
use crate::ingest::Codec;

const MAP: u16 = 0x1000;
const VIDEO: u16 = 0x100;
const DATA: u16 = 0x101;
const KLVA: [u8; 6] = [0x05, 4, b'K', b'L', b'V', b'A'];
/// metadata_descriptor and metadata_std_descriptor, as MISB ST 1402 has them.
const METADATA: [u8; 22] =
    [0x26, 9, 1, 0, 0xff, b'K', b'L', b'V', b'A', 0, 0x0f, 0x27, 9, 0xc0, 0, 0, 0xc0, 0, 0, 0xc0, 0, 0];

fn transport(pid: u16, begins: bool, payload: &[u8]) -> Vec<u8> {
    let [high, low] = pid.to_be_bytes();
    let stuffing = SIZE - 4 - payload.len();
    let mut packet =
        vec![0x47, high | if begins { 0x40 } else { 0 }, low, if stuffing > 0 { 0x30 } else { 0x10 }];
    if stuffing > 0 {
        packet.push((stuffing - 1) as u8);
        packet.extend([0u8].iter().chain([0xff; SIZE].iter()).take(stuffing - 1));
    }
    packet.extend(payload);
    packet
}

fn section(table: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() + 9) as u16 | 0xb000;
    let mut section = [&[table], &length.to_be_bytes()[..], &[0, 1, 0xc1, 0, 0], body].concat();
    section.extend(checksum(&section).to_be_bytes());
    section
}

fn tables(stream_type: u8, descriptors: &[u8]) -> Vec<u8> {
    let pid = |pid: u16| (pid | 0xe000).to_be_bytes();
    let association = section(0, &[&[0, 1][..], &pid(MAP)].concat());
    let head = [&pid(VIDEO)[..], &[0xf0, 0, 0x1b], &pid(VIDEO), &[0xf0, 0]].concat();
    let length = (descriptors.len() as u16 | 0xf000).to_be_bytes();
    let map = section(2, &[&head, &[stream_type][..], &pid(DATA), &length, descriptors].concat());
    [transport(0, true, &[&[0][..], &association].concat()), transport(MAP, true, &[&[0][..], &map].concat())]
        .concat()
}

fn ticks(prefix: u8, t: u64) -> [u8; 5] {
    let part = |shift: u32, mask: u64| ((t >> shift & mask) << 1 | 1) as u16;
    let (middle, low) = (part(15, 0x7fff).to_be_bytes(), part(0, 0x7fff).to_be_bytes());
    [prefix << 4 | part(30, 7) as u8, middle[0], middle[1], low[0], low[1]]
}

fn pes(pid: u16, stream: u8, pts: Option<u64>, payload: &[u8]) -> Vec<u8> {
    let time = pts.map(|t| ticks(2, t).to_vec()).unwrap_or_default();
    let flags = if pts.is_some() { 0x80 } else { 0 };
    let length = (3 + time.len() + payload.len()) as u16;
    let [high, low] = length.to_be_bytes();
    let whole = [&[0, 0, 1, stream, high, low, 0x80, flags, time.len() as u8], &time[..], payload].concat();
    let chunks = whole.chunks(SIZE - 4).enumerate();
    chunks.flat_map(|(i, chunk)| transport(pid, i == 0, chunk)).collect()
}

fn picture(pts: u64) -> Vec<u8> {
    pes(VIDEO, 0xe0, Some(pts), &[0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 1, 0x65, 0x88])
}

fn set(second: u64) -> Vec<u8> {
    let timestamp = Some(WallTime(1_700_000_000_000_000 + second as i64 * 1_000_000));
    local_set(&LocalSet { timestamp, ..LocalSet::default() })
}

fn cell(content: &[u8], fragment: u8) -> Vec<u8> {
    let [high, low] = (content.len() as u16).to_be_bytes();
    [&[0, 0, fragment << 6 | 0x1f, high, low], content].concat()
}

fn read(bytes: &[u8]) -> Vec<super::Klv> {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("a.ts");
    std::fs::write(&path, bytes).expect("written");
    klv_of(&path).expect("readable")
}

fn sets(bytes: &[u8]) -> usize {
    packets(bytes).filter(|p| matches!(p, Packet::Local(_))).count()
}

/// Pictures and sets of three seconds, the first just before the time wraps.
fn stream(stream_type: u8, descriptors: &[u8], data: impl Fn(u64, u64) -> Vec<u8>) -> Vec<u8> {
    let at = |second: u64| ((1u64 << 33) - 90_000 + second * 90_000) % (1 << 33);
    let moment = |second: u64| [picture(at(second)), data(second, at(second))].concat();
    [tables(stream_type, descriptors), (0..3).flat_map(moment).collect()].concat()
}

#[test]
fn asynchronous_klv_without_times_is_placed_by_the_picture_before_it() {
    let bytes = stream(0x06, &KLVA, |second, _| pes(DATA, 0xbd, None, &set(second)));
    let found = read(&bytes);
    let near: Vec<_> = found.iter().map(|klv| (klv.pts, klv.near.map(|t| t.0), sets(&klv.bytes))).collect();
    assert_eq!(near, [(None, Some(0), 1), (None, Some(1_000_000), 1), (None, Some(2_000_000), 1)]);
}

#[test]
fn synchronous_klv_comes_out_of_its_cells_with_its_times() {
    for descriptors in [METADATA.to_vec(), [&KLVA[..], &METADATA].concat(), Vec::new()] {
        let bytes =
            stream(0x15, &descriptors, |second, pts| pes(DATA, 0xfc, Some(pts), &cell(&set(second), 0b11)));
        let found = read(&bytes);
        let times: Vec<_> = found.iter().map(|klv| (klv.pts.map(|t| t.0), sets(&klv.bytes))).collect();
        assert_eq!(times, [(Some(0), 1), (Some(1_000_000), 1), (Some(2_000_000), 1)], "{descriptors:?}");
    }
}

#[test]
fn cells_go_on_over_packets_and_may_be_missing() {
    let whole = set(1);
    let (first, last) = whole.split_at(20);
    let mut cells = Cells::default();
    assert!(cells.push(&cell(first, 0b10)).is_empty());
    assert_eq!(cells.push(&cell(last, 0b01)), whole);
    assert_eq!(cells.push(&[cell(&whole, 0b11), cell(&whole, 0b11)].concat()), [&whole[..], &whole].concat());
    assert_eq!(cells.push(&whole), whole, "without cells");
}

#[test]
fn private_data_that_nothing_names_is_klv_by_its_key() {
    let klv = stream(0x06, &[], |second, _| pes(DATA, 0xbd, None, &set(second)));
    assert_eq!(read(&klv).len(), 3);
    let other = stream(0x06, &[], |_, _| pes(DATA, 0xbd, None, b"something else"));
    assert_eq!(read(&other).len(), 0);
    let sound = stream(0x06, &[0x6a, 1, 0], |second, _| pes(DATA, 0xbd, None, &set(second)));
    assert_eq!(read(&sound).len(), 0, "AC-3");
}

#[test]
fn packets_of_all_sizes_are_found_and_damage_is_passed_over() {
    let plain = stream(0x06, &KLVA, |second, _| pes(DATA, 0xbd, None, &set(second)));
    let wide = |before: usize, after: usize| -> Vec<u8> {
        plain.chunks(SIZE).flat_map(|p| [&vec![0; before][..], p, &vec![0; after]].concat()).collect()
    };
    for bytes in [wide(4, 0), wide(0, 16), [&[1, 2, 3][..], &plain].concat()] {
        assert_eq!(read(&bytes).len(), 3);
    }
    let mut torn = plain.clone();
    torn.splice(SIZE * 5..SIZE * 5, [0x55; 77]);
    assert!(read(&torn).len() >= 2);
    assert!(Packets::open(Cursor::new(b"no transport stream".repeat(100))).expect("readable").is_none());
    for length in 0..plain.len() {
        let _ = read_packets(&plain[..length]);
    }
    for i in 0..plain.len() {
        let mut bent = plain.clone();
        bent[i] ^= 0xff;
        let _ = read_packets(&bent);
    }
}

/// Without the way over a file.
fn read_packets(bytes: &[u8]) -> usize {
    let mut tables = Tables::default();
    let mut patch = MetadataPatch::default();
    let mut copy = bytes.to_vec();
    if patch.is_needed(&copy) {
        patch.apply(&mut copy);
    }
    bytes.chunks(SIZE).filter_map(packet::parse).filter(|packet| tables.push(packet)).count()
}

#[test]
fn a_live_program_map_names_synchronous_klv_as_private_data() {
    for descriptors in [METADATA.to_vec(), [&KLVA[..], &METADATA].concat()] {
        let mut bytes =
            stream(0x15, &descriptors, |second, pts| pes(DATA, 0xfc, Some(pts), &cell(&set(second), 0b11)));
        let mut patch = MetadataPatch::default();
        assert!(patch.is_needed(&bytes));
        patch.apply(&mut bytes);
        assert!(!patch.is_needed(&bytes));
        let mut tables = Tables::default();
        for packet in bytes.chunks(SIZE).filter_map(packet::parse) {
            tables.push(&packet);
        }
        assert_eq!(tables.streams[&VIDEO], StreamKind::Video(Codec::H264));
        assert_eq!(tables.streams[&DATA], StreamKind::Klv);
        let map = &bytes[SIZE..2 * SIZE];
        let start = 6 + usize::from(map[4]);
        assert_eq!(checksum(&map[start..]), 0, "a section with its checksum sums up to nothing");
    }
    let other = stream(0x06, &KLVA, |second, _| pes(DATA, 0xbd, None, &set(second)));
    assert!(!MetadataPatch::default().is_needed(&other));
}
