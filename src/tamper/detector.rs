//! Judges several pictures in a row, to distinguish a lorry, the night and a hand.

use std::time::Duration;

use super::movement::{Movement, compare};
use crate::base::WallTime;
use crate::calibration::Features;
use crate::decode::{FrameStats, Picture, gray};

/// Pictures in a row before anything is reported.
const PICTURES: u32 = 5;
/// How long they must span.
const AT_LEAST: Duration = Duration::from_secs(20);
/// The view is lost when contrast and edges fall below this share of the usual.
const LOST: f32 = 0.3;
/// The view is blurred when edges alone fall below this share: out of focus, or behind frosted plastic.
const BLURRED: f32 = 0.2;
/// A loss is sudden if the view was clear within this time before.
const SUDDEN: Duration = Duration::from_secs(90);
/// Time constant of the usual statistics.
const USUAL: Duration = Duration::from_secs(600);
/// Only something in front of the lens has so little contrast.
const EVEN: f32 = 2.0;
/// A darker picture cannot be distinguished from night.
const DARK: f32 = 24.0;
/// The camera is blinded when this share of the picture is.
const BLINDED: f32 = 0.6;

/// Time between two comparisons with the reference.
const COMPARE_EVERY: Duration = Duration::from_secs(300);
/// Time between comparisons that check a suspicion.
const COMPARE_AGAIN: Duration = Duration::from_secs(20);
/// Comparisons in a row that must agree on a movement.
const AGREEING: usize = 3;
/// Comparisons in a row that must fail.
const FAILING: u32 = 4;
/// A failure counts only if so many features agreed before it.
const CLEARLY_SEEN: usize = 80;
/// Weather and hour are the same when brightness and edges differ by no more than this factor.
const ALIKE: f32 = 0.7;
/// Shifts of the picture up to this share of its width are corrected.
const CORRECTED: f64 = 0.05;
/// Turns up to this are corrected, in degrees.
const CORRECTED_DEG: f64 = 2.0;
/// Smaller shifts are ignored, as a share of the width.
const NOTHING: f64 = 0.0008;

/// A finding about the camera, reported once each time it changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Finding {
    /// A small movement of the picture against the reference, which can be corrected.
    Nudged(Movement),
    /// A large movement. `None`: nothing of the reference is found any more.
    Moved(Option<Movement>),
    /// Something plain or blurred is in front of the lens.
    Covered,
    /// A light blinds the camera.
    Blinded,
    /// The view is clear again, or the camera is back in place.
    Well,
}

/// What a camera saw when it was calibrated.
pub struct Reference {
    pub features: Features,
}

/// Watches one fixed camera for tampering.
pub struct TamperDetector {
    reference: Option<Reference>,
    usual: Option<(FrameStats, WallTime)>,
    /// When the view was last clear.
    clear: Option<WallTime>,
    suspicion: Option<Suspicion>,
    reported: Option<Condition>,
    compared: Option<WallTime>,
    /// The newest movements, all different from the corrected one.
    movements: Vec<Movement>,
    failures: u32,
    /// From the last match with the reference: features that agreed, features in all, and statistics.
    agreed: Option<(usize, usize, FrameStats)>,
    /// The movement by which positions are corrected.
    corrected: [f64; 3],
}

#[derive(Clone, Copy)]
struct Suspicion {
    what: Condition,
    since: WallTime,
    pictures: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Covered,
    Blinded,
    Moved,
}

impl TamperDetector {
    pub fn new(reference: Option<Reference>) -> Self {
        Self {
            reference,
            usual: None,
            clear: None,
            suspicion: None,
            reported: None,
            compared: None,
            movements: Vec::new(),
            failures: 0,
            agreed: None,
            corrected: [0.0; 3],
        }
    }

    /// Inspects the next picture of the camera, with its statistics.
    pub fn inspect(&mut self, picture: &Picture, stats: &FrameStats) -> Option<Finding> {
        let at = picture.capture.at;
        if let Some(found) = self.check_view(stats, at) {
            return Some(found);
        }
        if self.suspicion.is_some() || matches!(self.reported, Some(Condition::Covered | Condition::Blinded))
        {
            return None;
        }
        self.check_position(picture, stats, at)
    }

    /// Covered, blinded, or well again.
    fn check_view(&mut self, now: &FrameStats, at: WallTime) -> Option<Finding> {
        let what = self.suspect(now, at);
        if what.is_none() {
            self.learn(now, at);
        }
        let before = self.reported.filter(|r| *r != Condition::Moved);
        if what == before {
            self.suspicion = None;
            return None;
        }
        // The end needs several pictures too.
        let target = what.or(before)?;
        let suspicion = match &mut self.suspicion {
            Some(s) if s.what == target => s,
            other => other.insert(Suspicion { what: target, since: at, pictures: 0 }),
        };
        suspicion.pictures += 1;
        if suspicion.pictures < PICTURES || at.since(suspicion.since) < AT_LEAST {
            return None;
        }
        self.suspicion = None;
        self.reported = what;
        Some(match what {
            Some(Condition::Covered) => Finding::Covered,
            Some(Condition::Blinded) => Finding::Blinded,
            _ => Finding::Well,
        })
    }

    fn suspect(&self, now: &FrameStats, at: WallTime) -> Option<Condition> {
        if now.blinded >= BLINDED {
            return Some(Condition::Blinded);
        }
        if now.contrast < EVEN && now.mean > DARK {
            return Some(Condition::Covered);
        }
        let (usual, _) = self.usual.as_ref()?;
        let lost = now.contrast < LOST * usual.contrast && now.edges < LOST * usual.edges;
        let blurred = now.edges < BLURRED * usual.edges;
        // A suspicion that began suddenly stays sudden.
        let began = self.suspicion.filter(|s| s.what == Condition::Covered).map_or(at, |s| s.since);
        let sudden = self.clear.is_some_and(|clear| began.since(clear) <= SUDDEN);
        let stays = self.reported == Some(Condition::Covered);
        ((lost || blurred) && (sudden || stays) && usual.mean > DARK).then_some(Condition::Covered)
    }

    fn learn(&mut self, now: &FrameStats, at: WallTime) {
        let Some((usual, last)) = &mut self.usual else {
            (self.usual, self.clear) = (Some((*now, at)), Some(at));
            return;
        };
        let share = (at.since(*last).as_secs_f32() / USUAL.as_secs_f32()).min(1.0);
        let blend = |old: &mut f32, new: f32| *old += share * (new - *old);
        blend(&mut usual.mean, now.mean);
        blend(&mut usual.contrast, now.contrast);
        blend(&mut usual.edges, now.edges);
        *last = at;
        if now.contrast > 0.5 * usual.contrast && now.edges > 0.5 * usual.edges {
            self.clear = Some(at);
        }
    }

    /// Nudged, moved, or back where it was.
    fn check_position(&mut self, picture: &Picture, stats: &FrameStats, at: WallTime) -> Option<Finding> {
        let reference = self.reference.as_ref()?;
        let pause =
            if self.movements.is_empty() && self.failures == 0 { COMPARE_EVERY } else { COMPARE_AGAIN };
        if stats.mean <= DARK || self.compared.is_some_and(|last| at.since(last) < pause) {
            return None;
        }
        self.compared = Some(at);
        let now = gray(picture).and_then(|gray| Features::of(&gray).ok())?;
        let width = f64::from(reference.features.size[0]);
        let Some(movement) = compare(&reference.features, &now) else {
            self.movements.clear();
            self.failures += 1;
            if self.failures < FAILING {
                return None;
            }
            self.failures = 0;
            // Rain, snow and dusk hide features, but they also reduce brightness and edges.
            let (agreed, of, then) = self.agreed?;
            let alike = |a: f32, b: f32| a.min(b) >= ALIKE * a.max(b);
            let as_rich =
                alike(then.mean, stats.mean) && alike(then.edges, stats.edges) && now.points.len() >= of / 2;
            if agreed < CLEARLY_SEEN || !as_rich || self.reported.is_some() {
                return None;
            }
            self.agreed = None;
            return Some(self.report_moved(None));
        };
        self.failures = 0;
        self.agreed = Some((movement.agreeing, now.points.len(), *stats));
        let state = [movement.shift[0], movement.shift[1], movement.turn_deg.to_radians() * width / 2.0];
        let off = |a: &[f64; 3], b: &[f64; 3]| (0..3).map(|i| (a[i] - b[i]).powi(2)).sum::<f64>().sqrt();
        if self.reported != Some(Condition::Moved) && off(&state, &self.corrected) < NOTHING * width {
            self.movements.clear();
            return None;
        }
        self.movements.push(movement);
        if self.movements.len() < AGREEING {
            return None;
        }
        let mut taken = std::mem::take(&mut self.movements);
        taken.sort_by(|a, b| a.pixels().total_cmp(&b.pixels()));
        let middle = taken[taken.len() / 2];
        // In wind the comparisons disagree.
        if taken.iter().any(|m| (m.pixels() - middle.pixels()).abs() > 4.0 * NOTHING * width) {
            return None;
        }
        let small = middle.pixels() <= CORRECTED * width
            && middle.turn_deg.abs() <= CORRECTED_DEG
            && (middle.scale - 1.0).abs() <= 0.01;
        if !small {
            return (self.reported != Some(Condition::Moved)).then(|| self.report_moved(Some(middle)));
        }
        let back = self.reported == Some(Condition::Moved);
        self.reported = None;
        self.corrected = state;
        Some(if back && off(&state, &[0.0; 3]) < NOTHING * width {
            Finding::Well
        } else {
            Finding::Nudged(middle)
        })
    }

    fn report_moved(&mut self, movement: Option<Movement>) -> Finding {
        self.reported = Some(Condition::Moved);
        Finding::Moved(movement)
    }
}
