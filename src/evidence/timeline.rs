//! Decode and presentation times of a clip's frames, from the clip's start. Pure.

use crate::base::MediaTime;
use crate::ingest::{Codec, EncodedFrame};

/// Microseconds from the start of the clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub pts: u64,
    pub dts: u64,
    pub duration: u64,
}

/// Shortest distance of two decode times: one tick of the 90 kHz video clock, rounded up.
const TICK_US: i64 = 12;

/// Duration of a single frame, which has no neighbour to derive it from.
const LONE_FRAME_US: u64 = 40_000;

/// Slots for frames in decode order. Frames are decoded in the order of arrival and shown at their own times.
/// The sorted presentation times, moved back by the deepest reordering, are valid decode times: they never
/// run backwards, and never pass a frame's presentation.
pub(super) fn timeline(shown: &[MediaTime]) -> Vec<Slot> {
    let Some(start) = shown.iter().map(|t| t.0).min() else { return Vec::new() };
    let pts: Vec<i64> = shown.iter().map(|t| t.0.saturating_sub(start)).collect();
    let mut dts = pts.clone();
    dts.sort_unstable();
    // Broken cameras repeat timestamps; a file must not.
    for i in 1..dts.len() {
        dts[i] = dts[i].max(dts[i - 1] + TICK_US);
    }
    let delay = dts.iter().zip(&pts).map(|(d, p)| d - p).max().unwrap_or(0).max(0);
    let micros = |v: i64| u64::try_from(v).unwrap_or(0);
    let mut lengths: Vec<u64> = dts.windows(2).map(|w| micros(w[1] - w[0])).collect();
    lengths.push(lengths.last().copied().unwrap_or(LONE_FRAME_US));
    let slots = pts.iter().zip(&dts).zip(lengths);
    slots.map(|((p, d), duration)| Slot { pts: micros(p + delay), dts: micros(*d), duration }).collect()
}

/// Number of frames after the first that refer to pictures before it: the skipped leading pictures of an
/// H.265 open GOP (RASL, ITU-T H.265 table 7-1 and clause 8.1.3). No decoder shows them at the start of a
/// stream.
pub(super) fn leading(frames: &[&EncodedFrame]) -> usize {
    let is_rasl = |f: &&&EncodedFrame| f.codec == Codec::H265 && matches!(slice_type(&f.data), Some(8 | 9));
    frames.iter().skip(1).take_while(is_rasl).count()
}

/// Whether the frame has the parameter sets that a decoder and the file's header need.
pub(super) fn is_self_contained(frame: &EncodedFrame) -> bool {
    // H.264 (table 7-1): SPS 7, PPS 8. H.265: VPS 32, SPS 33, PPS 34.
    let wanted: &[u8] = match frame.codec {
        Codec::H264 => &[7, 8],
        Codec::H265 => &[32, 33, 34],
    };
    wanted.iter().all(|kind| unit_types(frame.codec, &frame.data).any(|k| k == *kind))
}

/// Type of the first H.265 NAL unit that carries picture data.
fn slice_type(annex_b: &[u8]) -> Option<u8> {
    unit_types(Codec::H265, annex_b).find(|kind| *kind < 32)
}

fn unit_types(codec: Codec, annex_b: &[u8]) -> impl Iterator<Item = u8> {
    let starts = annex_b.windows(4).filter(|w| w[..3] == [0, 0, 1]);
    starts.map(move |w| match codec {
        Codec::H264 => w[3] & 0x1f,
        Codec::H265 => (w[3] >> 1) & 0x3f,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(shown: &[i64], pts: &[u64], dts: &[u64]) {
        let slots = timeline(&shown.iter().map(|&t| MediaTime(t)).collect::<Vec<_>>());
        assert_eq!(slots.iter().map(|s| s.pts).collect::<Vec<_>>(), pts, "shown");
        assert_eq!(slots.iter().map(|s| s.dts).collect::<Vec<_>>(), dts, "decoded");
    }

    #[test]
    fn without_b_frames_decoding_is_showing() {
        check(&[1_000, 41_000, 81_000], &[0, 40_000, 80_000], &[0, 40_000, 80_000]);
    }

    #[test]
    fn b_frames_delay_showing_by_the_reordering_depth() {
        // I P B B P: decoded in this order, shown I B B P P.
        check(&[0, 300, 100, 200, 400], &[100, 400, 200, 300, 500], &[0, 100, 200, 300, 400]);
    }

    #[test]
    fn repeated_and_backward_times_still_give_rising_decode_times() {
        let slots = timeline(&[5, 5, 5, 2].map(MediaTime));
        assert!(slots.windows(2).all(|w| w[0].dts < w[1].dts), "{slots:?}");
        assert!(slots.iter().all(|s| s.dts <= s.pts), "{slots:?}");
    }

    #[test]
    fn one_frame_lasts_a_moment_and_none_gives_nothing() {
        assert_eq!(timeline(&[MediaTime(7)]), [Slot { pts: 0, dts: 0, duration: LONE_FRAME_US }]);
        assert!(timeline(&[]).is_empty());
    }

    #[test]
    fn picture_data_is_found_behind_parameter_sets() {
        // VPS (32), SPS (33), then RASL_R (9); a start code of four bytes holds one of three.
        let unit = [0, 0, 0, 1, 64, 1, 0, 0, 1, 66, 1, 0, 0, 1, 18, 1, 0x80];
        assert_eq!(slice_type(&unit), Some(9));
        assert_eq!(slice_type(&[0, 0, 1]), None);
    }
}
