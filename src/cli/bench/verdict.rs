//! What a soak's rows say: did memory and threads stay, did every camera come back.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::soak::Row;

/// The slope that still counts as flat.
const FLAT_MB_PER_HOUR: f64 = 1.0;

#[derive(Debug, Serialize)]
pub(super) struct Verdict {
    pub cameras: u32,
    pub minutes: f64,
    pub restarts: u64,
    pub missed: u64,
    /// Of RSS at an equal number of open files, by least squares over the rows after the warm-up, with its standard error.
    /// Each decoder that a moving scene is given opens some files (its bus and clock) and takes some megabytes while it
    /// lives; both come and go together, so the files take most of the swing out of memory.
    pub slope_mb_per_hour: f64,
    pub slope_error: f64,
    /// Of RSS as it is, swing and all.
    pub plain_slope_mb_per_hour: f64,
    pub plain_slope_error: f64,
    pub rss_mb: [f64; 2],
    pub threads: [u64; 2],
    pub open_files: [u64; 2],
    pub good: bool,
}

impl Verdict {
    pub fn of(rows: &[Row], warm_up: Duration) -> Self {
        let settled: Vec<Row> = rows.iter().copied().filter(|r| r.seconds >= warm_up.as_secs_f64()).collect();
        let (first, last) =
            (settled.first().copied().unwrap_or_default(), rows.last().copied().unwrap_or_default());
        let column = |value: fn(&Row) -> f64| settled.iter().map(value).collect::<Vec<f64>>();
        let (hours, rss) = (column(|r| r.seconds / 3600.0), column(|r| r.rss_mb));
        let files = column(|r| r.open_files as f64);
        let (plain_slope, plain_error) = slope(&hours, &rss);
        // The slope of what the files do not explain over the time that they do not explain is that of the joint fit.
        let (slope, error) = slope(&unexplained(&files, &hours), &unexplained(&files, &rss));
        // Clips are muxed by threads that live for a moment, so single rows may show more.
        let threads = [median(settled.iter().take(30)), median(settled.iter().rev().take(30))];
        Self {
            cameras: u32::try_from(last.streaming).unwrap_or(0),
            minutes: last.seconds / 60.0,
            restarts: last.restarts,
            missed: last.missed,
            slope_mb_per_hour: slope,
            slope_error: error,
            plain_slope_mb_per_hour: plain_slope,
            plain_slope_error: plain_error,
            rss_mb: [first.rss_mb, last.rss_mb],
            threads,
            open_files: [first.open_files, last.open_files],
            good: slope < FLAT_MB_PER_HOUR && threads[1] <= threads[0] && last.missed == 0,
        }
    }

    pub fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = writeln!(
            out,
            "{} cameras for {:.0} minutes: {} restarts, {} missed\nRSS {:.1} -> {:.1} MB; after the warm-up {:+.2} +- {:.2} MB/h \
             at equal open files (flat is under {FLAT_MB_PER_HOUR}), {:+.2} +- {:.2} as it is\nthreads {} -> {}, open files \
             {} -> {}\n{}",
            self.cameras,
            self.minutes,
            self.restarts,
            self.missed,
            self.rss_mb[0],
            self.rss_mb[1],
            self.slope_mb_per_hour,
            self.slope_error,
            self.plain_slope_mb_per_hour,
            self.plain_slope_error,
            self.threads[0],
            self.threads[1],
            self.open_files[0],
            self.open_files[1],
            if self.good { "good" } else { "NOT GOOD" }
        );
        out
    }
}

fn median<'a>(rows: impl Iterator<Item = &'a Row>) -> u64 {
    let mut threads: Vec<u64> = rows.map(|r| r.threads).collect();
    threads.sort_unstable();
    threads.get(threads.len() / 2).copied().unwrap_or(0)
}

/// Slope of the least-squares line of `y` over `x`; 0 where there is none.
fn steepness(x: &[f64], y: &[f64]) -> f64 {
    let (mx, my) = (mean(x), mean(y));
    let xx: f64 = x.iter().map(|x| (x - mx).powi(2)).sum();
    let xy: f64 = x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum();
    if xx > 0.0 { xy / xx } else { 0.0 }
}

/// What is left of `y` when the line over `x` is taken off.
fn unexplained(x: &[f64], y: &[f64]) -> Vec<f64> {
    let (slope, mx, my) = (steepness(x, y), mean(x), mean(y));
    x.iter().zip(y).map(|(x, y)| y - my - slope * (x - mx)).collect()
}

/// Slope and its standard error, widened for rows that resemble the rows before them: the correlations of what is left are
/// added up to the first that is not positive.
fn slope(x: &[f64], y: &[f64]) -> (f64, f64) {
    let (n, mx) = (x.len() as f64, mean(x));
    let rest = unexplained(x, y);
    let squares: f64 = rest.iter().map(|r| r * r).sum();
    if x.len() < 4 || squares == 0.0 {
        return (steepness(x, y), 0.0);
    }
    let alike = (1..rest.len() / 4)
        .map(|lag| rest.iter().zip(&rest[lag..]).map(|(a, b)| a * b).sum::<f64>() / squares)
        .take_while(|correlation| *correlation > 0.0)
        .sum::<f64>();
    let xx: f64 = x.iter().map(|x| (x - mx).powi(2)).sum();
    (steepness(x, y), (squares / (n - 2.0) / xx * (1.0 + 2.0 * alike)).sqrt())
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(minutes: u64, rss_mb: impl Fn(f64) -> f64) -> Vec<Row> {
        let row = |i: u64| {
            let hours = i as f64 / 360.0;
            Row {
                seconds: hours * 3600.0,
                rss_mb: rss_mb(hours),
                threads: 10,
                streaming: 32,
                ..Row::default()
            }
        };
        (0..minutes * 6).map(row).collect()
    }

    #[test]
    fn growth_after_the_warm_up_is_found_and_growth_before_is_not() {
        let filling = |hours: f64| 100.0 + 50.0 * (hours * 6.0).min(1.0);
        let verdict = Verdict::of(&rows(60, filling), Duration::from_secs(600));
        assert!(verdict.slope_mb_per_hour.abs() < 1e-9 && verdict.good, "{verdict:?}");
        let leaking = |hours: f64| filling(hours) + 1.5 * hours;
        let verdict = Verdict::of(&rows(60, leaking), Duration::from_secs(600));
        assert!((verdict.slope_mb_per_hour - 1.5).abs() < 1e-6 && !verdict.good, "{verdict:?}");
    }

    #[test]
    fn decoders_that_come_and_go_are_not_growth_and_do_not_hide_it() {
        // Six rows with, then twelve without four decoders; more of them towards the end.
        let swinging = |leak: f64| {
            let mut rows = rows(60, |hours| 100.0 + leak * hours);
            for (i, row) in rows.iter_mut().enumerate() {
                let decoders = if i % 18 < 6 + i / 60 { 4 } else { 0 };
                row.open_files = 60 + 3 * decoders;
                row.rss_mb += 9.0 * decoders as f64;
            }
            Verdict::of(&rows, Duration::from_secs(600))
        };
        let flat = swinging(0.0);
        assert!(flat.plain_slope_mb_per_hour > 1.0, "{flat:?}");
        assert!(flat.slope_mb_per_hour.abs() < 1e-6 && flat.good, "{flat:?}");
        let leaking = swinging(1.5);
        assert!((leaking.slope_mb_per_hour - 1.5).abs() < 1e-6 && !leaking.good, "{leaking:?}");
    }

    #[test]
    fn a_missed_camera_or_a_thread_too_many_is_not_good() {
        let mut more = rows(60, |_| 100.0);
        more.iter_mut().rev().take(60).for_each(|r| r.threads = 11);
        assert!(!Verdict::of(&more, Duration::ZERO).good);
        let mut missed = rows(60, |_| 100.0);
        missed.last_mut().unwrap().missed = 1;
        assert!(!Verdict::of(&missed, Duration::ZERO).good);
    }
}
