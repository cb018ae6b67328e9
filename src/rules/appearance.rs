//! Is what stands on a place still the same thing?

use std::time::Duration;

use crate::base::WallTime;
use crate::decode::GrayPatch;

/// Alike from this correlation on: shake, noise and passing shadows stay above it.
const ALIKE: f32 = 0.5;
/// A picture that is unlike counts so much more than one that is alike: of vehicles that follow each other up to half are alike
/// by chance, of one that stands and has people walk by in front most are.
const WEIGHT: u32 = 2;
/// So many unlike pictures in a row are enough, or more of them with alike ones in between.
const ENOUGH: u32 = 3 * WEIGHT;
/// How long it must go on: a share of the dwell, so that who stands in front for a moment does not begin it anew.
const SHARE: u32 = 4;
const PATIENCE: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(30));
/// How far what is kept goes towards what is seen, while they are alike: light turns slowly.
const BLEND: f32 = 0.1;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Appearance {
    kept: Option<GrayPatch>,
    /// Since when it has looked otherwise more often than not, and by how much.
    unlike: Option<(WallTime, u32)>,
}

impl Appearance {
    /// Takes how the place looks now. True once it has looked otherwise for long enough; from then on that is how it looks.
    pub fn is_another(&mut self, at: WallTime, now: GrayPatch, dwell: Duration) -> bool {
        let Some(kept) = &mut self.kept else {
            self.kept = Some(now);
            return false;
        };
        // Without contrast nothing is known, and nothing changes.
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
