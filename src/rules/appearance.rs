//! Is the thing at a place still the same one?

use std::time::Duration;

use crate::base::WallTime;
use crate::decode::GrayPatch;

/// Pictures are alike from this correlation on. Shake, noise and passing shadows stay above it.
const ALIKE: f32 = 0.5;
/// Weight of an unlike picture against an alike one. Vehicles that follow each other look alike by chance in up to half
/// of the pictures; a standing one that people walk past does in most.
const WEIGHT: u32 = 2;
/// Three unlike pictures in a row are enough, or more with alike ones in between.
const ENOUGH: u32 = 3 * WEIGHT;
/// The unlike pictures must span the dwell divided by this, so that a short obstruction does not restart it.
const SHARE: u32 = 4;
/// Limits of that time.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(30));
/// How fast the kept picture follows a like one, because light changes slowly.
const BLEND: f32 = 0.1;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Appearance {
    kept: Option<GrayPatch>,
    /// Since when it has looked unlike more often than alike, and by what weight.
    unlike: Option<(WallTime, u32)>,
}

impl Appearance {
    /// Adds a picture of the place. True once it has looked different for long enough; it then becomes the reference.
    pub fn push(&mut self, at: WallTime, now: GrayPatch, dwell: Duration) -> bool {
        let Some(kept) = &mut self.kept else {
            self.kept = Some(now);
            return false;
        };
        // Without contrast the picture says nothing.
        let Some(likeness) = kept.correlation(&now) else { return false };
        if likeness >= ALIKE {
            kept.blend(&now, BLEND);
            self.unlike = self.unlike.filter(|(_, more)| *more > 1).map(|(since, more)| (since, more - 1));
            return false;
        }
        let (since, more) = self.unlike.map_or((at, WEIGHT), |(since, more)| (since, more + WEIGHT));
        let patience = (dwell / SHARE).clamp(PATIENCE.0, PATIENCE.1);
        let another = more >= ENOUGH && at.since(since) >= patience;
        self.unlike = (!another).then_some((since, more));
        if another {
            *kept = now;
        }
        another
    }
}
