//! The offset between a drone's clock and the video, and whether it is constant.

use std::fmt;

use crate::base::{MediaTime, WallTime};

/// The drone's clock at time 0 of the video.
#[derive(Clone, Debug, PartialEq)]
pub struct ClockFit {
    /// The median over all records.
    pub start: WallTime,
    /// Median deviation of single records from it, microseconds.
    pub spread_us: i64,
    /// Records with both times.
    pub pairs: usize,
    /// Jumps of the drone's clock against the video by more than a second: time in the video, size in
    /// microseconds.
    pub jumps: Vec<(MediaTime, i64)>,
}

/// A larger step is a set clock or a cut video, not jitter.
const JUMP_US: i64 = 1_000_000;
/// Jumps to keep.
const JUMPS: usize = 20;

impl ClockFit {
    /// The drone's clock at a time of the video.
    pub fn wall(&self, media: MediaTime) -> WallTime {
        WallTime(self.start.0.saturating_add(media.0))
    }
}

impl fmt::Display for ClockFit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spread = self.spread_us as f64 / 1e6;
        write!(f, "the drone's clock read {} at the video's beginning (+-{spread:.3} s)", self.start)?;
        for (at, by) in &self.jumps {
            let (at, by) = (at.0 as f64 / 1e6, *by as f64 / 1e6);
            write!(f, "; it jumps by {by:+.1} s at {at:.1} s: a cut in the video, or the clock was set")?;
        }
        Ok(())
    }
}

/// `pairs` in order of the video; `None` if there are none.
pub fn fit_clock(pairs: &[(MediaTime, WallTime)]) -> Option<ClockFit> {
    let offsets: Vec<i64> = pairs.iter().map(|(m, w)| w.0.saturating_sub(m.0)).collect();
    let start = median(offsets.clone())?;
    let spread_us = median(offsets.iter().map(|o| o.saturating_sub(start).saturating_abs()).collect())?;
    let mut jumps = Vec::new();
    let mut steady = offsets[0];
    for (offset, (media, _)) in offsets.iter().zip(pairs) {
        let by = offset.saturating_sub(steady);
        if by.saturating_abs() > JUMP_US {
            if jumps.len() < JUMPS {
                jumps.push((*media, by));
            }
            steady = *offset;
        }
    }
    Some(ClockFit { start: WallTime(start), spread_us, pairs: pairs.len(), jumps })
}

fn median(mut values: Vec<i64>) -> Option<i64> {
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable(middle).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_is_spread_and_a_cut_is_a_jump() {
        let pairs: Vec<_> = (0..100i64)
            .map(|i| {
                let jitter = if i % 2 == 0 { 4_000 } else { -4_000 };
                let cut = if i >= 90 { 60_000_000 } else { 0 };
                (MediaTime(i * 40_000), WallTime(1_000_000_000 + i * 40_000 + jitter + cut))
            })
            .collect();
        let fit = fit_clock(&pairs).expect("pairs");
        assert!((fit.start.0 - 1_000_000_000).abs() <= 4_000, "{fit}");
        assert!(fit.spread_us <= 8_000);
        assert_eq!(fit.jumps.len(), 1);
        assert_eq!(fit.jumps[0].0, MediaTime(90 * 40_000));
        assert!(fit_clock(&[]).is_none());
    }
}
