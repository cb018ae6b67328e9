//! The line of capture times over the media times of one connection. It is continuous and never falls. It
//! differs from the pace of the stream by no more than the slew.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

/// Number of newest points that are kept. B-frames lie between them.
const KNOTS: usize = 32;
/// The slew is at most this part of the elapsed time: 50 ms a second.
const SLEW: i64 = 20;

/// How far a clock with this error moves towards its target in `us` microseconds.
pub(super) fn slewed(error_us: i64, us: i64) -> i64 {
    let most = us.max(0) / SLEW;
    error_us.clamp(-most, most)
}

/// All in microseconds.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// Media time and capture time of the newest frames, both rising.
    knots: VecDeque<(i64, i64)>,
    /// The last capture time of the previous connections.
    floor: Option<i64>,
}

impl Line {
    /// Begins a connection at `pts`, not before the end of the previous ones.
    pub fn begin(&mut self, pts: i64, at: i64) {
        self.knots.clear();
        self.knots.push_back((pts, at.max(self.floor.unwrap_or(at))));
    }

    /// Ends the connection.
    pub fn end(&mut self) {
        self.floor = self.knots.back().map(|knot| knot.1).max(self.floor);
        self.knots.clear();
    }

    /// Forgets the previous connections: the next one may begin earlier.
    pub fn break_off(&mut self) {
        *self = Self::default();
    }

    /// Continues to `pts`, slewing towards `pts + wanted` but staying `within` its limits. False if the
    /// limits changed the result.
    pub fn advance(&mut self, pts: i64, wanted: i64, within: RangeInclusive<i64>) -> bool {
        let Some(&(last_pts, last_at)) = self.knots.back() else { return true };
        let step = pts.saturating_sub(last_pts);
        if step <= 0 {
            return true;
        }
        let even = last_at.saturating_add(step);
        let free = even.saturating_add(slewed(pts.saturating_add(wanted).saturating_sub(even), step));
        let at = free.max(*within.start()).min(*within.end()).max(last_at);
        if self.knots.len() == KNOTS {
            self.knots.pop_front();
        }
        self.knots.push_back((pts, at));
        at == free
    }

    /// Capture time at a media time of this connection, even beyond the newest frame. `None` before the first
    /// frame.
    pub fn at(&self, pts: i64) -> Option<i64> {
        let (first, last) = (self.knots.front()?, self.knots.back()?);
        let after = self.knots.partition_point(|knot| knot.0 <= pts);
        let at = if after == 0 {
            first.1.saturating_sub(first.0.saturating_sub(pts))
        } else if after == self.knots.len() {
            last.1.saturating_add(pts.saturating_sub(last.0))
        } else {
            let (a, b) = (self.knots[after - 1], self.knots[after]);
            let [from, to, early, late] = [a.0, b.0, a.1, b.1].map(i128::from);
            let share = (i128::from(pts) - from) * (late - early) / (to - from).max(1);
            a.1.saturating_add(i64::try_from(share).unwrap_or(0))
        };
        Some(at.max(self.floor.unwrap_or(at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANYWHERE: RangeInclusive<i64> = i64::MIN..=i64::MAX;

    #[test]
    fn the_line_slews_to_its_target_and_b_frames_lie_on_it() {
        let mut line = Line::default();
        line.begin(0, 1_000);
        assert!(line.advance(100_000, 21_000, ANYWHERE));
        assert_eq!(line.at(100_000), Some(106_000), "5 ms in 100");
        assert_eq!(line.at(50_000), Some(53_500), "in between");
        line.advance(500_000, 21_000, ANYWHERE);
        assert_eq!(line.at(500_000), Some(521_000), "there");
        assert_eq!((line.at(600_000), line.at(-100)), (Some(621_000), Some(900)));
    }

    #[test]
    fn the_next_connection_does_not_begin_before_the_end_of_the_last() {
        let mut line = Line::default();
        line.begin(0, 1_000);
        line.end();
        line.begin(77, 500);
        assert_eq!((line.at(77), line.at(10)), (Some(1_000), Some(1_000)));
        line.break_off();
        line.begin(77, 500);
        assert_eq!(line.at(77), Some(500));
    }
}
