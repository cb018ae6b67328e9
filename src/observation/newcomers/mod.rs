//! What came into the view of a fixed camera and stays, though the detector does not see it. A second look
//! says what it is.

mod regions;
mod sizes;

use std::sync::Arc;
use std::time::Duration;

use super::gray_copy::{GrayCopy, cells_of};
use super::{Backdrop, Observation};
use crate::base::{ClassName, Rect, TrackId, WallTime};
use crate::decode::Likeness;
use crate::detect::Detection;
use crate::second_look::{CropAnswer, SecondLookManifest};
use sizes::Sizes;

/// It stays after this time.
const STAYS: Duration = Duration::from_secs(3);
/// Time between two questions about one.
const APART: Duration = Duration::from_secs(5);
/// So many answers are enough.
const ANSWERS: u32 = 3;
/// The most that are followed.
const MOST: usize = 16;
/// The same one overlaps its last box and looks as it did, by this correlation.
const SAME_PLACE: f32 = 0.5;
const SAME_LOOK: f32 = 0.6;
/// It is forgotten after so many looks without it.
const FORGOTTEN: u32 = 3;
/// A box of the detector that covers so much of one is the same thing.
const COVERED: f32 = 0.5;
/// The backdrop is known after so many pictures.
const LEARNED: u32 = 4;
/// Their numbers begin here, above those of tracks.
const FIRST: u64 = 1 << 40;

/// Follows what came, for one camera.
pub struct Newcomers {
    manifest: Arc<SecondLookManifest>,
    sizes: Sizes,
    followed: Vec<Newcomer>,
    next: u64,
}

struct Newcomer {
    id: TrackId,
    rect: Rect,
    since: WallTime,
    /// Its cells when it was first seen.
    cells: Vec<u8>,
    /// Looks without it in a row.
    missed: u32,
    /// The detector sees it as well.
    is_detected: bool,
    asked: Option<WallTime>,
    /// Sums of the answers' probabilities by class.
    sums: Vec<f32>,
    answers: u32,
}

impl Newcomers {
    pub fn new(manifest: Arc<SecondLookManifest>) -> Self {
        Self { manifest, sizes: Sizes::default(), followed: Vec::new(), next: FIRST }
    }

    /// Learns the size of vehicles and machines from those that are seen.
    pub fn learn<'a>(&mut self, vehicles: impl Iterator<Item = &'a Rect>, aspect: f32) {
        vehicles.for_each(|rect| self.sizes.learn(rect, aspect));
    }

    /// Follows them into an observation, and adds those that a second look has recognised to its detections.
    ///
    /// `fits`: may a thing with this box be a vehicle or machine by its size on the ground? `None`: not known.
    pub fn follow(
        &mut self,
        observation: &mut Observation,
        backdrop: Option<&Backdrop>,
        aspect: f32,
        fits: impl Fn(&Rect) -> Option<bool>,
    ) {
        let known = backdrop.filter(|backdrop| backdrop.looks() >= LEARNED);
        let (Some(gray), Some(backdrop)) = (&observation.gray, known) else { return };
        if !observation.visibility.is_clear() {
            return;
        }
        let detected = |rect: &Rect| {
            let covers =
                |d: &Detection| d.rect.intersection(rect) >= COVERED * rect.area().min(d.rect.area());
            observation.detections.iter().any(covers)
        };
        for newcomer in &mut self.followed {
            newcomer.is_detected = detected(&newcomer.rect);
        }
        if observation.is_new {
            let mut found = regions::find(gray, backdrop);
            found.retain(|rect| fits(rect).unwrap_or_else(|| self.sizes.fits(rect, aspect)));
            self.update(observation.at, gray, found, detected);
        }
        let recognised = self.followed.iter().filter(|n| n.missed == 0 && !n.is_detected);
        let recognised: Vec<Detection> =
            recognised.filter_map(|newcomer| newcomer.detection(&self.manifest)).collect();
        observation.detections.extend(recognised);
    }

    fn update(
        &mut self,
        at: WallTime,
        gray: &GrayCopy,
        mut found: Vec<Rect>,
        detected: impl Fn(&Rect) -> bool,
    ) {
        for newcomer in &mut self.followed {
            let same = |rect: &Rect| rect.iou(&newcomer.rect) >= SAME_PLACE;
            let here = found.iter().position(same).filter(|_| newcomer.looks_same(gray));
            match here {
                Some(i) => {
                    found.swap_remove(i);
                    newcomer.missed = 0;
                }
                None => newcomer.missed += 1,
            }
        }
        // What has not stayed yet passes by.
        self.followed.retain(|n| n.missed == 0 || (n.missed < FORGOTTEN && at.since(n.since) >= STAYS));
        for rect in found.into_iter().filter(|rect| !detected(rect)) {
            if self.followed.len() == MOST {
                return;
            }
            self.next += 1;
            self.followed.push(Newcomer {
                id: TrackId(self.next),
                rect,
                since: at,
                cells: cells(gray, &rect),
                missed: 0,
                is_detected: false,
                asked: None,
                sums: Vec::new(),
                answers: 0,
            });
        }
    }

    /// The one to look at in this picture, noted as asked: it stays, and the detector does not see it.
    pub fn question(&mut self, at: WallTime, is_new: bool) -> Option<(TrackId, Rect)> {
        let due = |n: &&mut Newcomer| {
            n.missed == 0
                && !n.is_detected
                && n.answers < ANSWERS
                && at.since(n.since) >= STAYS
                // The same picture gives the same answer.
                && (is_new || n.answers == 0)
                && n.asked.is_none_or(|asked| at.since(asked) >= APART)
        };
        let newcomer = self.followed.iter_mut().filter(due).min_by_key(|n| (n.asked, n.id))?;
        newcomer.asked = Some(at);
        Some((newcomer.id, newcomer.rect))
    }

    /// Takes an answer; `false`: it is about something else.
    pub fn answer(&mut self, answer: &CropAnswer) -> bool {
        if answer.track.0 < FIRST {
            return false;
        }
        if let Some(newcomer) = self.followed.iter_mut().find(|n| n.id == answer.track) {
            newcomer.sums.resize(answer.probabilities.len(), 0.0);
            newcomer.sums.iter_mut().zip(&answer.probabilities).for_each(|(sum, p)| *sum += p);
            newcomer.answers += 1;
        }
        true
    }
}

impl Newcomer {
    fn looks_same(&self, gray: &GrayCopy) -> bool {
        let pairs = self.cells.iter().zip(cells(gray, &self.rect));
        let likeness = Likeness::of(pairs.map(|(before, now)| (f32::from(*before), f32::from(now))));
        likeness.correlation.is_none_or(|likeness| likeness >= SAME_LOOK)
    }

    /// As the detector would have seen it. `None`: the answers do not say surely enough what it is.
    fn detection(&self, manifest: &SecondLookManifest) -> Option<Detection> {
        let means: Vec<f32> = self.sums.iter().map(|sum| sum / self.answers.max(1) as f32).collect();
        let (class, _) = manifest.likeliest(&means)?;
        let score = manifest.probability_of_kind(&means, class);
        let sure = manifest.bounds(class).is_some_and(|bounds| score >= bounds.confirm);
        let class: ClassName = class.clone();
        let (rect, there_since) = (self.rect, Some(self.since));
        sure.then_some(Detection { class, score, rect, scale: 0.0, there_since })
    }
}

/// The cells of a box.
fn cells(gray: &GrayCopy, rect: &Rect) -> Vec<u8> {
    let Some((columns, rows)) = cells_of(rect) else { return Vec::new() };
    rows.flat_map(|row| gray.row(row)[columns.clone()].iter().copied()).collect()
}

#[cfg(test)]
mod tests;
