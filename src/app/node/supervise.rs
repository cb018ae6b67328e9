//! The loop around a running node: publishes states, frees disk space, reloads the config, reports to
//! systemd.

use std::time::{Duration, Instant};

use super::{AppError, Node, restore};
use crate::app::load_governor::LoadGovernor;
use crate::app::reload::{FileWatch, Live};
use crate::base::error_chain;
use crate::base::{Shutdown, monotonic};
use crate::config::Config;
use crate::ingest::SourceState;
use crate::monitor::Service;
use crate::second_look::Models;

const TURN: Duration = Duration::from_secs(1);
/// How often states are published.
const STATUS_EVERY: Duration = Duration::from_secs(5);
/// How often events that are too old for feedback are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(24 * 3600);
/// How long the ring of a removed camera stays, for clips that must still be cut.
const KEEP_RING: Duration = Duration::from_secs(60);

/// How a run ended.
#[derive(Clone, Copy, Debug)]
pub struct RunReport {
    pub events_opened: u64,
    /// Messages and media files that wait for the next start.
    pub undelivered: u64,
    /// Records that are lost because the disk was full until the end.
    pub unstored: u64,
    /// The stop took longer than `runtime.stop_deadline`.
    pub late: bool,
}

/// Runs the node until `asked_to_stop`. Returns once everything has ended and all events are durable. With
/// `live` the config is reloaded on request, and when one of its files changes.
///
/// # Errors
/// The node cannot start. A camera or broker that is down is no error.
pub fn run(
    config: Config,
    models: &Models,
    asked_to_stop: &Shutdown,
    live: Option<Live>,
) -> Result<RunReport, AppError> {
    let service = Service;
    let mut node = Node::start(config.into(), models, service)?;
    tracing::info!(cameras = node.cameras.len(), "ready");
    service.ready(&line(&node));
    let mut live = live.map(|live| (FileWatch::new(live.watched.clone()), live));
    let mut governor = LoadGovernor::new(node.config.budget.cores);
    let (mut published, mut cleaned, mut forgot) = (monotonic(), monotonic(), monotonic());
    while !asked_to_stop.wait(TURN) {
        node.cameras.settle();
        node.status.set_load(governor.step(&node.decode, &node.detect));
        if let Some((files, live)) = &mut live
            && reload_is_due(&node, files, live)
        {
            service.reloading();
            if let Some(watched) = node.reload(live) {
                *files = FileWatch::new(watched);
                governor.set_budget(node.config.budget.cores);
            }
            service.ready(&line(&node));
        }
        if is_due(&mut published, STATUS_EVERY) {
            node.status.publish_cameras(&node.publisher);
            node.status.publish_health(&node.publisher);
            service.status(&line(&node));
        }
        if is_due(&mut cleaned, KEEP_RING) {
            node.roster.forget(KEEP_RING);
        }
        if is_due(&mut forgot, FORGET_EVERY)
            && let Err(error) = restore::forget_old(&node.outbox)
        {
            tracing::warn!("cannot forget old events: {}", error_chain(&error));
        }
    }
    service.stopping();
    Ok(node.stop())
}

fn reload_is_due(node: &Node, files: &mut FileWatch, live: &Live) -> bool {
    // Always check the files, so that a requested reload does not find the same change again.
    let changed = files.changed() && node.config.runtime.watch_config;
    live.request.take() || changed
}

fn is_due(last: &mut Instant, every: Duration) -> bool {
    let due = last.elapsed() >= every;
    if due {
        *last = monotonic();
    }
    due
}

/// The status line for `systemctl status`.
fn line(node: &Node) -> String {
    let snapshot = node.status.snapshot();
    let streaming = snapshot.cameras.values().filter(|c| c.ingest.state == SourceState::Streaming).count();
    let open: u64 = snapshot.cameras.values().map(|camera| camera.open_events).sum();
    let outbox = snapshot.publish.outbox.messages + snapshot.publish.outbox.media;
    let broker = if snapshot.publish.connected { "connected" } else { "not connected" };
    format!(
        "{streaming} of {} cameras stream, {open} events open, broker {broker}, {outbox} records wait",
        snapshot.cameras.len()
    )
}
