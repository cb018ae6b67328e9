//! ByteTrack (Zhang et al. 2022) for pictures at any spacing.
//!
//! Four rounds of assignment, each over what the previous one left unmatched:
//!
//! 1. standing tracks with any detection at their position;
//! 2. all tracks with strong detections, by overlap;
//! 3. all tracks with weak detections, by overlap;
//! 4. moving tracks with strong detections, by distance from the predicted position. After seconds the boxes
//!    of moving objects no longer overlap.

use std::time::Duration;

use super::assign::assign;
use super::kalman::{BoxFilter, size};
use super::types::Track;
use crate::base::{ClassKinds, ClassName, Rect, TrackId, WallTime};
use crate::config::TrackConfig;
use crate::detect::Detection;
use crate::motion::Motion;

/// Smallest overlap (intersection over union) at which a strong detection may continue a track, as in
/// ByteTrack.
const STRONG_IOU: f32 = 0.2;
/// The same for weak detections and for standing tracks.
const FIRM_IOU: f32 = 0.5;
/// Two boxes of confusable classes that overlap more are one object detected twice.
const DUPLICATE_IOU: f32 = 0.7;
/// A detection that overlaps a standing object this much belongs to it.
const OCCUPIED_IOU: f32 = 0.3;
/// A track counts as standing after this long without motion and this many detections.
const STANDING: (Duration, u32) = (Duration::from_secs(2), 3);
/// How far from its prediction an object may appear, in sizes of the object: at once, growth per second,
/// maximum.
const REACH: (f64, f64, f64) = (0.5, 1.0, 3.0);
/// Longest gap in seconds for the match by distance.
const MAX_REACH_GAP: f64 = 5.0;
/// Share of its size that an object may shift and still count as still.
const STILL_SHIFT: f32 = 0.5;

/// Share of the distance by which a compensated anchor moves towards its object with each picture. An object
/// that moves by more than a fortieth of its size per picture still counts as moving.
const ANCHOR_DRIFT: f32 = 0.05;

/// Tracks the objects of one camera. Keeps the live tracks only.
pub struct Tracker {
    config: TrackConfig,
    kinds: ClassKinds,
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
    /// Consecutive pictures without a detection of it.
    misses: u32,
}

impl Tracker {
    pub fn new(config: TrackConfig) -> Self {
        Self { config, kinds: ClassKinds::default(), live: Vec::new(), next_id: 1, last_at: None }
    }

    /// Sets the kinds of the model's classes. By default the kinds are derived from the names.
    #[must_use]
    pub fn with_class_kinds(mut self, kinds: ClassKinds) -> Self {
        self.kinds = kinds;
        self
    }

    /// Updates the tracks with one picture's detections, in any order. Returns all live tracks by rising id,
    /// including those without a detection in this picture.
    ///
    /// If the clock steps back, the times of all tracks step back with it, which keeps their durations.
    pub fn update(&mut self, at: WallTime, detections: &[Detection]) -> Vec<Track> {
        let gap = self.advance(at);
        let seen = distinct(detections, self.config.low_score, &self.kinds);
        let mut free = Unmatched { tracks: vec![true; self.live.len()], detections: vec![true; seen.len()] };
        let high = self.config.high_score;
        let pairs = self.associate(at, gap, &seen, &mut free, high);
        for (track, detection) in pairs {
            self.live[track].correct(at, seen[detection]);
        }
        for (live, _) in self.live.iter_mut().zip(&free.tracks).filter(|(_, free)| **free) {
            live.track.seen_now = false;
            live.misses += 1;
        }
        for (detection, _) in seen.iter().zip(&free.detections).filter(|(d, free)| **free && d.score >= high)
        {
            self.live.push(LiveTrack::new(TrackId(self.next_id), at, detection));
            self.next_id += 1;
        }
        self.live.iter().map(|l| l.track.clone()).collect()
    }

    /// Compensates the motion of the camera since the last picture: moves all tracks with the ground under
    /// them. Call it before the picture's [`update`](Self::update). An object that stood still on the ground
    /// still does.
    pub fn compensate(&mut self, motion: &Motion) {
        self.live.retain_mut(|live| live.compensate(motion).is_some());
    }

    /// Ends all tracks, because the camera moved in an unknown way.
    pub fn forget(&mut self) {
        self.live.clear();
    }

    /// Drops the tracks that were not seen for too long and predicts the others. Returns the seconds since
    /// the last picture.
    fn advance(&mut self, at: WallTime) -> f64 {
        let last = self.last_at.replace(at).unwrap_or(at);
        let back = last.since(at);
        let gap = at.since(last).as_secs_f64();
        let max_gap = self.config.max_gap;
        for live in &mut self.live {
            let t = &mut live.track;
            for time in [&mut t.first_seen, &mut t.last_seen, &mut t.still_since] {
                *time = *time - back;
            }
            live.filter.predict(gap);
        }
        self.live.retain(|l| at.since(l.track.last_seen) <= max_gap);
        gap
    }

    fn associate(
        &self,
        at: WallTime,
        gap: f64,
        seen: &[&Detection],
        free: &mut Unmatched,
        high: f32,
    ) -> Vec<(usize, usize)> {
        let live = &self.live;
        let predicted: Vec<Rect> = live.iter().map(|l| l.filter.rect()).collect();
        let standing: Vec<bool> = live.iter().map(|l| l.is_standing(at)).collect();
        let fits = |t: usize, d: usize| self.kinds.may_be_confused(&live[t].track.class, &seen[d].class);
        let strong = |d: usize| seen[d].score >= high;
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
        let duplicate =
            |k: &&Detection| kinds.may_be_confused(&k.class, &d.class) && k.rect.iou(&d.rect) > DUPLICATE_IOU;
        if !kept.iter().any(duplicate) {
            kept.push(d);
        }
    }
    kept
}

impl LiveTrack {
    fn new(id: TrackId, at: WallTime, d: &Detection) -> Self {
        Self {
            track: Track {
                id,
                class: d.class.clone(),
                rect: d.rect,
                score: d.score,
                first_seen: at,
                last_seen: at,
                still_since: at,
                hits: 1,
                seen_now: true,
                ground: None,
            },
            filter: BoxFilter::new(&d.rect),
            votes: vec![(d.class.clone(), d.score)],
            anchor: d.rect,
            compensated: false,
            misses: 0,
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

    fn correct(&mut self, at: WallTime, d: &Detection) {
        self.filter.correct(&d.rect, d.score);
        self.vote(d);
        if moved(&self.anchor, &d.rect) {
            self.anchor = d.rect;
            self.track.still_since = at;
        } else if self.compensated {
            self.anchor = self.anchor.towards(&d.rect, ANCHOR_DRIFT);
        }
        let t = &mut self.track;
        (t.rect, t.score, t.last_seen, t.seen_now) = (d.rect, d.score, at, true);
        t.hits = t.hits.saturating_add(1);
        self.misses = 0;
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
