//! One run: wait until every camera is analysed, warm up, measure.

use std::time::Duration;

use anyhow::ensure;
use lintel::base::{Shutdown, monotonic};

use crate::args::Args;
use crate::events::Events;
use crate::health::HealthMonitor;
use crate::report::{Measurement, Run};
use crate::testbed::Testbed;
use crate::usage::{Usage, machine_busy};

/// How often the node's health is read.
const POLL: Duration = Duration::from_millis(250);
/// A camera that is not analysed by then will not be.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How often progress is printed.
const PROGRESS: Duration = Duration::from_secs(5);

/// `None`: stopped by a signal.
///
/// # Errors
/// A program ended, or no camera was analysed.
pub(crate) fn run(
    mut testbed: Testbed,
    cameras: u32,
    args: &Args,
    stop: &Shutdown,
) -> anyhow::Result<Option<Run>> {
    let events = Events::subscribe(testbed.broker_port)?;
    let mut monitor = HealthMonitor::new(testbed.http_port);
    if !wait_until_analysed(&mut testbed, &mut monitor, cameras as usize, stop)? {
        return Ok(None);
    }
    eprintln!("bench: {cameras} cameras: warming up for {} s", args.warm_up);
    if stop.wait(Duration::from_secs(args.warm_up)) {
        return Ok(None);
    }
    let node = testbed.node.id();
    let (start, served) = (monotonic(), testbed.served()?);
    let node_before = Usage::of(node)?;
    let (server_before, broker_before) = (Usage::of(testbed.server.id())?, Usage::of(testbed.broker.id())?);
    let machine_before = machine_busy()?;
    let health_before = monitor.reset()?;
    events.reset();
    let mut reported = start;
    while start.elapsed() < Duration::from_secs(args.seconds) {
        if stop.wait(POLL) {
            return Ok(None);
        }
        testbed.check_running()?;
        monitor.poll()?;
        if reported.elapsed() >= PROGRESS {
            reported = monotonic();
            eprintln!("bench: {cameras} cameras: {} of {} s", start.elapsed().as_secs(), args.seconds);
        }
    }
    let node_after = Usage::of(node)?;
    let measurement = Measurement {
        cameras,
        duration: start.elapsed(),
        usage: node_after.since(&node_before),
        server_cpu: Usage::of(testbed.server.id())?.since(&server_before).total,
        broker_cpu: Usage::of(testbed.broker.id())?.since(&broker_before).total,
        machine_busy: machine_busy()?.saturating_sub(machine_before),
        served: testbed.served()?.since(&served),
        health: monitor.finish(health_before)?,
        events: events.received(),
    };
    testbed.stop()?;
    Ok(Some(Run::of(measurement)))
}

/// Waits until every camera has been analysed, or until a minute is over. False: stopped by a signal.
///
/// # Errors
/// A program ended, or no camera was analysed.
pub(crate) fn wait_until_analysed(
    testbed: &mut Testbed,
    monitor: &mut HealthMonitor,
    cameras: usize,
    stop: &Shutdown,
) -> anyhow::Result<bool> {
    let start = monotonic();
    let mut reported = start;
    loop {
        if stop.wait(POLL) {
            return Ok(false);
        }
        testbed.check_running()?;
        // The node opens its port only when everything else has started.
        let analysed = monitor.poll().unwrap_or(0);
        if analysed == cameras {
            return Ok(true);
        }
        if start.elapsed() > START_LIMIT {
            ensure!(analysed > 0, "no camera was analysed within {} s", START_LIMIT.as_secs());
            eprintln!("bench: only {analysed} of {cameras} cameras were analysed; measuring those");
            return Ok(true);
        }
        if reported.elapsed() >= PROGRESS {
            reported = monotonic();
            eprintln!("bench: {cameras} cameras: {analysed} analysed so far");
        }
    }
}
