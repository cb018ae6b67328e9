//! `lintel check --probe`: connects to the cameras and the broker and reports what it finds.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::Semaphore;

use crate::base::{TimeSource, error_chain};
use crate::config::Config;
use crate::ingest::{self, IngestError, ProbeReport};
use crate::publish::{self, BrokerReport};

/// Cameras probed at the same time. More would measure this box and its network rather than the cameras.
const AT_ONCE: usize = 8;

/// Prints a block for each camera and the broker. False if one of them failed.
pub(super) fn run(config: &Config, timeout: Duration, out: &mut impl Write) -> anyhow::Result<bool> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start the network threads")?;
    runtime.block_on(async {
        let permits = Arc::new(Semaphore::new(AT_ONCE));
        let (mqtt, node) = (config.mqtt.clone(), config.node.id.clone());
        let broker = tokio::spawn(async move { publish::probe(&mqtt, &node, timeout).await });
        let cameras: Vec<_> = config
            .cameras
            .iter()
            .map(|camera| {
                let (source, permits) = (camera.source.clone(), Arc::clone(&permits));
                let probing = async move {
                    // The semaphore is never closed, so this does not fail.
                    let _permit = permits.acquire_owned().await;
                    ingest::probe(&source, timeout).await
                };
                (camera.id.clone(), tokio::spawn(probing))
            })
            .collect();
        let mut all_good = true;
        for (id, probing) in cameras {
            let report = probing.await.with_context(|| format!("the probe of {id} failed"))?;
            all_good &= report.is_ok();
            write!(out, "{}", camera(id.as_str(), report))?;
            out.flush()?;
        }
        let report = broker.await.context("the probe of the broker failed")?;
        all_good &= report.is_ok();
        let place = format!("{}:{}", config.mqtt.host, config.mqtt.port);
        match report {
            Ok(report) => write!(out, "{}", broker_block(&place, &report))?,
            Err(error) => writeln!(out, "broker   FAILED: {}", error_chain(&error))?,
        }
        Ok(all_good)
    })
}

fn camera(id: &str, report: Result<ProbeReport, IngestError>) -> String {
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
        clock(&report),
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

fn broker_block(place: &str, report: &BrokerReport) -> String {
    let yes = |is: bool| if is { "yes" } else { "no" };
    let number = |n: Option<u32>| n.map_or_else(|| "no limit".into(), |n| n.to_string());
    let mut text = format!(
        "broker   {place}, {}\n    largest packet    {}\n    unacknowledged    {}\n    keeps states      {}\n    acknowledges      {}\n",
        if report.tls { "TLS" } else { "no TLS" },
        number(report.max_packet_bytes),
        number(report.receive_maximum.map(u32::from)),
        yes(report.retain_available),
        yes(report.acknowledges),
    );
    for advice in &report.advice {
        text += &format!("    advice            {advice}\n");
    }
    text
}
