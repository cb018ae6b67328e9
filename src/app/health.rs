//! Does the node do what its config promises? Told to the broker where it does not: a camera that is looked at too rarely,
//! events that the cap an hour holds back, a flight that could not be compared. Takes snapshots, gives messages. Not here: sending them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::base::{CameraId, WallTime};
use crate::monitor::NodeSnapshot;
use crate::wire::{CameraBehind, CameraSuppressed, FlightNotTaken, HealthStatus, NodeHealth, NodeLoad};

/// While something is wrong it is told again after this, with its newest figures.
const TELL_AGAIN: Duration = Duration::from_secs(60);
/// Events held back and flights that failed are told for this long.
const SUPPRESSED_FOR: Duration = Duration::from_secs(3600);

/// What was told last, and what was held back when.
#[derive(Default)]
pub(super) struct HealthWatch {
    suppressed: BTreeMap<CameraId, (u64, Instant)>,
    told: Option<(Told, Instant)>,
}

/// What makes a health another one; figures alone do not.
#[derive(PartialEq)]
struct Told {
    behind: Vec<String>,
    suppressed: Vec<String>,
    flights: Vec<FlightNotTaken>,
}

impl HealthWatch {
    /// The health, if it is to be told now.
    pub fn look(&mut self, node: &NodeSnapshot, now: Instant, at: WallTime) -> Option<NodeHealth> {
        let behind: Vec<_> = node.cameras.iter().filter(|(_, camera)| camera.behind()).collect();
        let behind = behind.into_iter().map(|(id, camera)| CameraBehind {
            camera: id.to_string(),
            interval_s: round(camera.looked_at_every_s()),
            promised_s: round(camera.promised_s),
        });
        let behind: Vec<_> = behind.collect();
        let suppressed = self.suppressed(node, now);
        let flights = flights(node, at);
        let told = Told {
            behind: behind.iter().map(|b| b.camera.clone()).collect(),
            suppressed: suppressed.iter().map(|s| s.camera.clone()).collect(),
            flights: flights.clone(),
        };
        let well = told.behind.is_empty() && told.suppressed.is_empty() && told.flights.is_empty();
        let known = self.told.as_ref().is_some_and(|(before, when)| {
            *before == told && (well || now.saturating_duration_since(*when) < TELL_AGAIN)
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
        };
        self.log(&told, &health);
        self.told = Some((told, now));
        Some(health)
    }

    fn suppressed(&mut self, node: &NodeSnapshot, now: Instant) -> Vec<CameraSuppressed> {
        self.suppressed.retain(|id, _| node.cameras.contains_key(id));
        for (id, camera) in node.cameras.iter().filter(|(_, camera)| camera.suppressed_events > 0) {
            let entry = self.suppressed.entry(id.clone()).or_insert((0, now));
            if entry.0 != camera.suppressed_events {
                *entry = (camera.suppressed_events, now);
            }
        }
        let recent =
            self.suppressed.iter().filter(|(_, (_, when))| now.duration_since(*when) < SUPPRESSED_FOR);
        recent.map(|(id, (events, _))| CameraSuppressed { camera: id.to_string(), events: *events }).collect()
    }

    fn log(&self, told: &Told, health: &NodeHealth) {
        let before = self.told.as_ref().map_or(&[][..], |(before, _)| &before.behind);
        if before == told.behind.as_slice() {
            return;
        }
        match told.behind.as_slice() {
            [] => tracing::info!("every camera is looked at as often as configured again"),
            [first, ..] => tracing::warn!(
                cameras = told.behind.len(),
                first,
                cores = health.load.cores,
                stretch = health.load.stretch,
                "cameras are looked at less often than their interval promises; /health names them"
            ),
        }
    }
}

fn flights(node: &NodeSnapshot, at: WallTime) -> Vec<FlightNotTaken> {
    let failed =
        node.flights.iter().filter_map(|(area, flights)| Some((area, flights.last_failure.as_ref()?)));
    let recent = failed.filter(|(_, failure)| at.since(failure.at) < SUPPRESSED_FOR);
    let told = recent.map(|(area, failure)| FlightNotTaken {
        area: area.to_string(),
        flight: failure.flight.clone(),
        reason: failure.reason.clone(),
        at: failure.at.to_string(),
    });
    told.collect()
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
