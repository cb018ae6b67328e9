//! Opens a source once and reports its properties, with advice.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::camera::{LiveSource, connect};
use super::intake::Intake;
use super::{Codec, EncodedFrame, FrameSink, IngestError, IngestSnapshot, IngestStats, open_file};
use crate::base::{Shutdown, TimeSource, WallTime, monotonic};
use crate::config::{SourceConfig, Transport};

/// Properties of a source.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct ProbeReport {
    pub codec: Option<Codec>,
    pub width: u32,
    pub height: u32,
    pub fps: f64,
    pub gop_frames: Option<u32>,
    pub key_interval_ms: Option<u64>,
    pub time_source: Option<TimeSource>,
    /// Camera clock minus node clock.
    pub offset_ms: Option<i64>,
    /// Changes for the operator to make; empty if all is well.
    pub advice: Vec<String>,
}

/// Cameras that follow RFC 3550, and GStreamer, send their first report within about 5 s.
const REPORT_PATIENCE: Duration = Duration::from_secs(6);
const POLL: Duration = Duration::from_millis(50);

/// Reads the source until two key frame intervals and its clock are known, for at most `timeout`.
///
/// # Errors
/// The source cannot be opened, or delivers nothing decodable within `timeout`.
pub async fn probe(source: &SourceConfig, timeout: Duration) -> Result<ProbeReport, IngestError> {
    probe_into(source, timeout, Arc::new(|_: EncodedFrame| {})).await
}

/// As [`probe`]; the frames that it reads go to `sink`. After a second attempt by another client these begin
/// anew.
///
/// # Errors
/// As [`probe`].
pub async fn probe_into(
    source: &SourceConfig,
    timeout: Duration,
    sink: Arc<dyn FrameSink>,
) -> Result<ProbeReport, IngestError> {
    match source {
        SourceConfig::Rtsp(rtsp) => camera(LiveSource::Rtsp(rtsp.clone()), timeout, &sink).await,
        SourceConfig::Udp(udp) => camera(LiveSource::Udp(udp.clone(), None), timeout, &sink).await,
        SourceConfig::File(file) => {
            let path = file.path.clone();
            tokio::task::spawn_blocking(move || recording(&path, &*sink))
                .await
                .map_err(super::pipeline::gstreamer_error)?
        }
    }
}

async fn camera(
    live: LiveSource,
    timeout: Duration,
    sink: &Arc<dyn FrameSink>,
) -> Result<ProbeReport, IngestError> {
    let mut ways = live.ways();
    let first = ways.next(monotonic());
    let failed = match by_way(&live, first, timeout, sink).await {
        Ok(report) => return Ok(report),
        Err(error) => error,
    };
    let Some(other) = ways.failed(&failed, Duration::ZERO, monotonic()) else { return Err(failed) };
    let Ok(mut report) = by_way(&live, other, timeout, sink).await else { return Err(failed) };
    report.advice.push(format!(
        "only {other} can speak to this camera, which costs more; {first} says: {failed}; update the camera's firmware"
    ));
    Ok(report)
}

async fn by_way(
    live: &LiveSource,
    way: Transport,
    timeout: Duration,
    sink: &Arc<dyn FrameSink>,
) -> Result<ProbeReport, IngestError> {
    let stats = Arc::new(IngestStats::default());
    let shutdown = Shutdown::new();
    let mut intake = Intake::new("probe".into(), sink.clone(), stats.clone());
    let began = monotonic();
    let mut first_frame = None;
    let watching = async {
        loop {
            tokio::time::sleep(POLL).await;
            let seen = stats.snapshot();
            if seen.frames > 0 && first_frame.is_none() {
                first_frame = Some(monotonic());
            }
            let clock = seen.offset_ms.is_some()
                || first_frame.is_some_and(|t| t.elapsed() >= REPORT_PATIENCE.min(timeout));
            if (seen.key_frames >= 3 && clock) || began.elapsed() >= timeout {
                shutdown.stop();
                return;
            }
        }
    };
    let (result, ()) = {
        let both = async {
            let connected = connect(live, way, &mut intake, &shutdown).await;
            shutdown.stop();
            connected
        };
        tokio::join!(both, async {
            tokio::select! {
                () = watching => {}
                () = shutdown.cancelled() => {}
            }
        })
    };
    let seen = stats.snapshot();
    if seen.frames == 0 {
        result?;
        let address = live.address();
        return Err(if seen.skipped_frames > 0 {
            IngestError::Protocol {
                address,
                what: format!(
                    "sent no key frame within {} s; shorten its key frame interval",
                    timeout.as_secs()
                ),
            }
        } else {
            IngestError::Timeout { address, after: timeout }
        });
    }
    let watched = first_frame.map_or(Duration::ZERO, |t| t.elapsed());
    let fps = if watched.is_zero() { 0.0 } else { seen.frames as f64 / watched.as_secs_f64() };
    let mut report = report(&seen, fps);
    if let Err(error) = result {
        report.advice.push(format!("the stream broke off during the probe: {error}"));
    }
    if seen.time_source == Some(TimeSource::Arrival) && seen.offset_ms.is_none() {
        report.advice.push(
            "the camera sends no RTCP sender reports: events carry the arrival time; enable RTCP if it can"
                .into(),
        );
    }
    Ok(report)
}

/// The first frames of a recording: three key frames or 1,000 frames.
fn recording(path: &Path, sink: &dyn FrameSink) -> Result<ProbeReport, IngestError> {
    let mut reader = open_file(path, "probe".into(), WallTime(0))?;
    let stats = reader.stats().clone();
    let (mut frames, mut latest) = (0u32, 0i64);
    for frame in reader.by_ref().take(1000) {
        let frame = frame?;
        (frames, latest) = (frames + 1, latest.max(frame.pts.0));
        sink.frame(frame);
        if stats.snapshot().key_frames >= 3 {
            break;
        }
    }
    let fps = if latest > 0 { f64::from(frames.saturating_sub(1)) * 1e6 / latest as f64 } else { 0.0 };
    Ok(report(&stats.snapshot(), fps))
}

fn report(seen: &IngestSnapshot, fps: f64) -> ProbeReport {
    ProbeReport {
        codec: seen.codec,
        width: seen.width,
        height: seen.height,
        fps: (fps * 10.0).round() / 10.0,
        gop_frames: seen.gop_frames,
        key_interval_ms: seen.key_interval_ms,
        time_source: seen.time_source,
        offset_ms: seen.offset_ms,
        advice: advice(seen),
    }
}

fn advice(seen: &IngestSnapshot) -> Vec<String> {
    let mut advice = Vec::new();
    match seen.key_interval_ms {
        None => advice.push(
            "no second key frame arrived: switch the smart codec (H.264+, H.265+, Smart Coding) off and set the key frame interval to 2 s".into(),
        ),
        Some(ms) if ms > 4500 => advice.push(format!(
            "key frames are {:.1} s apart: samples are as rare, and clips begin as early; switch the smart codec off or set the key frame interval to 2 to 4 s",
            ms as f64 / 1000.0
        )),
        Some(ms) if ms < 500 => advice.push(format!(
            "key frames are only {ms} ms apart, which costs bandwidth and memory; an interval of 2 s is enough"
        )),
        Some(_) => {}
    }
    if let Some(ms) = seen.offset_ms.filter(|ms| ms.unsigned_abs() > 2000) {
        advice.push(format!(
            "the camera's clock is {:.1} s {} the node's: set NTP on both, and UTC as the camera's RTCP time",
            ms.unsigned_abs() as f64 / 1000.0,
            if ms > 0 { "ahead of" } else { "behind" }
        ));
    }
    if seen.lost_packets > 0 {
        advice.push(format!("{} RTP packets were lost: try transport = \"tcp\"", seen.lost_packets));
    }
    if seen.repaired_timestamps > 0 {
        advice.push("the camera's RTP timestamps stand still or jump; update its firmware".into());
    }
    advice
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_names_the_smart_codec_and_the_clock() {
        let seen = IngestSnapshot {
            key_interval_ms: Some(12_000),
            offset_ms: Some(-28_800_000),
            ..IngestSnapshot::default()
        };
        let advice = advice(&seen).join("\n");
        assert!(advice.contains("12.0 s apart") && advice.contains("28800.0 s behind"), "{advice}");
    }

    #[test]
    fn a_usual_camera_needs_no_advice() {
        let seen = IngestSnapshot { key_interval_ms: Some(2000), offset_ms: Some(-40), ..Default::default() };
        assert_eq!(advice(&seen), Vec::<String>::new());
    }
}
