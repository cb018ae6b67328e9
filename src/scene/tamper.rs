//! Monitors one fixed camera itself. Reports when it is covered, blinded or moved, or when its place is lost
//! for long. Corrects its positions after a small turn, and marks them as stale after a move.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::ground::Site;
use crate::base::{CameraId, DerivedId, WallTime, error_chain};
use crate::change::Alignment;
use crate::config::{CameraConfig, NodeConfig};
use crate::decode::{FrameStats, Picture};
use crate::geo::CalibrationState;
use crate::tamper::{Finding, Movement, Reference, TamperDetector, TamperKind};

/// Another view that is shown for less than this is not reported: a lorry drives on.
const OTHER_VIEW_FOR: Duration = Duration::from_secs(60);
/// A place lost for less than this is not reported: fog and headlights pass.
const LOST_FOR: Duration = Duration::from_secs(30 * 60);

/// One report of an incident of a camera: it begins, continues or ends.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TamperReport {
    /// The same id from the first report to the last.
    pub incident: Uuid,
    pub kind: TamperKind,
    /// Capture time of the picture that decided it.
    pub at: WallTime,
    /// Whether the camera's positions can be trusted; `None`: it is not calibrated.
    pub calibration: Option<CalibrationState>,
    /// Measured shift to the right and down, in pixels of the reference picture.
    pub shift_px: Option<[f64; 2]>,
    /// Clockwise, degrees.
    pub turn_deg: Option<f64>,
    pub reason: String,
}

/// The tamper detector of one fixed camera, and its open incident.
pub(crate) struct TamperMonitor {
    detector: TamperDetector,
    site: Option<Arc<Site>>,
    incident: Option<Uuid>,
    /// The kind, if the place memory started the incident.
    astray: Option<TamperKind>,
}

impl TamperMonitor {
    pub fn new(site: Option<Arc<Site>>) -> Self {
        let features = site.as_ref().and_then(|site| {
            site.calibration().reference_features().unwrap_or_else(|error| {
                tracing::warn!("a moved camera will not be noticed: {}", error_chain(&error));
                None
            })
        });
        Self {
            detector: TamperDetector::new(features.map(|features| Reference { features })),
            site,
            incident: None,
            astray: None,
        }
    }

    /// Inspects the next picture.
    pub fn inspect(
        &mut self,
        node: &NodeConfig,
        camera: &CameraConfig,
        picture: &Picture,
        stats: &FrameStats,
    ) -> Option<TamperReport> {
        let finding = self.detector.inspect(picture, stats)?;
        let at = picture.capture.at;
        let (kind, movement, reason) = match finding {
            Finding::Nudged(movement) => {
                self.correct(&movement);
                return None;
            }
            Finding::Moved(Some(m)) => (
                TamperKind::Moved,
                Some(m),
                format!(
                    "the picture has shifted by {:.0} pixels and turned by {:.1} degrees",
                    m.pixels(),
                    m.turn_deg
                ),
            ),
            Finding::Moved(None) => (
                TamperKind::Moved,
                None,
                "the camera no longer shows anything of its reference picture".to_owned(),
            ),
            Finding::Covered => {
                (TamperKind::Covered, None, "the picture suddenly lost its contrast".to_owned())
            }
            Finding::Blinded => (TamperKind::Blinded, None, "a light blinds most of the picture".to_owned()),
            Finding::Well => (TamperKind::Well, None, "the camera shows its view as before".to_owned()),
        };
        if kind == TamperKind::Well {
            self.astray = None;
        }
        let shift = movement.map(|m| (m.shift, Some(m.turn_deg)));
        Some(self.report(node, camera, at, kind, shift, reason))
    }

    /// Checks the place memory's alignment of the newest picture. It finds a move of a camera without
    /// calibration, and a place lost for long. An open incident of the detector comes first.
    pub fn inspect_place(
        &mut self,
        node: &NodeConfig,
        camera: &CameraConfig,
        at: WallTime,
        alignment: Alignment,
    ) -> Option<TamperReport> {
        match alignment {
            Alignment::Moved { dx, dy, .. }
                if self.incident.is_none() || self.astray == Some(TamperKind::Lost) =>
            {
                self.astray = Some(TamperKind::Moved);
                let shift = [f64::from(dx), f64::from(dy)];
                let reason = format!(
                    "the picture has shifted by {:.0} pixels from where it was; lasting changes are not judged until it is back",
                    shift[0].hypot(shift[1])
                );
                Some(self.report(node, camera, at, TamperKind::Moved, Some((shift, None)), reason))
            }
            Alignment::Lost { since } if self.incident.is_none() && at.since(since) >= LOST_FOR => {
                self.astray = Some(TamperKind::Lost);
                let reason = format!(
                    "the place has not been recognised for {} min: the camera is covered, points elsewhere, or weather hides \
                     the place; lasting changes are not judged until it is back",
                    at.since(since).as_secs() / 60
                );
                Some(self.report(node, camera, at, TamperKind::Lost, None, reason))
            }
            Alignment::Steady { .. } if self.astray.is_some() => {
                self.astray = None;
                let reason = "the camera shows its place again".to_owned();
                Some(self.report(node, camera, at, TamperKind::Well, None, reason))
            }
            _ => None,
        }
    }

    /// Checks how long the camera has shown another view. For cameras without calibration and place memory.
    /// An open incident of the detector comes first.
    pub fn inspect_view(
        &mut self,
        node: &NodeConfig,
        camera: &CameraConfig,
        at: WallTime,
        astray: Option<Duration>,
    ) -> Option<TamperReport> {
        match astray {
            Some(time) if self.incident.is_none() && time >= OTHER_VIEW_FOR => {
                self.astray = Some(TamperKind::Moved);
                let reason = "the camera shows another view than before: it was turned, or something large stands in \
                              front; nothing is judged until it is back, or for 30 min";
                Some(self.report(node, camera, at, TamperKind::Moved, None, reason.to_owned()))
            }
            None if self.astray == Some(TamperKind::Moved) => {
                self.astray = None;
                let reason = "the camera shows its view as before, or has kept the new one".to_owned();
                Some(self.report(node, camera, at, TamperKind::Well, None, reason))
            }
            _ => None,
        }
    }

    /// Starts, continues or ends the incident. `shift` is in pixels, with the turn in degrees if known.
    fn report(
        &mut self,
        node: &NodeConfig,
        camera: &CameraConfig,
        at: WallTime,
        kind: TamperKind,
        shift: Option<([f64; 2], Option<f64>)>,
        reason: String,
    ) -> TamperReport {
        if kind == TamperKind::Well
            && let Some(site) = &self.site
        {
            site.turn([0.0; 3]);
        }
        let moved = kind == TamperKind::Moved;
        if moved && let Some(site) = &self.site {
            site.set_stale(true);
        }
        let incident = self.incident.unwrap_or_else(|| incident(&node.id, &camera.id, at));
        self.incident = (kind != TamperKind::Well).then_some(incident);
        tracing::warn!("{kind:?}: {reason}");
        let calibration = self
            .site
            .as_ref()
            .map(|site| if site.is_stale() { CalibrationState::Stale } else { CalibrationState::Valid });
        let (shift_px, turn_deg) = (shift.map(|(shift, _)| shift), shift.and_then(|(_, turn)| turn));
        TamperReport { incident, kind, at, calibration, shift_px, turn_deg, reason }
    }

    /// Corrects positions after a small turn.
    fn correct(&self, movement: &Movement) {
        let Some(site) = &self.site else { return };
        let angles = movement.angles_deg(site.measured());
        site.turn(angles);
        tracing::info!(
            "the camera stands {:.2} degrees right, {:.2} up and {:.2} turned from its calibration ({:.1} pixels): corrected",
            -angles[1],
            -angles[0],
            angles[2],
            movement.pixels()
        );
    }
}

/// The id of an incident; a replay gives the same.
fn incident(node: &str, camera: &CameraId, at: WallTime) -> Uuid {
    DerivedId::new("tamper").name(node).name(camera.as_str()).time(at).at(at)
}
