//! RTP packets of H.264 and H.265 to access units.
//!
//! Takes: packets in order, with what was lost before each. Gives: access units with at least one slice, in
//! Annex B, without delimiters and filler. On failure: what cannot be read costs the packet, what is incomplete
//! the picture, never the connection.

use super::Codec;
use super::access_unit::{self, AccessUnit};
use super::nal::{self, Nal};
use super::payload::{Part, parts};
use crate::base::MediaTime;

/// Larger than any key frame of an 8K camera. More is a hostile or broken sender.
const LARGEST_UNIT: usize = 16 << 20;

pub(super) struct Packet<'a> {
    pub payload: &'a [u8],
    /// On the sender's clock.
    pub time: MediaTime,
    /// The last packet of its picture, says the sender.
    pub mark: bool,
    /// Packets lost just before it.
    pub lost: u64,
}

/// State of one stream.
pub(super) struct Depacketizer {
    codec: Codec,
    /// Annex B of the unit in work.
    unit: Vec<u8>,
    time: MediaTime,
    stage: Stage,
    /// The unit has a slice.
    picture: bool,
    /// The beginning of the unit may have been lost.
    suspect: bool,
    /// A fragmented NAL unit is open.
    fragment: bool,
    /// The sender also marks packets that do not end a picture: only a new time does.
    marks_lie: bool,
    lost_packets: u64,
    lost_pictures: u64,
    unreadable: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// No packet yet.
    New,
    Growing,
    /// The rest of this picture is of no use.
    Damaged,
    /// Given at its mark.
    Given,
}

impl Depacketizer {
    pub fn new(codec: Codec) -> Self {
        Self {
            codec,
            unit: Vec::new(),
            time: MediaTime(0),
            stage: Stage::New,
            picture: false,
            suspect: false,
            fragment: false,
            marks_lie: false,
            lost_packets: 0,
            lost_pictures: 0,
            unreadable: 0,
        }
    }

    /// Packets since the last call that were no payload of this codec.
    pub fn take_unreadable(&mut self) -> u64 {
        std::mem::take(&mut self.unreadable)
    }

    /// Calls `give` with each unit that ends: at most the one before this packet, and the one with it.
    pub fn push(&mut self, packet: &Packet<'_>, give: &mut impl FnMut(AccessUnit)) {
        self.lost_packets += packet.lost;
        if packet.lost > 0 && self.stage == Stage::Growing && !self.unit.is_empty() {
            self.damage();
        }
        if self.stage == Stage::New || packet.time != self.time {
            self.end_by_time(packet.time, give);
        } else if self.stage == Stage::Given {
            self.go_on_after_the_mark(packet);
        }
        self.suspect |= packet.lost > 0;
        if self.stage == Stage::Growing {
            self.take(packet.payload);
        }
        if packet.mark && self.stage == Stage::Growing && !self.marks_lie && self.has_picture() {
            self.finish(give);
            self.stage = Stage::Given;
        }
    }

    fn end_by_time(&mut self, time: MediaTime, give: &mut impl FnMut(AccessUnit)) {
        match self.stage {
            Stage::Growing if self.has_picture() => self.finish(give),
            // Parameter sets with a time of their own belong to the next picture.
            Stage::Growing => {}
            Stage::New | Stage::Damaged | Stage::Given => self.clear(),
        }
        self.time = time;
        self.stage = Stage::Growing;
    }

    /// A packet with the time of a unit that its mark has ended.
    fn go_on_after_the_mark(&mut self, packet: &Packet<'_>) {
        let goes_on =
            parts(self.codec, packet.payload).and_then(|mut parts| parts.next()).is_some_and(|part| {
                let (first, len) = part.peek();
                matches!(nal::kind(self.codec, &first[..len]), Nal::Slice(_))
                    && !(part.begins && nal::begins_picture(self.codec, &first[..len]))
            });
        self.clear();
        if goes_on {
            self.marks_lie = true;
            self.damage();
        } else {
            // Another picture of a clock that stands still.
            self.stage = Stage::Growing;
        }
    }

    fn take(&mut self, payload: &[u8]) {
        let Some(parts) = parts(self.codec, payload) else {
            self.unreadable += 1;
            if self.fragment {
                self.damage();
            }
            return;
        };
        for part in parts {
            self.take_part(&part);
            if self.unit.len() > LARGEST_UNIT {
                self.damage();
            }
            if self.stage == Stage::Damaged {
                return;
            }
        }
    }

    fn take_part(&mut self, part: &Part<'_>) {
        if !part.begins && self.fragment {
            self.unit.extend_from_slice(part.body);
            self.fragment = !part.ends;
            return;
        }
        let (first, len) = part.peek();
        let first = &first[..len];
        self.fragment = false;
        match nal::kind(self.codec, first) {
            Nal::Slice(_) => {
                let whole = !self.suspect || self.picture || nal::begins_picture(self.codec, first);
                if !part.begins || !whole {
                    return self.damage();
                }
                self.picture = true;
            }
            Nal::Parameters(_) | Nal::Information if part.begins => {}
            // Some cameras send a whole unit behind a delimiter, in Annex B.
            Nal::Delimiter if part.begins => {
                let Some(at) = access_unit::next_start(part.body, 0) else { return };
                self.unit.extend_from_slice(&[0, 0, 0, 1]);
                self.unit.extend_from_slice(&part.body[at..]);
                self.fragment = !part.ends;
                return;
            }
            _ => return,
        }
        self.unit.extend_from_slice(&[0, 0, 0, 1]);
        self.unit.extend_from_slice(part.header());
        self.unit.extend_from_slice(part.body);
        self.fragment = !part.ends;
    }

    /// Is there a slice, also one behind parameter sets in the same Annex B payload?
    fn has_picture(&self) -> bool {
        self.picture || access_unit::head(self.codec, &self.unit).picture.is_some()
    }

    /// Leaves this picture out.
    fn damage(&mut self) {
        self.clear();
        self.lost_pictures += 1;
        self.stage = Stage::Damaged;
    }

    fn finish(&mut self, give: &mut impl FnMut(AccessUnit)) {
        let mut data = std::mem::take(&mut self.unit);
        data.shrink_to_fit();
        // Whole pictures may have been lost between two that are whole.
        let between = u64::from(self.lost_packets > 0);
        give(AccessUnit {
            codec: self.codec,
            data: data.into(),
            raw_pts: self.time,
            size: None,
            lost_packets: std::mem::take(&mut self.lost_packets),
            lost_pictures: std::mem::take(&mut self.lost_pictures).max(between),
        });
        self.clear();
    }

    fn clear(&mut self) {
        self.unit = Vec::new();
        (self.picture, self.suspect, self.fragment) = (false, false, false);
    }
}

#[cfg(test)]
mod tests;
