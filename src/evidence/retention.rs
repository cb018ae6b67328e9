//! Deletes old evidence; the severity of its event decides at what age.

use std::path::Path;

use uuid::Uuid;

use super::disk::{delete, events, severity};
use super::{EvidenceError, QuotaReport};
use crate::base::WallTime;
use crate::config::{KeepConfig, Severity};

/// Deletes the evidence of events that began too long before `now` for their severity, if `may_go` allows it.
/// Evidence that the platform does not have yet stays. Unknown severity counts as high.
///
/// # Errors
/// `root` cannot be read; one that does not exist is empty.
pub fn enforce_age(
    root: &Path,
    keep: &KeepConfig,
    now: WallTime,
    may_go: impl Fn(Uuid) -> bool,
) -> Result<QuotaReport, EvidenceError> {
    let mut report = QuotaReport::default();
    let limits = [Severity::Low, Severity::Medium, Severity::High].map(|severity| keep.of(severity));
    let Some(shortest) = limits.into_iter().flatten().min() else { return Ok(report) };
    for event in events(root, &mut report)? {
        let Some(began) = began(event.id) else { continue };
        let age = now.since(began);
        if age < shortest || keep.of(severity(&event.dir)).is_none_or(|limit| age < limit) {
            continue;
        }
        if may_go(event.id) {
            report.delivered_deleted += u64::from(delete(&event, &mut report));
        }
    }
    Ok(report)
}

/// When the event began: its id is a UUIDv7 of that time.
fn began(event: Uuid) -> Option<WallTime> {
    let (seconds, nanos) = event.get_timestamp()?.to_unix();
    Some(WallTime(i64::try_from(seconds).ok()? * 1_000_000 + i64::from(nanos / 1_000)))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;
    use crate::evidence::{EvidenceManifest, enforce_quota, event_dir, evidence_root, write_manifest};

    const DAY: Duration = Duration::from_secs(86_400);
    const FIRST_MS: u64 = 1_700_000_000_000;

    /// One event a day with its manifest and 100 bytes more, oldest first; `None`: no manifest.
    fn days(severities: &[Option<Severity>]) -> (tempfile::TempDir, Vec<Uuid>) {
        let place = tempfile::tempdir().expect("a folder");
        let make = |(day, severity): (usize, &Option<Severity>)| {
            let ms = FIRST_MS + day as u64 * 86_400_000;
            let id = uuid::Builder::from_unix_timestamp_millis(ms, &[7; 10]).into_uuid();
            let dir = event_dir(place.path(), id);
            fs::create_dir_all(&dir).expect("made");
            fs::write(dir.join("still.jpg"), [0; 100]).expect("written");
            if let Some(severity) = severity {
                let manifest = EvidenceManifest::new(id, "node-1", &"gate".into(), serde_json::Value::Null);
                write_manifest(&dir, &manifest.of_severity(*severity)).expect("written");
            }
            id
        };
        let ids = severities.iter().enumerate().map(make).collect();
        (place, ids)
    }

    fn left(place: &tempfile::TempDir, ids: &[Uuid]) -> Vec<bool> {
        ids.iter().map(|&id| event_dir(place.path(), id).exists()).collect()
    }

    fn after(days: u32) -> WallTime {
        WallTime(FIRST_MS as i64 * 1000) + DAY * days
    }

    #[test]
    fn each_severity_is_kept_for_its_own_time_and_what_is_unknown_longest() {
        use Severity::{High, Low, Medium};
        let (place, ids) = days(&[Some(High), Some(Low), None, Some(Medium), Some(Low)]);
        let keep = KeepConfig { low: 3 * DAY, medium: 10 * DAY, high: Duration::ZERO };
        let root = evidence_root(place.path());
        let report = enforce_age(&root, &keep, after(5), |_| true).expect("done");
        assert_eq!(left(&place, &ids), [true, false, true, true, true]);
        assert_eq!((report.delivered_deleted, report.undelivered_deleted), (1, 0));
        enforce_age(&root, &keep, after(400), |_| true).expect("done");
        assert_eq!(left(&place, &ids), [true, false, true, false, false]);
    }

    #[test]
    fn what_the_platform_does_not_have_yet_does_not_go_by_age() {
        let (place, ids) = days(&[Some(Severity::Low), Some(Severity::Low)]);
        let keep = KeepConfig { low: DAY, ..KeepConfig::default() };
        enforce_age(&evidence_root(place.path()), &keep, after(30), |id| id == ids[1]).expect("done");
        assert_eq!(left(&place, &ids), [true, false]);
    }

    #[test]
    fn without_limits_nothing_goes_by_age() {
        let (place, ids) = days(&[Some(Severity::Low)]);
        let keep = KeepConfig::default();
        enforce_age(&evidence_root(place.path()), &keep, after(4000), |_| true).expect("done");
        assert_eq!(left(&place, &ids), [true]);
    }

    #[test]
    fn a_crowded_disk_costs_low_severity_first() {
        let (place, ids) = days(&[Some(Severity::High), Some(Severity::Low), Some(Severity::Low)]);
        let root = evidence_root(place.path());
        let used = enforce_quota(&root, u64::MAX, 0, |_| true).expect("done").used_bytes;
        enforce_quota(&root, used - 1, 0, |_| true).expect("done");
        assert_eq!(left(&place, &ids), [true, false, true]);
    }
}
