//! The loop around a running node: states, the disk, reloads, and words for systemd.

use std::time::{Duration, Instant};

use super::{AppError, Node, disk, restore};
use crate::app::load_governor::LoadGovernor;
use crate::app::reload::{FileWatch, Live};
use crate::base::error_chain;
use crate::base::{Shutdown, monotonic};
use crate::config::Config;
use crate::detect::ModelManifest;
use crate::ingest::SourceState;
use crate::monitor::Service;

const TURN: Duration = Duration::from_secs(1);
/// How often states are told and the disk is looked at.
const STATUS_EVERY: Duration = Duration::from_secs(5);
const QUOTA_EVERY: Duration = Duration::from_secs(60);
/// How often events that are too old for feedback are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(24 * 3600);
/// A camera that was taken out keeps its ring for so long, for clips that are still to be cut.
const RING_OF_GONE: Duration = Duration::from_secs(60);

/// How a run ended.
#[derive(Clone, Copy, Debug)]
pub struct RunReport {
    pub events_opened: u64,
    /// Messages and media files that wait for the next start.
    pub undelivered: u64,
    /// The stop took longer than `runtime.stop_deadline`.
    pub late: bool,
}

/// Runs the node until `asked_to_stop`; returns once everything has ended and all that was found is durable. With `live`
/// its config is read again when asked for, and when a file of it changes.
///
/// # Errors
/// What keeps the node from starting. A camera or broker that is down does not.
pub fn run(
    config: Config,
    model: &ModelManifest,
    asked_to_stop: &Shutdown,
    live: Option<Live>,
) -> Result<RunReport, AppError> {
    let service = Service;
    let mut node = Node::start(config.into(), model, service)?;
    tracing::info!(cameras = node.cameras.len(), "ready");
    service.ready(&line(&node));
    let mut live = live.map(|live| (FileWatch::new(live.watched.clone()), live));
    let mut guard = LoadGovernor::new(node.config.budget.cores);
    let (mut told, mut cleaned, mut forgot) = (monotonic(), monotonic(), monotonic());
    while !asked_to_stop.wait(TURN) {
        node.cameras.settle();
        node.status.load(guard.step(&node.decode, &node.detect));
        if let Some((files, live)) = &mut live
            && is_wanted(&node, files, live)
        {
            service.reloading();
            if let Some(watched) = node.reload(live) {
                *files = FileWatch::new(watched);
                guard.set_budget(node.config.budget.cores);
            }
            service.ready(&line(&node));
        }
        if is_due(&mut told, STATUS_EVERY) {
            node.status.tell(&node.publisher);
            node.status.tell_health(&node.publisher);
            service.status(&line(&node));
        }
        if is_due(&mut cleaned, QUOTA_EVERY) {
            disk::tidy(&node.config, &node.outbox, &node.recorder);
            node.roster.forget(RING_OF_GONE);
        }
        if is_due(&mut forgot, FORGET_EVERY)
            && let Err(error) = restore::forget_old(&node.outbox)
        {
            tracing::warn!("old events are not forgotten: {}", error_chain(&error));
        }
    }
    service.stopping();
    Ok(node.stop())
}

fn is_wanted(node: &Node, files: &mut FileWatch, live: &Live) -> bool {
    // Looked at in any case, so that a change is not found a second time after it was asked for.
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

/// For `systemctl status`.
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
