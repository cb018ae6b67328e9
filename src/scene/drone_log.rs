//! Positions of the node's drones: written by their sources, read by their scenes.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use crate::base::{CameraId, WallTime};
use crate::drone::{Flight, LonLat, NoPose, Sampled};
use crate::ingest::Telemetry;

/// One drone's flight.
#[derive(Default)]
pub(crate) struct FlightLog {
    inner: Mutex<LoggedFlight>,
}

#[derive(Default)]
struct LoggedFlight {
    flight: Flight,
    takeoff: Option<LonLat>,
}

impl FlightLog {
    /// Adds a pose, or replaces the log by a whole recorded flight.
    pub fn push(&self, telemetry: Telemetry) {
        let mut inner = self.lock();
        match telemetry {
            Telemetry::Flight(flight) => {
                inner.takeoff = flight.takeoff();
                inner.flight = flight;
            }
            Telemetry::Pose(at, pose) => {
                let began = pose.home.unwrap_or(pose.position);
                inner.takeoff.get_or_insert(began);
                // Poses older than an hour go; no picture needs them.
                inner.flight.push(at, *pose);
            }
        }
    }

    /// The drone's pose at a moment.
    ///
    /// # Errors
    /// There is no telemetry for that moment.
    pub fn at(&self, at: WallTime) -> Result<Sampled, NoPose> {
        self.lock().flight.at(at)
    }

    /// Where the drone took off, or its first known position.
    pub fn takeoff(&self) -> Option<LonLat> {
        self.lock().takeoff
    }

    fn lock(&self) -> MutexGuard<'_, LoggedFlight> {
        self.inner.lock()
    }
}

/// The flight logs of all drones, by camera. A log is created on first use.
#[derive(Clone, Default)]
pub(crate) struct FlightLogs {
    logs: Arc<Mutex<BTreeMap<CameraId, Arc<FlightLog>>>>,
}

impl FlightLogs {
    pub fn of(&self, camera: &CameraId) -> Arc<FlightLog> {
        let mut logs = self.logs.lock();
        Arc::clone(logs.entry(camera.clone()).or_default())
    }
}
