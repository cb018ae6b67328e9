//! One camera's observations, one after another.

use std::collections::VecDeque;
use std::time::Duration;

use super::visibility::{Usual, judge};
use super::{Backdrop, GrayCopy, Poor, Visibility};
use crate::base::{Rect, WallTime};
use crate::decode::{FrameStats, Picture, Thumbnail};
use crate::detect::{Detection, Detections, Looked};

/// A thing may have been missed if its place was looked at less closely than this share of how it was seen.
pub const AS_CLOSE: f32 = 0.7;
/// A part shows a place if it holds this share of it.
const HOLDS: f32 = 0.9;
/// The time between two pictures is watched if it is no longer than this, or than so many usual spaces.
const WATCHED: Duration = Duration::from_secs(30);
const WATCHED_SPACES: u32 = 3;
/// Spaces between pictures from which the usual one is taken.
const SPACES: usize = 9;
/// For this long the same picture is no new evidence.
const REPEATED: Duration = Duration::from_secs(20);
/// Another view is seen when a smaller share of the blocks shows its place.
const OTHER_VIEW: f32 = 0.3;
/// Below the first the colours are those of infrared light, above the second of day; in between it stays as
/// it was.
const INFRARED: (f32, f32) = (1.2, 2.5);
/// Another view that lasts this long is the camera's own from then on.
const ADOPTED: Duration = Duration::from_secs(1800);
/// A backdrop of fewer pictures cannot judge the view.
const LEARNED: u32 = 3;

/// What a camera's picture shows, and how well.
#[derive(Clone, Debug)]
pub struct Observation {
    /// Capture time.
    pub at: WallTime,
    /// Time since the last observation in which the place was watched: zero after a gap, and while it cannot
    /// be seen.
    pub watched: Duration,
    pub visibility: Visibility,
    /// The parts on which the detector ran for this picture.
    pub looked: Looked,
    /// It is evidence of its own: the detector ran, and the picture is not the same as that of the last
    /// evidence.
    pub is_new: bool,
    /// What was found. Repeated if the detector did not run.
    pub detections: Vec<Detection>,
    /// The camera has begun to show another view for good. Nothing that was known of places holds any more.
    pub new_view: bool,
    /// Of the picture; `None` if it is not at hand.
    pub stats: Option<FrameStats>,
    /// `None` without pixels, and for a camera that moves.
    pub gray: Option<GrayCopy>,
    /// Of a fixed camera: the share of its view that shows its usual place.
    pub view: Option<f32>,
}

impl Observation {
    /// An observation by which everything was looked at closely and seen clearly, for pictures that are not
    /// at hand.
    pub fn clear(at: WallTime, watched: Duration, detections: Vec<Detection>) -> Self {
        let visibility = Visibility::Clear;
        let looked = Looked::everything();
        let (is_new, new_view) = (true, false);
        let (stats, gray, view) = (None, None, None);
        Self { at, watched, visibility, looked, is_new, detections, new_view, stats, gray, view }
    }

    /// Was the place looked at in this picture, as closely as a thing there that was seen at `scale`?
    pub fn looked_at(&self, rect: &Rect, scale: f32) -> bool {
        let Looked::At(parts) = &self.looked else { return false };
        self.visibility.is_clear()
            && parts.iter().any(|part| {
                let held = part.rect.intersection(rect) >= HOLDS * rect.area();
                held && part.scale >= AS_CLOSE * scale
            })
    }
}

/// Makes the observations of one camera.
pub struct Observer {
    /// Shortest space between pictures that is usual by the config.
    interval: Duration,
    /// By day and under infrared light. `None`: the camera moves, or has shown nothing of the kind yet.
    backdrops: [Option<Backdrop>; 2],
    infrared: bool,
    fixed: bool,
    usual: Option<Usual>,
    last: Option<(WallTime, bool)>,
    spaces: VecDeque<Duration>,
    /// The picture of the last evidence.
    evidence: Option<(WallTime, Thumbnail)>,
    /// Since when it has shown another view.
    astray: Option<WallTime>,
}

impl Observer {
    /// `fixed`: the camera's view stays. `interval`: how often a picture is wanted.
    pub fn new(fixed: bool, interval: Duration) -> Self {
        Self {
            interval,
            backdrops: [None, None],
            infrared: false,
            fixed,
            usual: None,
            last: None,
            spaces: VecDeque::with_capacity(SPACES),
            evidence: None,
            astray: None,
        }
    }

    /// How the place usually looks. `None`: the camera moves, or has shown nothing yet.
    pub fn backdrop(&self) -> Option<&Backdrop> {
        self.backdrops[usize::from(self.infrared)].as_ref()
    }

    /// Continues with the backdrops from before: by day, and under infrared light.
    pub fn put_backdrops(&mut self, backdrops: [Option<Backdrop>; 2]) {
        if self.fixed {
            self.backdrops = backdrops;
        }
    }

    /// For a restart: by day, and under infrared light.
    pub fn backdrops(&self) -> &[Option<Backdrop>; 2] {
        &self.backdrops
    }

    /// How long the camera has shown another view.
    pub fn astray(&self, at: WallTime) -> Option<Duration> {
        self.astray.map(|since| at.since(since))
    }

    /// Observes the camera's next picture.
    pub fn observe(&mut self, seen: &Detections) -> Observation {
        let picture = &*seen.picture;
        let at = picture.capture.at;
        let stats = FrameStats::of(picture);
        let gray = if self.fixed { GrayCopy::of(picture) } else { None };
        if stats.colour < INFRARED.0 || stats.colour > INFRARED.1 {
            self.infrared = stats.colour < INFRARED.0;
        }
        let mut visibility = judge(&stats, self.usual.as_ref());
        let view = gray
            .as_ref()
            .and_then(|gray| self.backdrop().filter(|backdrop| backdrop.looks() >= LEARNED)?.view(gray));
        let mut new_view = false;
        if visibility.is_clear() {
            let other = view.is_some_and(|share| share < OTHER_VIEW);
            let since = *self.astray.get_or_insert(at);
            match (other, at.since(since) >= ADOPTED) {
                (false, _) => self.astray = None,
                (true, false) => visibility = Visibility::Poor(Poor::OtherView),
                (true, true) => {
                    (self.astray, new_view) = (None, true);
                    self.backdrops = [None, None];
                    *self.backdrop_mut() = gray.as_ref().map(Backdrop::new);
                }
            }
        }
        if self.fixed && gray.is_none() {
            visibility = Visibility::Poor(Poor::Damaged);
        }
        let watched = self.watched(at, visibility.is_clear());
        match &mut self.usual {
            Some(usual) => usual.learn(&stats, at, visibility.is_clear()),
            None if visibility.is_clear() => self.usual = Some(Usual::new(stats, at)),
            None => {}
        }
        let (looked, detections) = (seen.looked.clone(), seen.items.clone());
        let is_new = self.is_new(picture, &looked);
        let stats = Some(stats);
        Observation { at, watched, visibility, looked, is_new, detections, new_view, stats, gray, view }
    }

    /// Learns the place from an observation. `covered`: the boxes of the things in it.
    pub fn learn(&mut self, observation: &Observation, covered: &[Rect]) {
        let Some(gray) = observation.gray.as_ref().filter(|_| observation.visibility.is_clear()) else {
            return;
        };
        match self.backdrop_mut() {
            Some(backdrop) => backdrop.learn(gray, observation.watched, covered),
            none => *none = Some(Backdrop::new(gray)),
        }
    }

    fn backdrop_mut(&mut self) -> &mut Option<Backdrop> {
        &mut self.backdrops[usize::from(self.infrared)]
    }

    /// A detector gives the same answer for the same picture, so that answer counts once in a while only.
    fn is_new(&mut self, picture: &Picture, looked: &Looked) -> bool {
        let at = picture.capture.at;
        let shown = Thumbnail::of(picture);
        let same = |(last, before): &(WallTime, Thumbnail)| {
            let recent = at >= *last && at.since(*last) < REPEATED;
            recent && shown.as_ref().is_some_and(|shown| shown.is_same(before))
        };
        if *looked == Looked::Again || self.evidence.as_ref().is_some_and(same) {
            return false;
        }
        self.evidence = shown.map(|shown| (at, shown));
        true
    }

    fn watched(&mut self, at: WallTime, clear: bool) -> Duration {
        let Some((last, was_clear)) = self.last.replace((at, clear)) else { return Duration::ZERO };
        let space = at.since(last);
        let mut usual: Vec<Duration> = self.spaces.iter().copied().collect();
        usual.sort_unstable();
        let usual = usual.get(usual.len() / 2).copied().unwrap_or_default().max(self.interval);
        if self.spaces.len() == SPACES {
            self.spaces.pop_front();
        }
        self.spaces.push_back(space);
        let bound = (usual * WATCHED_SPACES).max(WATCHED);
        if clear && was_clear && space <= bound { space } else { Duration::ZERO }
    }
}
