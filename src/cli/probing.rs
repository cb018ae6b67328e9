//! Cameras probed at once, for `check` and `init`: each with its report and the key frames that it sent.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::base::TimeSource;
use crate::config::SourceConfig;
use crate::ingest::{self, EncodedFrame, IngestError, ProbeReport};

/// Cameras probed at the same time. More would measure this box and its network rather than the cameras.
const AT_ONCE: usize = 8;
/// Key frames kept of a camera: an older one is there if the newest is damaged.
const KEPT: usize = 3;

/// What a camera answered.
pub(super) struct Probed {
    pub report: Result<ProbeReport, IngestError>,
    /// The last ones, the newest first.
    pub key_frames: Vec<EncodedFrame>,
}

/// Starts a probe of each source, a few at a time. Must be called within a tokio runtime.
pub(super) fn start<'s>(
    sources: impl Iterator<Item = &'s SourceConfig>,
    timeout: Duration,
) -> Vec<JoinHandle<Probed>> {
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let begin = |source: &SourceConfig| {
        let (source, permits) = (source.clone(), Arc::clone(&permits));
        tokio::spawn(async move {
            // The semaphore is never closed, so this does not fail.
            let _permit = permits.acquire_owned().await;
            probe(&source, timeout).await
        })
    };
    sources.map(begin).collect()
}

async fn probe(source: &SourceConfig, timeout: Duration) -> Probed {
    let kept = Arc::new(Mutex::new(VecDeque::with_capacity(KEPT)));
    let sink = {
        let kept = Arc::clone(&kept);
        move |frame: EncodedFrame| {
            if frame.key {
                let mut kept = kept.lock();
                kept.truncate(KEPT - 1);
                kept.push_front(frame);
            }
        }
    };
    let report = ingest::probe_into(source, timeout, Arc::new(sink)).await;
    let key_frames = kept.lock().drain(..).collect();
    Probed { report, key_frames }
}

/// What was found of a camera, in lines for people.
pub(super) fn block(id: &str, report: &Result<ProbeReport, IngestError>) -> String {
    let report = match report {
        Ok(report) => report,
        Err(error) => return format!("{id}  FAILED: {error}\n"),
    };
    let or_unknown = |value: Option<String>| value.unwrap_or_else(|| "unknown".into());
    let mut text = format!(
        "{id}  {} {}x{}, {:.1} fps\n    key frames  {}, {}\n    clock       {}\n",
        or_unknown(report.codec.map(|c| format!("{c:?}"))),
        report.width,
        report.height,
        report.fps,
        or_unknown(report.key_interval_ms.map(|ms| format!("every {:.1} s", ms as f64 / 1000.0))),
        or_unknown(report.gop_frames.map(|n| format!("GOP of {n} frames"))),
        clock(report),
    );
    for advice in &report.advice {
        text += &format!("    advice      {advice}\n");
    }
    text
}

fn clock(report: &ProbeReport) -> String {
    let source = match report.time_source {
        Some(TimeSource::Rtcp) => "the camera's own (RTCP)",
        Some(TimeSource::Telemetry) => "the drone's own (KLV)",
        Some(TimeSource::Arrival) => "the node's, at arrival: the camera sends no usable time",
        Some(TimeSource::Footage) => "the recording's",
        None => "unknown",
    };
    let offset = report.offset_ms.map(|ms| format!(", {:+.3} s to this node", ms as f64 / 1000.0));
    format!("{source}{}", offset.unwrap_or_default())
}
