//! Where the node's drones were: written by their sources, read by their scenes.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use crate::base::{CameraId, WallTime};
use crate::drone::{Flight, NoPose, Place, Sampled};
use crate::ingest::Telemetry;

/// One drone's flight.
#[derive(Default)]
pub(crate) struct FlightLog {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    flight: Flight,
    takeoff: Option<Place>,
}

impl FlightLog {
    pub fn take(&self, telemetry: Telemetry) {
        let mut inner = self.lock();
        match telemetry {
            Telemetry::Flight(flight) => {
                inner.takeoff = flight.takeoff();
                inner.flight = flight;
            }
            Telemetry::Pose(at, pose) => {
                let began = pose.home.unwrap_or(pose.place);
                inner.takeoff.get_or_insert(began);
                // What it forgets is an hour old: no picture asks for it.
                inner.flight.push(at, *pose);
            }
        }
    }

    /// # Errors
    /// Nothing is known of that moment.
    pub fn at(&self, at: WallTime) -> Result<Sampled, NoPose> {
        self.lock().flight.at(at)
    }

    /// Where the drone took off, or was first heard of.
    pub fn takeoff(&self) -> Option<Place> {
        self.lock().takeoff
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }
}

/// The flights of all drones by camera; one is there from when it is first asked for.
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
