//! `lintel check --probe`: connects to the cameras and the broker and reports what it finds.

use std::io::Write;
use std::time::Duration;

use anyhow::Context as _;

use crate::base::error_chain;
use crate::cli::probing;
use crate::cli::stills::StillFolder;
use crate::config::Config;
use crate::publish::{self, BrokerReport};

/// Prints a block for each camera and the broker, and keeps a still of each camera if there is a folder for
/// them. False if one of them failed.
pub(super) fn run(
    config: &Config,
    timeout: Duration,
    mut stills: Option<StillFolder>,
    out: &mut impl Write,
) -> anyhow::Result<bool> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start the network threads")?;
    runtime.block_on(async {
        let (mqtt, node) = (config.mqtt.clone(), config.node.id.clone());
        let broker = tokio::spawn(async move { publish::probe(&mqtt, &node, timeout).await });
        let probes = probing::start(config.cameras.iter().map(|camera| &camera.source), timeout);
        let mut all_good = true;
        for (camera, probing) in config.cameras.iter().zip(probes) {
            let probed = probing.await.with_context(|| format!("the probe of {} failed", camera.id))?;
            all_good &= probed.report.is_ok();
            write!(out, "{}", probing::block(camera.id.as_str(), &probed.report))?;
            if let (Some(stills), Ok(_)) = (&mut stills, &probed.report) {
                let kept = stills.keep(camera.id.as_str(), &probed.key_frames);
                all_good &= kept.is_ok();
                match kept {
                    Ok(kept) => writeln!(out, "    still       {}", kept.picture.display())?,
                    Err(error) => writeln!(out, "    still       FAILED: {error:#}")?,
                }
            }
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
