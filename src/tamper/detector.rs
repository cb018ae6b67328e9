//! Several looks in a row: what is a lorry, what is the night, and what is a hand.

use std::time::Duration;

use super::frame_stats::{FrameStats, gray};
use super::movement::{Movement, compare};
use crate::base::WallTime;
use crate::calibration::Features;
use crate::decode::Picture;

/// Looks in a row, and how long they must span, before anything is told.
const LOOKS: u32 = 5;
const AT_LEAST: Duration = Duration::from_secs(20);
/// A view that loses this much of its contrast and edges against what is usual has lost it.
const LOST: f32 = 0.3;
/// Out of focus, or behind frosted plastic, contrast stays and edges go.
const BLURRED: f32 = 0.2;
/// It counts as sudden if it was there this shortly before.
const SUDDEN: Duration = Duration::from_secs(90);
/// What is usual follows what is seen with this time constant.
const USUAL: Duration = Duration::from_secs(600);
/// Nothing in the world is as even as this, but what hangs before a lens.
const EVEN: f32 = 2.0;
/// Darker than this nothing can be told from the night.
const DARK: f32 = 24.0;
/// Share of the picture that a light must blind.
const BLINDED: f32 = 0.6;

/// Between two comparisons with the reference, and between those that are to settle a suspicion.
const COMPARE_EVERY: Duration = Duration::from_secs(300);
const COMPARE_AGAIN: Duration = Duration::from_secs(20);
/// Comparisons in a row that must agree, and that must fail.
const AGREEING: usize = 3;
const FAILING: u32 = 4;
/// After so many agreeing features a failure is no nightfall.
const CLEARLY_SEEN: usize = 80;
/// Light and edges that differ by no more than this are those of the same weather and hour.
const ALIKE: f32 = 0.7;
/// Movements of the picture up to this share of its width, turns up to this, are corrected; with less nothing is done.
const CORRECTED: f64 = 0.05;
const CORRECTED_DEG: f64 = 2.0;
const NOTHING: f64 = 0.0008;

/// What was found out, told once each time it changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Finding {
    /// A small movement of the picture against the reference, which can be reckoned out.
    Nudged(Movement),
    /// A large one; `None`: nothing of the reference is found any more.
    Moved(Option<Movement>),
    /// Something even or blurred is before the lens.
    Covered,
    /// A light blinds it.
    Blinded,
    /// It sees again, or stands as it did.
    Well,
}

/// What a camera saw when it was calibrated.
pub struct Reference {
    pub features: Features,
}

/// Watches one camera.
pub struct TamperDetector {
    reference: Option<Reference>,
    usual: Option<(FrameStats, WallTime)>,
    /// When the view was last as usual.
    clear: Option<WallTime>,
    suspicion: Option<Suspicion>,
    told: Option<Told>,
    compared: Option<WallTime>,
    /// The newest movements, all different from what was told.
    movements: Vec<Movement>,
    failures: u32,
    /// Features that agreed when the reference was last found, out of so many, and how the picture was then.
    agreed: Option<(usize, usize, FrameStats)>,
    /// The movement that positions are corrected by.
    corrected: [f64; 3],
}

#[derive(Clone, Copy)]
struct Suspicion {
    what: Told,
    since: WallTime,
    looks: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
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
            told: None,
            compared: None,
            movements: Vec::new(),
            failures: 0,
            agreed: None,
            corrected: [0.0; 3],
        }
    }

    /// The next picture of the camera.
    pub fn inspect(&mut self, picture: &Picture) -> Option<Finding> {
        let at = picture.capture.at;
        let glance = FrameStats::of(picture);
        if let Some(found) = self.sees(&glance, at) {
            return Some(found);
        }
        if self.suspicion.is_some() || matches!(self.told, Some(Told::Covered | Told::Blinded)) {
            return None;
        }
        self.stands(picture, &glance, at)
    }

    /// Covered, blinded, or well again.
    fn sees(&mut self, now: &FrameStats, at: WallTime) -> Option<Finding> {
        let what = self.suspect(now, at);
        if what.is_none() {
            self.learn(now, at);
        }
        let before = self.told.filter(|told| *told != Told::Moved);
        if what == before {
            self.suspicion = None;
            return None;
        }
        // Also back to normal: the lorry may only just have passed behind the bag.
        let target = what.or(before)?;
        let suspicion = match &mut self.suspicion {
            Some(s) if s.what == target => s,
            other => other.insert(Suspicion { what: target, since: at, looks: 0 }),
        };
        suspicion.looks += 1;
        if suspicion.looks < LOOKS || at.since(suspicion.since) < AT_LEAST {
            return None;
        }
        self.suspicion = None;
        self.told = what;
        Some(match what {
            Some(Told::Covered) => Finding::Covered,
            Some(Told::Blinded) => Finding::Blinded,
            _ => Finding::Well,
        })
    }

    fn suspect(&self, now: &FrameStats, at: WallTime) -> Option<Told> {
        if now.blinded >= BLINDED {
            return Some(Told::Blinded);
        }
        if now.contrast < EVEN && now.mean > DARK {
            return Some(Told::Covered);
        }
        let (usual, _) = self.usual.as_ref()?;
        let lost = now.contrast < LOST * usual.contrast && now.edges < LOST * usual.edges;
        let blurred = now.edges < BLURRED * usual.edges;
        // What has been suspected since it came suddenly stays suspected.
        let began = self.suspicion.filter(|s| s.what == Told::Covered).map_or(at, |s| s.since);
        let sudden = self.clear.is_some_and(|clear| began.since(clear) <= SUDDEN);
        let stays = self.told == Some(Told::Covered);
        ((lost || blurred) && (sudden || stays) && usual.mean > DARK).then_some(Told::Covered)
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
    fn stands(&mut self, picture: &Picture, glance: &FrameStats, at: WallTime) -> Option<Finding> {
        let reference = self.reference.as_ref()?;
        let pause =
            if self.movements.is_empty() && self.failures == 0 { COMPARE_EVERY } else { COMPARE_AGAIN };
        if glance.mean <= DARK || self.compared.is_some_and(|last| at.since(last) < pause) {
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
            // Rain, snow and dusk take features away, and light and contrast with them.
            let (agreed, of, then) = self.agreed?;
            let alike = |a: f32, b: f32| a.min(b) >= ALIKE * a.max(b);
            let as_rich = alike(then.mean, glance.mean)
                && alike(then.edges, glance.edges)
                && now.points.len() >= of / 2;
            if agreed < CLEARLY_SEEN || !as_rich || self.told.is_some() {
                return None;
            }
            self.agreed = None;
            return Some(self.tell_moved(None));
        };
        self.failures = 0;
        self.agreed = Some((movement.agreeing, now.points.len(), *glance));
        let state = [movement.shift[0], movement.shift[1], movement.turn_deg.to_radians() * width / 2.0];
        let off = |a: &[f64; 3], b: &[f64; 3]| (0..3).map(|i| (a[i] - b[i]).powi(2)).sum::<f64>().sqrt();
        if self.told != Some(Told::Moved) && off(&state, &self.corrected) < NOTHING * width {
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
        // Wind: the three say different things.
        if taken.iter().any(|m| (m.pixels() - middle.pixels()).abs() > 4.0 * NOTHING * width) {
            return None;
        }
        let small = middle.pixels() <= CORRECTED * width
            && middle.turn_deg.abs() <= CORRECTED_DEG
            && (middle.scale - 1.0).abs() <= 0.01;
        if !small {
            return (self.told != Some(Told::Moved)).then(|| self.tell_moved(Some(middle)));
        }
        let back = self.told == Some(Told::Moved);
        self.told = None;
        self.corrected = state;
        Some(if back && off(&state, &[0.0; 3]) < NOTHING * width {
            Finding::Well
        } else {
            Finding::Nudged(middle)
        })
    }

    fn tell_moved(&mut self, movement: Option<Movement>) -> Finding {
        self.told = Some(Told::Moved);
        Finding::Moved(movement)
    }
}
