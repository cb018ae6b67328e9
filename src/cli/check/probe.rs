//! `lintel check --probe`: opens what the config names on the network and says what it is.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::Semaphore;

use crate::base::TimeSource;
use crate::config::Config;
use crate::ingest::{self, IngestError, ProbeReport};
use crate::publish::{self, BrokerReport};

/// More at once would measure this box and its network, not the cameras.
const AT_ONCE: usize = 8;

/// Prints a block for each camera and the broker; false if one of them failed.
pub(super) fn run(config: &Config, timeout: Duration, out: &mut impl Write) -> anyhow::Result<bool> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start the network threads")?;
    runtime.block_on(async {
        let turn = Arc::new(Semaphore::new(AT_ONCE));
        let mqtt = config.mqtt.clone();
        let broker = tokio::spawn(async move { publish::probe(&mqtt, timeout).await });
        let cameras: Vec<_> = config
            .cameras
            .iter()
            .map(|camera| {
                let (source, turn) = (camera.source.clone(), Arc::clone(&turn));
                let probing = async move {
                    // The semaphore is never closed, so this waits and does not fail.
                    let _turn = turn.acquire_owned().await;
                    ingest::probe(&source, timeout).await
                };
                (camera.id.clone(), tokio::spawn(probing))
            })
            .collect();
        let mut all_well = true;
        for (id, probing) in cameras {
            let report = probing.await.with_context(|| format!("the probe of {id} broke off"))?;
            all_well &= report.is_ok();
            write!(out, "{}", camera(id.as_str(), report))?;
            out.flush()?;
        }
        let report = broker.await.context("the probe of the broker broke off")?;
        all_well &= report.is_ok();
        let place = format!("{}:{}", config.mqtt.host, config.mqtt.port);
        match report {
            Ok(report) => write!(out, "{}", broker_block(&place, &report))?,
            Err(error) => writeln!(out, "broker   FAILED: {error}")?,
        }
        Ok(all_well)
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
    let whose = match report.time_source {
        Some(TimeSource::Rtcp) => "the camera's own (RTCP)",
        Some(TimeSource::Telemetry) => "the drone's own (KLV)",
        Some(TimeSource::Arrival) => "the node's, at arrival: the camera sends no time that can be used",
        Some(TimeSource::Footage) => "the recording's",
        None => "unknown",
    };
    let offset = report.offset_ms.map(|ms| format!(", {:+.3} s to this node", ms as f64 / 1000.0));
    format!("{whose}{}", offset.unwrap_or_default())
}

fn broker_block(place: &str, report: &BrokerReport) -> String {
    let number = |n: Option<u32>| n.map_or_else(|| "no limit".into(), |n| n.to_string());
    let mut text = format!(
        "broker   {place}, {}\n    largest packet    {}\n    unacknowledged    {}\n    keeps states      {}\n",
        if report.tls { "TLS" } else { "no TLS" },
        number(report.max_packet_bytes),
        number(report.receive_maximum.map(u32::from)),
        if report.retain_available { "yes" } else { "no" },
    );
    for advice in &report.advice {
        text += &format!("    advice            {advice}\n");
    }
    text
}
