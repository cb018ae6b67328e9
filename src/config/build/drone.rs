//! Cameras on drones, and streams over UDP.

use std::net::{IpAddr, Ipv4Addr};

use super::Builder;
use crate::config::moving::{Compensation, DroneConfig, TelemetrySource, UdpConfig};
use crate::config::problem::Problem;
use crate::config::raw::{At, RawCamera, RawCompensation, RawRtsp};
use crate::config::types::{Rule, RuleKind};

impl Builder<'_, '_> {
    /// `None`: a fixed camera. What a drone cannot have is reported.
    pub(super) fn drone(&mut self, raw: &RawCamera) -> Option<DroneConfig> {
        let drone = raw.drone.as_ref()?;
        if let Some(zone) = raw.zone.first() {
            let span = zone.id.as_ref().map_or(&drone.span, |id| &id.span);
            self.report(
                Problem::new(span, "a zone in the picture, but the camera is on a drone: its picture moves")
                    .also(&drone.span, "the drone")
                    .help("draw the zone on the ground: a polygon in the file of `map.zones`, named by rules as this one was"),
            );
        }
        if let Some(calibration) = &raw.calibration {
            self.report(
                Problem::new(
                    &calibration.span,
                    "a calibration is of a fixed camera; a drone says itself where it is",
                )
                .also(&drone.span, "the drone")
                .help("take one of the two out"),
            );
        }
        if let (Some(telemetry), None) = (&drone.telemetry, &raw.file) {
            self.report(
                Problem::new(&telemetry.span, "a telemetry file goes with a recorded `file`")
                    .help("a live stream carries its telemetry as MISB ST 0601 KLV; take it out"),
            );
        }
        let or = |value: &Option<At<f64>>, default: f64| value.as_deref().copied().unwrap_or(default);
        let usual = DroneConfig::default();
        Some(DroneConfig {
            telemetry: match &drone.telemetry {
                Some(path) => TelemetrySource::Srt(self.path(path)),
                None => TelemetrySource::WithVideo,
            },
            assume_nadir: drone.assume.is_some(),
            fov_deg: drone.fov_deg.as_deref().copied(),
            takeoff_alt_m: drone.takeoff_alt_m.as_deref().copied(),
            compensate: match drone.compensate {
                None | Some(RawCompensation::Registration) => Compensation::Registration,
                Some(RawCompensation::Telemetry) => Compensation::Telemetry,
                Some(RawCompensation::Off) => Compensation::Off,
            },
            position_error_m: or(&drone.position_error_m, usual.position_error_m),
            altitude_error_m: or(&drone.altitude_error_m, usual.altitude_error_m),
            heading_error_deg: or(&drone.heading_error_deg, usual.heading_error_deg),
            gimbal_error_deg: or(&drone.gimbal_error_deg, usual.gimbal_error_deg),
        })
    }

    /// Lines are drawn in the picture, which moves.
    pub(super) fn no_lines_on_drones(&mut self, raw: &RawCamera, rules: &[Rule]) {
        let Some(drone) = &raw.drone else { return };
        for rule in rules.iter().filter(|r| matches!(r.kind, RuleKind::LineCrossing { .. })) {
            let message =
                format!("the rule `{}` has a line in the picture, and a drone's picture moves", rule.id);
            self.report(Problem::new(&drone.span, message).help(
                "give the rule `profiles` without this one, or switch it off here: `enabled = false` in a rule of this id",
            ));
        }
    }

    /// `udp://address:port`; everything of `[rtsp]` that is about waiting holds for it too.
    pub(super) fn udp(&mut self, url: &At<String>, rtsp: &RawRtsp) -> Option<UdpConfig> {
        let wrong = |message: &str| {
            Problem::new(&url.span, message)
                .help("for example `udp://0.0.0.0:5600`: all addresses of this machine, port 5600; or a multicast group")
        };
        let parsed = url::Url::parse(url).ok();
        let address = parsed.as_ref().and_then(|u| match u.host()? {
            // An unknown scheme's host stays text.
            url::Host::Domain(name) => name.parse::<IpAddr>().ok(),
            url::Host::Ipv4(ip) => Some(ip.into()),
            url::Host::Ipv6(ip) => Some(ip.into()),
        });
        let port = parsed.as_ref().and_then(url::Url::port).filter(|p| *p > 0);
        let (Some(address), Some(port)) = (address, port) else {
            self.report(wrong("a udp url is the address and port of this machine to listen on"));
            return None;
        };
        if address == IpAddr::V4(Ipv4Addr::BROADCAST) {
            self.report(wrong("nothing can be received at this address"));
            return None;
        }
        Some(UdpConfig {
            address,
            port,
            stall_timeout: rtsp.stall_timeout.0,
            backoff_first: rtsp.backoff_first.0,
            backoff_max: rtsp.backoff_max.0,
        })
    }
}
