//! Lintel's readers of telemetry, compiled from its own sources without the rest of it.
#![allow(dead_code, unused_imports)]

#[path = "../../src/base"]
pub mod base {
    mod time;

    pub use time::{MediaTime, WallTime};
}

#[path = "../../src/drone"]
pub mod drone {
    mod attitude;
    mod check;
    mod clock;
    mod flight;
    pub mod klv;
    mod pose;
    mod report;
    pub mod srt;
    pub mod xmp;

    pub use attitude::compose;
    pub use check::{Checker, Reference};
    pub use clock::{ClockFit, fit_clock};
    pub use flight::{Flight, MAX_GAP, NoPose, Sampled};
    pub use pose::{Angles, LonLat, Pose};
    pub use report::{Fault, Gap, Rejected, TelemetryReport};
}

use base::WallTime;
use drone::{Flight, LonLat, Pose};

/// Where the flights of the seeds are.
pub const BASE: LonLat = LonLat { lon: 120.1614, lat: 30.2931 };

/// What must hold of every pose that a reader let through.
pub fn check(pose: &Pose) {
    assert!(pose.position.lon.abs() <= 180.0 && pose.position.lat.abs() <= 90.0, "{pose:?}");
    let angles = [&pose.platform, &pose.gimbal].map(|a| [a.heading, a.pitch, a.roll]);
    let numbers = [pose.alt_abs, pose.alt_rel, pose.fov.0, pose.fov.1, pose.slant_range];
    assert!(angles.iter().flatten().chain(&numbers).flatten().all(|v| v.is_finite()), "{pose:?}");
}

/// Every moment of a flight, and those around it, has a pose or a reason.
pub fn check_flight(flight: &Flight) {
    flight.poses().for_each(check);
    let times: Vec<i64> = flight.poses().filter_map(|p| Some(p.media?.0)).take(50).collect();
    for at in times.into_iter().flat_map(|t| [t, t.saturating_add(17_000), t.saturating_sub(1_000_000)]) {
        if let Ok(seen) = flight.at(WallTime(at)) {
            check(&seen.pose);
            assert!(seen.position_sigma_m.is_finite() && seen.speed.is_finite(), "{seen:?}");
        }
    }
    assert!(flight.gaps().count() < flight.len().max(1));
}
