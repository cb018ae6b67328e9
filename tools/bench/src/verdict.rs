//! The verdict on a soak: did memory and threads stay flat, and did every camera come back?

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use crate::soak_sample::SoakSample;

/// Growth below this counts as flat.
const FLAT_MB_PER_HOUR: f64 = 1.0;
/// Length of the windows whose least RSS counts. Each is long enough to hold a moment without load.
const WINDOW_S: f64 = 300.0;

#[derive(Debug, Serialize)]
pub(crate) struct Verdict {
    pub cameras: u32,
    pub minutes: f64,
    pub restarts: u64,
    pub missed: u64,
    /// Slope of the least RSS of each window after the warm-up, by least squares, with its standard error.
    /// Decoders of moving scenes, clips and queued pictures come and go and make memory swing by a tenth. A
    /// leak raises the floor that remains without them.
    pub floor_mb_per_hour: f64,
    pub floor_error: f64,
    /// Slope of RSS itself, with the swing.
    pub slope_mb_per_hour: f64,
    pub slope_error: f64,
    pub rss_mb: [f64; 2],
    pub threads: [u64; 2],
    pub open_files: [u64; 2],
    pub good: bool,
}

impl Verdict {
    pub fn of(rows: &[SoakSample], warm_up: Duration) -> Self {
        let settled: Vec<SoakSample> =
            rows.iter().copied().filter(|r| r.seconds >= warm_up.as_secs_f64()).collect();
        let (first, last) =
            (settled.first().copied().unwrap_or_default(), rows.last().copied().unwrap_or_default());
        let points: Vec<(f64, f64)> = settled.iter().map(|r| (r.seconds / 3600.0, r.rss_mb)).collect();
        let (slope, slope_error) = slope(&points);
        let (floor, floor_error) = self::slope(&floors(&settled));
        // Threads that mux clips are short-lived, so single rows may show more: the median counts.
        let threads = [median(settled.iter().take(30)), median(settled.iter().rev().take(30))];
        Self {
            cameras: u32::try_from(last.streaming).unwrap_or(0),
            minutes: last.seconds / 60.0,
            restarts: last.restarts,
            missed: last.missed,
            floor_mb_per_hour: floor,
            floor_error,
            slope_mb_per_hour: slope,
            slope_error,
            rss_mb: [first.rss_mb, last.rss_mb],
            threads,
            open_files: [first.open_files, last.open_files],
            good: floor < FLAT_MB_PER_HOUR && threads[1] <= threads[0] && last.missed == 0,
        }
    }

    pub fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = writeln!(
            out,
            "{} cameras for {:.0} minutes: {} restarts, {} missed\nRSS {:.1} -> {:.1} MB; after the warm-up the least of each {} \
             minutes {:+.2} +- {:.2} MB/h (flat is under {FLAT_MB_PER_HOUR}), all of it {:+.2} +- {:.2}\nthreads {} -> {}, open \
             files {} -> {}\n{}",
            self.cameras,
            self.minutes,
            self.restarts,
            self.missed,
            self.rss_mb[0],
            self.rss_mb[1],
            WINDOW_S / 60.0,
            self.floor_mb_per_hour,
            self.floor_error,
            self.slope_mb_per_hour,
            self.slope_error,
            self.threads[0],
            self.threads[1],
            self.open_files[0],
            self.open_files[1],
            if self.good { "good" } else { "NOT GOOD" }
        );
        out
    }
}

fn median<'a>(rows: impl Iterator<Item = &'a SoakSample>) -> u64 {
    let mut threads: Vec<u64> = rows.map(|r| r.threads).collect();
    threads.sort_unstable();
    threads.get(threads.len() / 2).copied().unwrap_or(0)
}

/// Time in hours and least RSS in MB of each complete window.
fn floors(settled: &[SoakSample]) -> Vec<(f64, f64)> {
    let Some(first) = settled.first() else { return Vec::new() };
    let windows = settled.chunk_by(|a, b| {
        let of = |row: &SoakSample| ((row.seconds - first.seconds) / WINDOW_S).floor();
        of(a) == of(b)
    });
    let whole =
        windows.filter(|w| w.last().map_or(0.0, |last| last.seconds) - w[0].seconds >= 0.9 * WINDOW_S);
    whole.map(|w| (w[0].seconds / 3600.0, w.iter().map(|r| r.rss_mb).fold(f64::INFINITY, f64::min))).collect()
}

/// Slope of the least-squares line and its standard error; zeros for fewer than three points.
fn slope(points: &[(f64, f64)]) -> (f64, f64) {
    let n = points.len() as f64;
    if points.len() < 3 {
        return (0.0, 0.0);
    }
    let (mx, my) = (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
    let xx: f64 = points.iter().map(|p| (p.0 - mx).powi(2)).sum();
    let xy: f64 = points.iter().map(|p| (p.0 - mx) * (p.1 - my)).sum();
    let slope = xy / xx;
    let rest: f64 = points.iter().map(|p| (p.1 - my - slope * (p.0 - mx)).powi(2)).sum();
    (slope, (rest / (n - 2.0) / xx).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(minutes: u64, rss_mb: impl Fn(f64) -> f64) -> Vec<SoakSample> {
        let row = |i: u64| {
            let hours = i as f64 / 360.0;
            SoakSample {
                seconds: hours * 3600.0,
                rss_mb: rss_mb(hours),
                threads: 10,
                streaming: 32,
                ..SoakSample::default()
            }
        };
        (0..minutes * 6).map(row).collect()
    }

    #[test]
    fn only_growth_after_the_warm_up_counts() {
        let filling = |hours: f64| 100.0 + 50.0 * (hours * 6.0).min(1.0);
        let verdict = Verdict::of(&rows(60, filling), Duration::from_secs(600));
        assert!(verdict.floor_mb_per_hour.abs() < 1e-9 && verdict.good, "{verdict:?}");
        let leaking = |hours: f64| filling(hours) + 1.5 * hours;
        let verdict = Verdict::of(&rows(60, leaking), Duration::from_secs(600));
        assert!((verdict.floor_mb_per_hour - 1.5).abs() < 1e-6 && !verdict.good, "{verdict:?}");
    }

    #[test]
    fn a_swing_is_no_growth_and_does_not_hide_growth() {
        // Twelve rows without a decoder's 36 MB, then six or more with it; more of them towards the end.
        let swinging = |leak: f64| {
            let mut rows = rows(60, |hours| 100.0 + leak * hours);
            let busy = rows.iter_mut().enumerate().filter(|(i, _)| i % 18 < 6 + i / 60);
            busy.for_each(|(_, row)| row.rss_mb += 36.0);
            Verdict::of(&rows, Duration::from_secs(600))
        };
        let flat = swinging(0.0);
        assert!(flat.slope_mb_per_hour > 1.0, "{flat:?}");
        assert!(flat.floor_mb_per_hour.abs() < 1e-6 && flat.good, "{flat:?}");
        let leaking = swinging(1.5);
        assert!((leaking.floor_mb_per_hour - 1.5).abs() < 0.1 && !leaking.good, "{leaking:?}");
    }

    #[test]
    fn a_missed_camera_or_an_extra_thread_is_not_good() {
        let mut more = rows(60, |_| 100.0);
        more.iter_mut().rev().take(60).for_each(|r| r.threads = 11);
        assert!(!Verdict::of(&more, Duration::ZERO).good);
        let mut missed = rows(60, |_| 100.0);
        missed.last_mut().unwrap().missed = 1;
        assert!(!Verdict::of(&missed, Duration::ZERO).good);
    }
}
