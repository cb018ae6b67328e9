//! All KLV of a recording.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use super::cells::Cells;
use super::packet::{self, Packets};
use super::pes::{self, Collector, Pes, Ticks};
use super::psi::{StreamKind, Tables};
use crate::base::MediaTime;
use crate::ingest::access_unit::head;

/// The beginning of every universal key (SMPTE ST 336).
const UNIVERSAL: [u8; 4] = [0x06, 0x0e, 0x2b, 0x34];

/// One PES packet of metadata. Times count from the first picture.
pub(in crate::ingest) struct Klv {
    /// As the stream says.
    pub pts: Option<MediaTime>,
    /// Of the picture that stood before it in the stream, in decode order.
    pub near: Option<MediaTime>,
    pub bytes: Vec<u8>,
}

/// Reads the whole file; one that is no MPEG-TS has no KLV.
///
/// # Errors
/// The file cannot be read.
pub(in crate::ingest) fn klv_of(path: &Path) -> io::Result<Vec<Klv>> {
    let file = BufReader::with_capacity(1 << 20, File::open(path)?);
    let Some(mut packets) = Packets::open(file)? else { return Ok(Vec::new()) };
    let mut reader = Reader::default();
    while let Some(bytes) = packets.next()? {
        if let Some(packet) = packet::parse(&bytes) {
            reader.push(&packet);
        }
    }
    Ok(reader.finish())
}

struct Found {
    pts: Option<Ticks>,
    near: Option<Ticks>,
    bytes: Vec<u8>,
}

#[derive(Default)]
struct Reader {
    tables: Tables,
    streams: BTreeMap<u16, (Collector, Cells)>,
    /// The first video stream, its first picture that can be decoded, and the latest picture.
    video: Option<u16>,
    first: Option<Times>,
    /// The first picture of all, for a stream whose parameter sets are elsewhere.
    earliest: Option<Times>,
    latest: Option<Times>,
    found: Vec<Found>,
}

#[derive(Clone, Copy)]
struct Times {
    presentation: Ticks,
    decode: Ticks,
}

impl Times {
    fn of(pes: &Pes) -> Option<Self> {
        let presentation = pes.pts?;
        Some(Self { presentation, decode: pes.dts.unwrap_or(presentation) })
    }
}

impl Reader {
    fn push(&mut self, packet: &packet::Packet<'_>) {
        if self.tables.push(packet) {
            return;
        }
        let Some(&kind) = self.tables.streams.get(&packet.pid) else { return };
        if let StreamKind::Video(_) = kind {
            if *self.video.get_or_insert(packet.pid) != packet.pid {
                return;
            }
        } else if kind == StreamKind::Other {
            return;
        }
        // Video packets end where the next one begins, and what comes in between belongs to this picture.
        if self.video == Some(packet.pid) && packet.begins {
            self.latest = pes::parse(packet.payload).and_then(|pes| Times::of(&pes)).or(self.latest);
        }
        let collector = &mut self.streams.entry(packet.pid).or_default().0;
        if let Some(pes) = collector.push(packet.begins, packet.payload) {
            self.take(packet.pid, kind, pes);
        }
    }

    fn take(&mut self, pid: u16, kind: StreamKind, pes: Pes) {
        let bytes = match kind {
            StreamKind::Video(codec) => {
                let Some(times) = Times::of(&pes) else { return };
                if self.first.is_none() && !head(codec, &pes.payload).sets.is_empty() {
                    self.first = Some(times);
                }
                self.earliest.get_or_insert(times);
                return;
            }
            StreamKind::KlvCells => {
                let cells = &mut self.streams.entry(pid).or_default().1;
                cells.push(&pes.payload)
            }
            StreamKind::Unnamed if !pes.payload.windows(4).any(|w| w == UNIVERSAL) => return,
            _ => pes.payload,
        };
        if !bytes.is_empty() {
            self.found.push(Found { pts: pes.pts, near: self.latest.map(|times| times.decode), bytes });
        }
    }

    fn finish(mut self) -> Vec<Klv> {
        let mut streams = std::mem::take(&mut self.streams);
        for (pid, (collector, cells)) in &mut streams {
            let (Some(pes), Some(&kind)) = (collector.finish(), self.tables.streams.get(pid)) else {
                continue;
            };
            self.streams.insert(*pid, (Collector::default(), std::mem::take(cells)));
            self.take(*pid, kind, pes);
        }
        let first_time = self.found.iter().find_map(|found| found.pts);
        let zero = self.first.or(self.earliest);
        let presented = zero.map(|zero| zero.presentation).or(first_time);
        let klv = |found: Found| Klv {
            pts: found.pts.zip(presented).map(|(pts, zero)| MediaTime(pts.since(zero))),
            near: found.near.zip(zero).map(|(near, zero)| MediaTime(near.since(zero.decode))),
            bytes: found.bytes,
        };
        self.found.into_iter().map(klv).collect()
    }
}
