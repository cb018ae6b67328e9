//! Processor time, memory, threads and files of a process, from /proc (see proc(5)).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;

/// The stage that a thread of the node works for, by the start of the thread's name.
const STAGES: [(&str, &str); 10] = [
    ("io", "transport"),
    ("decode", "decode"),
    ("detect", "detect"),
    ("rules", "rules"),
    ("looks", "change"),
    ("places", "change"),
    ("lintel-clips", "evidence"),
    ("stills", "evidence"),
    ("evidence", "evidence"),
    ("http", "telemetry"),
];
/// Threads of no stage: main, signals, and short-lived ones such as those that mux clips.
const OTHER: &str = "other";
/// A process at one moment, or its use between two.
#[derive(Clone, Debug, Default)]
pub(crate) struct Usage {
    /// Processor time of all threads, with those that ended.
    pub total: Duration,
    /// Name and processor time by thread id.
    threads: BTreeMap<u32, (String, Duration)>,
    pub resident_bytes: u64,
    /// The most since the start.
    pub peak_bytes: u64,
    pub thread_count: u64,
    pub open_files: u64,
}

impl Usage {
    /// # Errors
    /// The process has ended, or this is not Linux.
    pub fn of(pid: u32) -> anyhow::Result<Self> {
        let dir = Path::new("/proc").join(pid.to_string());
        let gone = || format!("{}: the process has ended", dir.display());
        let stat = fs::read_to_string(dir.join("stat")).with_context(gone)?;
        // The name in brackets may hold anything; utime and stime are the 14th and 15th field.
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let ticks = |n: usize| fields.get(n).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
        let total = ticks_to_time(ticks(11) + ticks(12));

        let status = fs::read_to_string(dir.join("status")).with_context(gone)?;
        let number = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0)
        };
        let mut threads = BTreeMap::new();
        for entry in fs::read_dir(dir.join("task")).with_context(gone)? {
            let task = entry?.path();
            // A thread may end meanwhile.
            let (Ok(name), Ok(time)) =
                (fs::read_to_string(task.join("comm")), fs::read_to_string(task.join("schedstat")))
            else {
                continue;
            };
            let id = task.file_name().and_then(|n| n.to_str()?.parse().ok());
            let run_ns = time.split_whitespace().next().and_then(|ns| ns.parse().ok());
            if let (Some(id), Some(ns)) = (id, run_ns) {
                threads.insert(id, (name.trim_end().to_owned(), Duration::from_nanos(ns)));
            }
        }
        Ok(Self {
            total,
            threads,
            resident_bytes: number("VmRSS:") * 1024,
            peak_bytes: number("VmHWM:") * 1024,
            thread_count: number("Threads:"),
            open_files: fs::read_dir(dir.join("fd")).with_context(gone)?.count() as u64,
        })
    }

    /// Processor time since `before`; memory and threads as they are now.
    pub fn since(&self, before: &Self) -> Self {
        let used = |(id, (name, now)): (&u32, &(String, Duration))| {
            let old = before.threads.get(id).map_or(Duration::ZERO, |(_, time)| *time);
            (*id, (name.clone(), now.saturating_sub(old)))
        };
        Self {
            total: self.total.saturating_sub(before.total),
            threads: self.threads.iter().map(used).collect(),
            ..*self
        }
    }

    /// Processor time by stage. Time that no living thread accounts for is in `other`.
    pub fn by_stage(&self) -> BTreeMap<&'static str, Duration> {
        let mut stages: BTreeMap<&'static str, Duration> =
            STAGES.iter().map(|(_, stage)| (*stage, Duration::ZERO)).collect();
        for (name, time) in self.threads.values() {
            let stage = STAGES.iter().find(|(prefix, _)| name.starts_with(prefix)).map(|(_, stage)| *stage);
            *stages.entry(stage.unwrap_or(OTHER)).or_default() += *time;
        }
        let known: Duration = stages.values().sum();
        *stages.entry(OTHER).or_default() += self.total.saturating_sub(known);
        stages
    }
}

/// Processor time of everything on the machine since boot, without waiting for disks.
///
/// # Errors
/// This is not Linux.
pub(crate) fn machine_busy() -> anyhow::Result<Duration> {
    let stat = fs::read_to_string("/proc/stat").context("/proc/stat")?;
    let fields: Vec<u64> =
        stat.lines().next().unwrap_or("").split_whitespace().skip(1).filter_map(|f| f.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq, steal (proc_stat(5)); guest time is within user.
    let busy: u64 =
        fields.iter().take(7).enumerate().filter(|(i, _)| !matches!(i, 3 | 4)).map(|(_, t)| t).sum();
    Ok(ticks_to_time(busy))
}

/// The kernel counts processor time in ticks.
fn ticks_to_time(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_split_by_stage_and_keeps_that_of_ended_threads() {
        let thread = |name: &str, ms: u64| (name.to_owned(), Duration::from_millis(ms));
        let before = Usage {
            total: Duration::from_millis(100),
            threads: [(1, thread("lintel", 50)), (2, thread("decode-0", 30))].into(),
            ..Usage::default()
        };
        let after = Usage {
            total: Duration::from_millis(1_000),
            threads: [(2, thread("decode-0", 330)), (3, thread("decode-1", 100)), (4, thread("io", 200))]
                .into(),
            resident_bytes: 7,
            ..Usage::default()
        };
        let used = after.since(&before);
        let stages = used.by_stage();
        assert_eq!(stages["decode"], Duration::from_millis(400));
        assert_eq!(
            (stages["transport"], stages["other"]),
            (Duration::from_millis(200), Duration::from_millis(300))
        );
        assert_eq!((used.total, used.resident_bytes), (Duration::from_millis(900), 7));
    }

    #[test]
    fn this_process_has_threads_and_memory() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.thread_count >= 1 && usage.resident_bytes > 1 << 20, "{usage:?}");
        assert!(usage.peak_bytes >= usage.resident_bytes && !usage.threads.is_empty(), "{usage:?}");
    }
}
