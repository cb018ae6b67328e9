//! Checks that the node does what its config promises: every camera sampled often enough, no events
//! suppressed by the hourly limit, no flight rejected, no footage dropped for want of memory. Takes:
//! snapshots. Gives: health messages. Not here: sending them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::base::{CameraId, WallTime};
use crate::ingest::SourceState;
use crate::monitor::{CameraSnapshot, NodeSnapshot};
use crate::outbox::DiskTrouble;
use crate::wire::{
    CameraBehind, CameraSuppressed, FlightNotTaken, HealthStatus, NodeHealth, NodeLoad, RingsFull, Trouble,
    TroubleKind,
};

/// While something is wrong, the health is published again after this time, with its newest figures.
const REPEAT: Duration = Duration::from_secs(60);
/// How long suppressed events, failed flights and dropped footage stay in the report.
const REPORT_FOR: Duration = Duration::from_secs(3600);
/// How long records may wait for a platform's word.
const SILENCE_S: u64 = 600;
/// How long all cameras may be without a stream.
const NO_STREAM: Duration = Duration::from_secs(60);
/// How long the clock may be without a time service.
const UNKEPT: Duration = Duration::from_secs(600);

/// The last published health, and when events were last suppressed and footage dropped.
#[derive(Default)]
pub(super) struct HealthWatch {
    suppressed: BTreeMap<CameraId, (u64, Instant)>,
    /// Bytes dropped since the start, and when they last grew.
    dropped: Option<(u64, Instant)>,
    /// Files lost, messages released, and records refused by the platform and by the broker, since the start, and when each last grew.
    losses: [Option<(u64, Instant)>; 4],
    /// Since when no camera streams.
    blind: Option<Instant>,
    /// Since when no time service keeps the clock.
    unkept: Option<Instant>,
    published: Option<(Problems, Instant)>,
}

/// The problems in a health report. A change of figures alone does not publish it again.
#[derive(PartialEq)]
struct Problems {
    behind: Vec<String>,
    suppressed: Vec<String>,
    flights: Vec<FlightNotTaken>,
    rings_full: bool,
    troubles: Vec<TroubleKind>,
}

impl HealthWatch {
    /// Returns the health if it must be published now.
    pub fn update(&mut self, node: &NodeSnapshot, now: Instant, at: WallTime) -> Option<NodeHealth> {
        let behind: Vec<_> = node.cameras.iter().filter(|(_, camera)| camera.behind()).collect();
        let behind = behind.into_iter().map(|(id, camera)| CameraBehind {
            camera: id.to_string(),
            interval_s: round(camera.analysed_every_s()),
            promised_s: round(camera.promised_s),
        });
        let behind: Vec<_> = behind.collect();
        let suppressed = self.suppressed(node, now);
        let flights = flights(node, at);
        let rings = self.rings(node, now);
        let troubles = self.troubles(node, now);
        let problems = Problems {
            behind: behind.iter().map(|b| b.camera.clone()).collect(),
            suppressed: suppressed.iter().map(|s| s.camera.clone()).collect(),
            flights: flights.clone(),
            rings_full: rings.is_some(),
            troubles: troubles.iter().map(|trouble| trouble.kind).collect(),
        };
        let well = problems.behind.is_empty()
            && problems.suppressed.is_empty()
            && problems.flights.is_empty()
            && !problems.rings_full
            && problems.troubles.is_empty();
        let known = self.published.as_ref().is_some_and(|(before, when)| {
            *before == problems && (well || now.saturating_duration_since(*when) < REPEAT)
        });
        if known {
            return None;
        }
        let health = NodeHealth {
            node: node.node.clone(),
            status: if well { HealthStatus::Ok } else { HealthStatus::Degraded },
            at: at.to_string(),
            load: NodeLoad {
                cores: round(node.load.cores),
                budget: round(node.load.budget),
                stretch: round(node.load.stretch),
            },
            behind,
            suppressed,
            flights,
            rings,
            troubles,
        };
        self.log(&problems, &health);
        self.published = Some((problems, now));
        Some(health)
    }

    fn rings(&mut self, node: &NodeSnapshot, now: Instant) -> Option<RingsFull> {
        let dropped = node.rings.dropped_bytes;
        if dropped > self.dropped.map_or(0, |(before, _)| before) {
            self.dropped = Some((dropped, now));
        }
        self.dropped.filter(|(_, when)| now.duration_since(*when) < REPORT_FOR)?;
        Some(RingsFull {
            budget_mb: node.rings.max_bytes as u64 >> 20,
            dropped_mb: dropped.div_ceil(1 << 20),
        })
    }

    fn troubles(&mut self, node: &NodeSnapshot, now: Instant) -> Vec<Trouble> {
        let (publish, outbox) = (&node.publish, &node.publish.outbox);
        let mut grown = [0, 1, 2, 3].map(|which| {
            let count = [outbox.media_lost, outbox.released, outbox.platform_refused, publish.refused][which];
            let loss = &mut self.losses[which];
            if count > loss.map_or(0, |(before, _)| before) {
                *loss = Some((count, now));
            }
            loss.filter(|(_, when)| now.duration_since(*when) < REPORT_FOR).map(|(count, _)| count)
        });
        let [lost, released, refused, denied] = grown.each_mut().map(|count| count.take());
        let blind = self.blind(node, now);
        let waiting = node.cameras.values().filter(|camera| camera.ingest.waits_for_clock).count();
        let kept = node.clock.is_none_or(|clock| clock.synchronised);
        self.unkept = if kept { None } else { Some(self.unkept.unwrap_or(now)) };
        let unkept = self.unkept.is_some_and(|since| now.duration_since(since) >= UNKEPT);
        let silent = outbox.unconfirmed > 0 && outbox.silent_s >= SILENCE_S;
        let all = [
            blind.map(|reason| (TroubleKind::NoCameraStreams, reason)),
            (outbox.told_nobody > 0).then(|| {
                let reason = format!("nobody has subscribed to {} records; they wait here", outbox.told_nobody);
                (TroubleKind::NobodySubscribed, reason)
            }),
            silent.then(|| {
                let reason = format!(
                    "{} records wait for a platform to confirm them, which none has done for {} minutes: is it \
                     running? A platform that confirms nothing needs mqtt.confirm = \"broker\"",
                    outbox.unconfirmed,
                    outbox.silent_s / 60
                );
                (TroubleKind::NotConfirmed, reason)
            }),
            publish.confirm_denied.then(|| {
                (TroubleKind::ConfirmDenied, "the broker does not let the node read confirmations".to_owned())
            }),
            denied.map(|_| {
                let reason = publish.last_error.clone().unwrap_or_else(|| "the broker refused records".to_owned());
                (TroubleKind::BrokerRefuses, reason)
            }),
            refused.map(|n| (TroubleKind::PlatformRefuses, format!("{n} records since the start"))),
            released.map(|n| (TroubleKind::Unconfirmed, format!("{n} messages since the start"))),
            node.events.disk.map(|trouble| (disk_kind(trouble), trouble.to_string())),
            lost.map(|n| (TroubleKind::EvidenceLost, format!("{n} files since the start"))),
            outbox.damaged.then(|| {
                let reason = "it was damaged or gone when the node started; its records were taken from what could be \
                              read of it and from the folders of the events";
                (TroubleKind::OutboxDamaged, reason.to_owned())
            }),
            (waiting > 0).then(|| {
                let reason = format!(
                    "the node's clock was set; new events of {waiting} cameras wait until it is in step, for ten \
                     minutes at most"
                );
                (TroubleKind::ClockSet, reason)
            }),
            unkept.then(|| {
                let reason = "by the kernel, no time service keeps the node's clock: times of events are not \
                              reliable; run chrony or systemd-timesyncd";
                (TroubleKind::ClockNotKept, reason.to_owned())
            }),
        ];
        all.into_iter().flatten().map(|(kind, reason)| Trouble { kind, reason }).collect()
    }

    /// Why nothing can be seen: no camera has streamed for a while, and some are live ones.
    fn blind(&mut self, node: &NodeSnapshot, now: Instant) -> Option<String> {
        let state = |camera: &CameraSnapshot| camera.ingest.state;
        let streams = node.cameras.values().any(|camera| state(camera) == SourceState::Streaming);
        let waited_for = node.cameras.values().find(|camera| state(camera) != SourceState::Ended);
        let Some(camera) = waited_for.filter(|_| !streams) else {
            self.blind = None;
            return None;
        };
        let since = *self.blind.get_or_insert(now);
        let why = camera.ingest.last_error.as_deref().unwrap_or("it has not answered yet");
        let known = now.duration_since(since) >= NO_STREAM;
        known.then(|| format!("none of {} cameras streams, for example: {why}", node.cameras.len()))
    }

    fn suppressed(&mut self, node: &NodeSnapshot, now: Instant) -> Vec<CameraSuppressed> {
        self.suppressed.retain(|id, _| node.cameras.contains_key(id));
        for (id, camera) in node.cameras.iter().filter(|(_, camera)| camera.suppressed_events > 0) {
            let entry = self.suppressed.entry(id.clone()).or_insert((0, now));
            if entry.0 != camera.suppressed_events {
                *entry = (camera.suppressed_events, now);
            }
        }
        let recent = self.suppressed.iter().filter(|(_, (_, when))| now.duration_since(*when) < REPORT_FOR);
        recent.map(|(id, (events, _))| CameraSuppressed { camera: id.to_string(), events: *events }).collect()
    }

    fn log(&self, problems: &Problems, health: &NodeHealth) {
        let blind = |problems: &Problems| problems.troubles.contains(&TroubleKind::NoCameraStreams);
        let was_blind = self.published.as_ref().is_some_and(|(before, _)| blind(before));
        match health.troubles.iter().find(|trouble| trouble.kind == TroubleKind::NoCameraStreams) {
            Some(trouble) if !was_blind => tracing::error!("{}", trouble.reason),
            _ => {}
        }
        let before = self.published.as_ref().map_or(&[][..], |(before, _)| &before.behind);
        if before == problems.behind.as_slice() {
            return;
        }
        match problems.behind.as_slice() {
            [] => tracing::info!("no streaming camera is behind its interval any more"),
            [first, ..] => tracing::warn!(
                cameras = problems.behind.len(),
                first,
                cores = health.load.cores,
                stretch = health.load.stretch,
                "cameras are sampled less often than their interval promises; /health names them"
            ),
        }
    }
}

fn disk_kind(trouble: DiskTrouble) -> TroubleKind {
    match trouble {
        DiskTrouble::Full => TroubleKind::DiskFull,
        DiskTrouble::ReadOnly => TroubleKind::DiskReadOnly,
        DiskTrouble::Fails => TroubleKind::DiskFails,
    }
}

fn flights(node: &NodeSnapshot, at: WallTime) -> Vec<FlightNotTaken> {
    let failed =
        node.flights.iter().filter_map(|(area, flights)| Some((area, flights.last_failure.as_ref()?)));
    let recent = failed.filter(|(_, failure)| at.since(failure.at) < REPORT_FOR);
    let reports = recent.map(|(area, failure)| FlightNotTaken {
        area: area.to_string(),
        flight: failure.flight.clone(),
        reason: failure.reason.clone(),
        at: failure.at.to_string(),
    });
    reports.collect()
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
