//! ByteTrack (Zhang et al. 2022) for pictures at any spacing.
//!
//! Four rounds of assignment, each over what the previous one left unmatched:
//!
//! 1. standing tracks with any detection at their position;
//! 2. all tracks with strong detections, by overlap;
//! 3. all tracks with weak detections, by overlap;
//! 4. moving tracks with strong detections, by distance from the predicted position. After seconds the boxes
//!    of moving objects no longer overlap.

use std::collections::BTreeMap;
use std::time::Duration;

use super::assign::assign;
use super::kalman::{BoxFilter, size};
use super::types::Track;
use crate::base::{ClassKinds, ClassName, Rect, TrackId, WallTime};
use crate::config::TrackConfig;
use crate::detect::Detection;
use crate::motion::Motion;
use crate::observation::Observation;

/// Smallest overlap (intersection over union) at which a strong detection may continue a track, as in
/// ByteTrack.
const STRONG_IOU: f32 = 0.2;
/// The same for weak detections and for standing tracks.
const FIRM_IOU: f32 = 0.5;
/// Two boxes of confusable classes that overlap more are one object detected twice. Boxes of the same class
/// have passed the detector's own suppression.
const DUPLICATE_IOU: f32 = 0.7;
const DUPLICATE_IOU_OTHER: f32 = 0.5;
/// So is a box of another class that lies within one up to this many times its size, by this share.
const DUPLICATE_PART: (f32, f32) = (0.85, 2.0);
/// A detection that overlaps a standing object this much belongs to it.
const OCCUPIED_IOU: f32 = 0.3;
/// A track counts as standing after this long without motion and this many detections.
const STANDING: (Duration, u32) = (Duration::from_secs(2), 3);
/// How far from its prediction an object may appear, in sizes of the object: at once, growth per second,
/// maximum.
const REACH: (f64, f64, f64) = (0.5, 1.0, 3.0);
/// Longest gap in seconds for the match by distance.
const MAX_REACH_GAP: f64 = 5.0;
/// A track that so many looks in a row, over so long, did not find may have left and come back.
const AWAY: (u32, Duration) = (2, Duration::from_secs(8));
/// Share of its size that an object may shift and still count as still.
const STILL_SHIFT: f32 = 0.5;

/// Share of the distance by which a compensated anchor moves towards its object with each picture. An object
/// that moves by more than a fortieth of its size per picture still counts as moving.
const ANCHOR_DRIFT: f32 = 0.05;

/// Tracks the objects of one camera. Keeps the live tracks only.
pub struct Tracker {
    config: TrackConfig,
    kinds: ClassKinds,
    /// The model's score thresholds: a weaker class may start a track below `high_score`.
    thresholds: BTreeMap<ClassName, f32>,
    live: Vec<LiveTrack>,
    next_id: u64,
    last_at: Option<WallTime>,
}

struct LiveTrack {
    track: Track,
    filter: BoxFilter,
    /// Sum of scores by class.
    votes: Vec<(ClassName, f32)>,
    /// The reference box for stillness.
    anchor: Rect,
    /// The camera has moved: the anchor carries the errors of the compensation.
    compensated: bool,
    /// Looks at its place in a row that did not find it, and the time over which they spread.
    misses: u32,
    missing: Duration,
    /// Of the closest look that has seen it, as [`Track::scale`].
    closest: f32,
}

impl Tracker {
    pub fn new(config: TrackConfig) -> Self {
        let (kinds, thresholds, live) = (ClassKinds::default(), BTreeMap::new(), Vec::new());
        Self { config, kinds, thresholds, live, next_id: 1, last_at: None }
    }

    /// Sets the kinds of the model's classes. By default the kinds are derived from the names.
    #[must_use]
    pub fn with_class_kinds(mut self, kinds: ClassKinds) -> Self {
        self.kinds = kinds;
        self
    }

    /// Sets the model's score thresholds. A class whose threshold is below `high_score` starts tracks from
    /// there on.
    #[must_use]
    pub fn with_thresholds(mut self, thresholds: BTreeMap<ClassName, f32>) -> Self {
        self.thresholds = thresholds;
        self
    }

    /// Like [`observe`](Self::observe), for detections of which nothing else is known: all of the picture was
    /// looked at.
    pub fn update(&mut self, at: WallTime, detections: &[Detection]) -> Vec<Track> {
        let gap = self.last_at.map_or(Duration::ZERO, |last| at.since(last));
        let watched = if gap <= self.config.max_gap { gap } else { Duration::ZERO };
        self.observe(&Observation::clear(at, watched, detections.to_vec()))
    }

    /// Updates the tracks with one observation. Returns all live tracks, including those not seen now, by
    /// rising id.
    ///
    /// A track whose place was not looked at, or cannot be seen, is neither seen nor missed. If the clock
    /// steps back, the times of all tracks move back with it, so that durations stay.
    pub fn observe(&mut self, observation: &Observation) -> Vec<Track> {
        let at = observation.at;
        let gap = self.advance(at);
        if gap > self.config.max_gap && observation.watched < gap {
            self.live.clear();
        }
        self.live.iter_mut().for_each(|live| live.track.seen_now = false);
        if observation.visibility.is_clear() {
            self.match_detections(observation, gap);
        }
        self.live.iter().map(|l| l.track.clone()).collect()
    }

    fn match_detections(&mut self, observation: &Observation, gap: Duration) {
        let at = observation.at;
        let seen = distinct(&observation.detections, self.config.low_score, &self.kinds);
        let mut free = Unmatched { tracks: vec![true; self.live.len()], detections: vec![true; seen.len()] };
        let pairs = self.associate(at, gap.as_secs_f64(), &seen, &mut free);
        for (track, detection) in pairs {
            self.live[track].correct(at, seen[detection], observation.is_new);
        }
        for (live, _) in self.live.iter_mut().zip(&free.tracks).filter(|(_, free)| **free) {
            if observation.looked_at(&live.track.rect, live.closest) {
                live.misses += 1;
                live.missing += gap;
            }
        }
        // At long intervals one miss may be a flicker.
        let max_gap = self.config.max_gap;
        self.live.retain(|live| live.misses < 2 || live.missing <= max_gap);
        for (detection, _) in seen.iter().zip(&free.detections).filter(|(_, free)| **free) {
            if observation.is_new && detection.score >= self.strong(&detection.class) {
                self.live.push(LiveTrack::new(TrackId(self.next_id), at, detection));
                self.next_id += 1;
            }
        }
    }

    /// The least score that starts a track of the class.
    fn strong(&self, class: &ClassName) -> f32 {
        let own = self.thresholds.get(class).copied().unwrap_or(self.config.high_score);
        own.min(self.config.high_score).max(self.config.low_score)
    }

    /// Compensates the motion of the camera since the last picture: moves all tracks with the ground under
    /// them. Call it before the picture's [`observe`](Self::observe). An object that stood still on the
    /// ground still does.
    pub fn compensate(&mut self, motion: &Motion) {
        self.live.retain_mut(|live| live.compensate(motion).is_some());
    }

    /// Ends all tracks, because the camera moved in an unknown way.
    pub fn forget(&mut self) {
        self.live.clear();
    }

    /// Predicts all tracks. Returns the time since the last picture.
    fn advance(&mut self, at: WallTime) -> Duration {
        let last = self.last_at.replace(at).unwrap_or(at);
        let back = last.since(at);
        let gap = at.since(last);
        for live in &mut self.live {
            let t = &mut live.track;
            for time in [&mut t.first_seen, &mut t.last_seen, &mut t.still_since, &mut t.found_since] {
                *time = *time - back;
            }
            live.filter.predict(gap.as_secs_f64());
        }
        gap
    }

    fn associate(
        &self,
        at: WallTime,
        gap: f64,
        seen: &[&Detection],
        free: &mut Unmatched,
    ) -> Vec<(usize, usize)> {
        let live = &self.live;
        let predicted: Vec<Rect> = live.iter().map(|l| l.filter.rect()).collect();
        let standing: Vec<bool> = live.iter().map(|l| l.is_standing(at)).collect();
        let fits = |t: usize, d: usize| self.kinds.may_be_confused(&live[t].track.class, &seen[d].class);
        let strong = |d: usize| seen[d].score >= self.strong(&seen[d].class);
        let in_position = |t: usize, d: usize| live[t].track.rect.iou(&seen[d].rect);
        let overlap = |t: usize, d: usize| in_position(t, d).max(predicted[t].iou(&seen[d].rect));
        let cost = |iou: f32, least: f32| (iou >= least).then(|| f64::from(1.0 - iou));

        let mut pairs = free.round(|t, d| {
            let weak = if strong(d) { 0.0 } else { 0.2 };
            (standing[t] && fits(t, d))
                .then(|| in_position(t, d))
                .and_then(|iou| cost(iou, FIRM_IOU))
                .map(|c| c + weak)
        });
        pairs.extend(free.round(|t, d| {
            (strong(d) && fits(t, d)).then(|| overlap(t, d)).and_then(|iou| cost(iou, STRONG_IOU))
        }));
        pairs.extend(free.round(|t, d| {
            (live[t].misses == 0 && fits(t, d)).then(|| overlap(t, d)).and_then(|iou| cost(iou, FIRM_IOU))
        }));
        if gap <= MAX_REACH_GAP {
            let occupied: Vec<bool> = (0..seen.len())
                .map(|d| {
                    (0..live.len()).any(|t| standing[t] && fits(t, d) && in_position(t, d) >= OCCUPIED_IOU)
                })
                .collect();
            pairs.extend(free.round(|t, d| {
                let moving = !standing[t] && live[t].misses <= 1;
                let may = moving && strong(d) && !occupied[d] && fits(t, d);
                may.then(|| reach(&predicted[t], &live[t].track.rect, &seen[d].rect, gap)).flatten()
            }));
        }
        pairs
    }
}

/// Distance of `found` from `predicted` as a share of the largest plausible distance after `gap` seconds, 0
/// to 1. `None` if it is too far away or its size differs too much.
fn reach(predicted: &Rect, last: &Rect, found: &Rect, gap: f64) -> Option<f64> {
    let ratio = found.area() / last.area().max(1e-9);
    if !(0.4..=2.5).contains(&ratio) {
        return None;
    }
    let (a, b) = (predicted.center(), found.center());
    let off = f64::from((a.x - b.x).hypot(a.y - b.y)) / size(last);
    let share = off / (REACH.0 + REACH.1 * gap).min(REACH.2);
    (share <= 1.0).then_some(share)
}

/// Tracks and detections that no round has matched yet.
struct Unmatched {
    tracks: Vec<bool>,
    detections: Vec<bool>,
}

impl Unmatched {
    fn round(&mut self, cost: impl Fn(usize, usize) -> Option<f64>) -> Vec<(usize, usize)> {
        let open = |flags: &[bool]| -> Vec<usize> { (0..flags.len()).filter(|i| flags[*i]).collect() };
        let (tracks, detections) = (open(&self.tracks), open(&self.detections));
        let pairs = assign(tracks.len(), detections.len(), |t, d| cost(tracks[t], detections[d]));
        let pairs: Vec<_> = pairs.into_iter().map(|(t, d)| (tracks[t], detections[d])).collect();
        for &(t, d) in &pairs {
            (self.tracks[t], self.detections[d]) = (false, false);
        }
        pairs
    }
}

/// Usable detections, best first, without duplicates of an object under a confusable class.
fn distinct<'a>(detections: &'a [Detection], low: f32, kinds: &ClassKinds) -> Vec<&'a Detection> {
    let finite = |r: &Rect| [r.x0, r.y0, r.x1, r.y1].iter().all(|v| v.is_finite()) && r.area() > 0.0;
    let mut best: Vec<&Detection> =
        detections.iter().filter(|d| d.score >= low && d.score.is_finite() && finite(&d.rect)).collect();
    best.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<&Detection> = Vec::with_capacity(best.len());
    for d in best {
        let duplicate = |k: &&Detection| {
            kinds.may_be_confused(&k.class, &d.class)
                && if k.class == d.class {
                    k.rect.iou(&d.rect) > DUPLICATE_IOU
                } else {
                    is_one(&k.rect, &d.rect)
                }
        };
        if !kept.iter().any(duplicate) {
            kept.push(d);
        }
    }
    kept
}

/// Are two boxes of confusable classes on one object?
fn is_one(a: &Rect, b: &Rect) -> bool {
    let (less, more) = (a.area().min(b.area()), a.area().max(b.area()));
    let (share, times) = DUPLICATE_PART;
    a.iou(b) > DUPLICATE_IOU_OTHER || (a.intersection(b) >= share * less && more <= times * less)
}

impl LiveTrack {
    fn new(id: TrackId, at: WallTime, d: &Detection) -> Self {
        let since = d.there_since.map_or(at, |since| since.min(at));
        Self {
            track: Track {
                id,
                class: d.class.clone(),
                rect: d.rect,
                score: d.score,
                first_seen: at,
                last_seen: at,
                still_since: since,
                found_since: since,
                hits: 1,
                seen_now: true,
                scale: d.scale,
                ground: None,
            },
            filter: BoxFilter::new(&d.rect),
            votes: vec![(d.class.clone(), d.score)],
            anchor: d.rect,
            compensated: false,
            misses: 0,
            missing: Duration::ZERO,
            closest: d.scale,
        }
    }

    /// Moves the track by the camera's motion. `None` if it is behind the camera now.
    fn compensate(&mut self, motion: &Motion) -> Option<()> {
        let predicted = self.filter.rect();
        let c = predicted.center();
        let steps = motion.steps_at([f64::from(c.x), f64::from(c.y)])?;
        self.filter.compensate(&motion.rect(&predicted)?, steps);
        self.track.rect = motion.rect(&self.track.rect)?;
        self.anchor = motion.rect(&self.anchor)?;
        self.compensated = true;
        Some(())
    }

    fn is_standing(&self, at: WallTime) -> bool {
        self.track.hits >= STANDING.1 && at.since(self.track.still_since) >= STANDING.0
    }

    /// `new`: the detector ran for it. A repeated answer only shows that it is still there.
    fn correct(&mut self, at: WallTime, d: &Detection, new: bool) {
        self.filter.correct(&d.rect, d.score);
        if new {
            self.vote(d);
        }
        if moved(&self.anchor, &d.rect) {
            self.anchor = d.rect;
            self.track.still_since = at;
        } else if self.compensated {
            self.anchor = self.anchor.towards(&d.rect, ANCHOR_DRIFT);
        }
        let t = &mut self.track;
        if self.misses >= AWAY.0 && self.missing >= AWAY.1 {
            t.found_since = at;
        }
        (t.rect, t.score, t.last_seen, t.seen_now) = (d.rect, d.score, at, true);
        t.hits = t.hits.saturating_add(u32::from(new));
        t.scale = d.scale;
        self.closest = self.closest.max(d.scale);
        (self.misses, self.missing) = (0, Duration::ZERO);
    }

    fn vote(&mut self, d: &Detection) {
        match self.votes.iter_mut().find(|v| v.0 == d.class) {
            Some(v) => v.1 += d.score,
            None => self.votes.push((d.class.clone(), d.score)),
        }
        // The first of equals wins, so a tie does not change the class.
        let mut lead = &self.votes[0];
        for v in &self.votes[1..] {
            if v.1 > lead.1 {
                lead = v;
            }
        }
        self.track.class = lead.0.clone();
    }
}

/// True if the box moved by more than half its size along either axis. The larger box is the measure: an
/// object that is partly hidden for a while has not moved.
fn moved(from: &Rect, to: &Rect) -> bool {
    let (a, b) = (from.center(), to.center());
    (a.x - b.x).abs() > STILL_SHIFT * from.width().max(to.width())
        || (a.y - b.y).abs() > STILL_SHIFT * from.height().max(to.height())
}
