//! Is the thing at a place still there, and still the same one? By its look, beside what the detector says.

use std::time::Duration;

use crate::base::{Rect, WallTime};
use crate::decode::{GrayPatch, Picture};

/// Pictures are alike from this correlation on. Shake, noise and passing shadows stay above it.
const ALIKE: f32 = 0.5;
/// Weight of an unlike picture against an alike one. Vehicles that follow each other look alike by chance in
/// up to half of the pictures; a standing one that people walk past does in most.
const WEIGHT: u32 = 2;
/// Three unlike pictures in a row are enough, or more with alike ones in between.
const ENOUGH: u32 = 3 * WEIGHT;
/// The unlike pictures must span the dwell divided by this, so that a short obstruction does not restart it.
const SHARE: u32 = 4;
/// Limits of that time.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(30));
/// How fast the kept picture follows a like one, because light changes slowly.
const BLEND: f32 = 0.1;
/// A thing that stands looks this much the same in most pictures; several that follow each other do not.
const CLOSE: f32 = 0.7;
/// In tenths of the pictures, of which there must be so many.
const MOST: u32 = 6;
const LOOKS: u32 = 2;
/// A place with this correlation still shows its thing, below the second no more.
const HERE: f32 = 0.7;
const GONE: f32 = 0.45;
/// The surroundings are seen from this correlation on.
const AROUND: f32 = 0.5;
/// A part has lost its structure below this share of its former standard deviation.
const LOST: f32 = 0.4;
/// The surroundings of a thing reach this many of its sizes beyond it, on each side.
const REACH: f32 = 0.75;
/// A thing whose box overlaps the kept one less has moved.
const MOVED: f32 = 0.7;

/// What the look of a place says about a thing that the detector does not find there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// The place looks as it did with the thing.
    Here,
    /// It does not, and its surroundings look as before.
    Gone,
    /// The surroundings are not seen either, or the look is in between: something hides the place, or the
    /// light changed.
    Unsure,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Appearance {
    kept: Option<Kept>,
    /// Since when it has looked unlike more often than alike, and by what weight.
    unlike: Option<(WallTime, u32)>,
    /// Pictures in which it looked closely the same, and all that could be compared.
    looks: (u32, u32),
    /// Pictures that could not be compared, because the thing has no structure.
    plain: u32,
}

/// A place with a thing.
#[derive(Clone, Debug, PartialEq)]
struct Kept {
    rect: Rect,
    thing: GrayPatch,
    around: GrayPatch,
}

impl Appearance {
    /// Adds a picture that shows the thing at `rect`. True once it has looked different for long enough; it
    /// then becomes the reference.
    pub fn push(&mut self, at: WallTime, picture: &Picture, rect: &Rect, dwell: Duration) -> bool {
        let Some(now) = Kept::of(picture, rect) else { return false };
        let Some(kept) = self.kept.as_mut().filter(|kept| kept.rect.iou(rect) >= MOVED) else {
            *self = Self { kept: Some(now), ..Self::default() };
            return false;
        };
        // At the kept place: a detector's boxes vary, and the picture of the place must not vary with them.
        let Some(now) = Kept::of(picture, &kept.rect) else { return false };
        // Without contrast the picture says nothing.
        let Some(likeness) = kept.thing.correlation(&now.thing) else {
            self.plain += 1;
            return false;
        };
        self.looks.0 += u32::from(likeness >= CLOSE);
        self.looks.1 += 1;
        if likeness >= ALIKE {
            kept.thing.blend(&now.thing, BLEND);
            kept.around.blend(&now.around, BLEND);
            self.unlike = self.unlike.filter(|(_, more)| *more > 1).map(|(since, more)| (since, more - 1));
            return false;
        }
        let (since, more) = self.unlike.map_or((at, WEIGHT), |(since, more)| (since, more + WEIGHT));
        let patience = (dwell / SHARE).clamp(PATIENCE.0, PATIENCE.1);
        let another = more >= ENOUGH && at.since(since) >= patience;
        self.unlike = (!another).then_some((since, more));
        if another {
            *kept = now;
            self.looks = (0, 0);
        }
        another
    }

    /// Has it looked the same in most pictures, of at least two? Pictures without structure do not speak
    /// against it.
    pub fn is_one(&self) -> bool {
        self.looks.1 + self.plain >= LOOKS && self.looks.0 * 10 >= self.looks.1 * MOST
    }

    /// Looks for the thing where it was last. `None`: its look is not known.
    pub fn find(&self, picture: &Picture) -> Option<Sight> {
        let kept = self.kept.as_ref()?;
        let now = Kept::of(picture, &kept.rect)?;
        let thing = kept.thing.likeness(&now.thing, None);
        let around = kept.around.likeness(&now.around, Some(&kept.inner()));
        let seen_around = match around.correlation {
            _ if around.before < GrayPatch::PLAIN => around.now < 2.0 * GrayPatch::PLAIN,
            Some(likeness) => likeness >= AROUND && around.now >= LOST * around.before,
            None => false,
        };
        let differs = match thing.correlation {
            // It has no structure, so only the detector can say.
            _ if thing.before < GrayPatch::PLAIN => true,
            _ if thing.now < LOST * thing.before => true,
            Some(likeness) if likeness >= HERE => return Some(Sight::Here),
            Some(likeness) => likeness < GONE,
            None => true,
        };
        Some(if differs && seen_around { Sight::Gone } else { Sight::Unsure })
    }
}

impl Kept {
    fn of(picture: &Picture, rect: &Rect) -> Option<Self> {
        let thing = GrayPatch::of(picture, rect)?;
        let around = GrayPatch::of(picture, &grown(rect))?;
        Some(Self { rect: *rect, thing, around })
    }

    /// The thing within its surroundings, in shares of these.
    fn inner(&self) -> Rect {
        let outer = grown(&self.rect);
        let x = |v: f32| (v - outer.x0) / outer.width().max(1e-6);
        let y = |v: f32| (v - outer.y0) / outer.height().max(1e-6);
        Rect::new(x(self.rect.x0), y(self.rect.y0), x(self.rect.x1), y(self.rect.y1))
    }
}

/// The box with its surroundings, within the picture.
fn grown(rect: &Rect) -> Rect {
    let (dx, dy) = (REACH * rect.width(), REACH * rect.height());
    let within = |v: f32| v.clamp(0.0, 1.0);
    Rect::new(within(rect.x0 - dx), within(rect.y0 - dy), within(rect.x1 + dx), within(rect.y1 + dy))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Rect = Rect { x0: 0.4, y0: 0.4, x1: 0.5, y1: 0.5 };

    /// Ground with stripes, which is 320 x 180.
    fn ground(x: usize, y: usize) -> u8 {
        (80 + (x / 6 * 37 + y / 5 * 53) % 60) as u8
    }

    fn van(x: usize, y: usize) -> u8 {
        let inside = (128..160).contains(&x) && (72..90).contains(&y);
        if inside { if y < 80 && x > 140 { 40 } else { 220 } } else { ground(x, y) }
    }

    fn kept() -> Appearance {
        let mut appearance = Appearance::default();
        assert!(!appearance.push(WallTime(0), &Picture::grey(van), &PLACE, Duration::ZERO));
        appearance
    }

    #[test]
    fn what_left_is_gone_only_where_its_surroundings_are_seen() {
        let kept = kept();
        let find = |grey: &dyn Fn(usize, usize) -> u8| kept.find(&Picture::grey(grey)).expect("kept");
        assert_eq!(find(&van), Sight::Here);
        assert_eq!(find(&|x, y| van(x, y) / 2 + 30), Sight::Here, "in other light");
        assert_eq!(find(&ground), Sight::Gone);
        assert_eq!(find(&|_, _| 128), Sight::Unsure, "a bag over the lens");
        assert_eq!(find(&|x, y| van(x, y) / 25), Sight::Unsure, "night");
        assert_eq!(find(&|x, y| van(319 - x, 179 - y)), Sight::Unsure, "the camera was turned");
        let lorry = |x: usize, y: usize| if (90..200).contains(&x) { 60 + (y % 9) as u8 } else { van(x, y) };
        assert_eq!(find(&lorry), Sight::Unsure, "a lorry in front");
    }

    #[test]
    fn what_is_not_known_is_not_judged() {
        assert_eq!(Appearance::default().find(&Picture::grey(van)), None);
        assert!(!Appearance::default().is_one());
    }

    #[test]
    fn vehicles_that_follow_each_other_are_not_one() {
        let mut appearance = Appearance::default();
        for n in 0..20u8 {
            let other = move |x: usize, y: usize| {
                let inside = (128..160).contains(&x) && (72..90).contains(&y);
                let shade = ((x / 4 + usize::from(n)) * 97 + (y / 4) * 31 * usize::from(n + 1)) % 200;
                if inside { 20 + shade as u8 } else { ground(x, y) }
            };
            let at = WallTime(i64::from(n) * 4_000_000);
            appearance.push(at, &Picture::grey(other), &PLACE, Duration::from_secs(300));
        }
        assert!(!appearance.is_one(), "{:?}", appearance.looks);
    }
}
