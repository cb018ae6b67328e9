//! How well a picture shows its place, against how the camera usually sees.

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::base::WallTime;
use crate::decode::FrameStats;

/// A picture with less contrast shows nothing, whatever is usual.
const NO_CONTRAST: f32 = 5.0;
/// A picture with less mean luma and no contrast is dark; a lighter one is even.
const DARK: f32 = 24.0;
/// The lens is blinded when this share of the picture is.
const BLINDED: f32 = 0.6;
/// Below this share of the usual contrast the picture is faint: fog, dusk, a film over the lens.
const FAINT: f32 = 0.35;
/// Below this share of the usual edges the picture is blurred.
const BLURRED: f32 = 0.35;
/// Time constant of what is usual, while the place is seen and while it is not. The second lets a camera that
/// sees worse for good be judged again.
const USUAL: Duration = Duration::from_secs(600);
const USUAL_POOR: Duration = Duration::from_secs(1800);

/// Can the picture be judged?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    Clear,
    /// It says nothing about its place: what it does not show is not gone, and what it shows has not come.
    Poor(Poor),
}

impl Serialize for Visibility {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

/// Why a picture cannot be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poor {
    /// Night without lamps.
    Dark,
    /// Nothing but one gray: a cover, dense fog.
    Even,
    /// Far less contrast than usual: fog, rain, a film over the lens.
    Faint,
    Blurred,
    /// A light shines into the lens.
    Blinded,
    /// Another view than the camera's own: it was turned, or something large stands in front.
    OtherView,
    /// The picture has no usable pixels.
    Damaged,
}

impl Poor {
    /// For officers.
    pub fn words(self) -> &'static str {
        match self {
            Self::Dark => "the picture is dark",
            Self::Even => "the picture shows one even gray",
            Self::Faint => "the picture has far less contrast than usual",
            Self::Blurred => "the picture is blurred",
            Self::Blinded => "a light blinds the camera",
            Self::OtherView => "the camera shows another view than usual",
            Self::Damaged => "the picture has no usable pixels",
        }
    }
}

impl Visibility {
    /// As in states and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Poor(Poor::Dark) => "dark",
            Self::Poor(Poor::Even) => "even",
            Self::Poor(Poor::Faint) => "faint",
            Self::Poor(Poor::Blurred) => "blurred",
            Self::Poor(Poor::Blinded) => "blinded",
            Self::Poor(Poor::OtherView) => "other_view",
            Self::Poor(Poor::Damaged) => "damaged",
        }
    }

    pub fn is_clear(self) -> bool {
        self == Self::Clear
    }
}

/// What is usual for a camera.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usual {
    stats: FrameStats,
    at: WallTime,
}

impl Usual {
    pub fn new(stats: FrameStats, at: WallTime) -> Self {
        Self { stats, at }
    }

    /// Learns a picture.
    pub fn learn(&mut self, now: &FrameStats, at: WallTime, clear: bool) {
        let constant = if clear { USUAL } else { USUAL_POOR };
        let share = (at.since(self.at).as_secs_f32() / constant.as_secs_f32()).min(1.0);
        self.at = at;
        self.stats.contrast += share * (now.contrast - self.stats.contrast);
        self.stats.edges += share * (now.edges - self.stats.edges);
    }
}

/// Judges by the picture alone; `usual` is `None` for a camera's first pictures.
pub(super) fn judge(now: &FrameStats, usual: Option<&Usual>) -> Visibility {
    if now.blinded >= BLINDED {
        return Visibility::Poor(Poor::Blinded);
    }
    if now.contrast < NO_CONTRAST {
        return Visibility::Poor(if now.mean < DARK { Poor::Dark } else { Poor::Even });
    }
    match usual.map(|usual| usual.stats) {
        Some(usual) if now.contrast < FAINT * usual.contrast => {
            Visibility::Poor(if now.mean < DARK { Poor::Dark } else { Poor::Faint })
        }
        Some(usual) if now.edges < BLURRED * usual.edges => Visibility::Poor(Poor::Blurred),
        _ => Visibility::Clear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(mean: f32, contrast: f32, edges: f32) -> FrameStats {
        FrameStats { mean, contrast, edges, blinded: 0.0, colour: 10.0 }
    }

    #[test]
    fn each_cause_has_its_name() {
        let usual = Usual::new(stats(110.0, 50.0, 12.0), WallTime(0));
        for (now, expected) in [
            (stats(110.0, 50.0, 12.0), Visibility::Clear),
            (stats(60.0, 25.0, 6.0), Visibility::Clear),
            (stats(4.0, 2.0, 0.5), Visibility::Poor(Poor::Dark)),
            (stats(128.0, 0.4, 0.1), Visibility::Poor(Poor::Even)),
            (stats(180.0, 14.0, 3.0), Visibility::Poor(Poor::Faint)),
            (stats(110.0, 45.0, 2.0), Visibility::Poor(Poor::Blurred)),
            (FrameStats { blinded: 0.7, ..stats(230.0, 60.0, 5.0) }, Visibility::Poor(Poor::Blinded)),
        ] {
            assert_eq!(judge(&now, Some(&usual)), expected, "{now:?}");
        }
    }

    #[test]
    fn a_camera_that_sees_worse_for_good_is_judged_again() {
        let mut usual = Usual::new(stats(110.0, 50.0, 12.0), WallTime(0));
        let worse = stats(110.0, 15.0, 4.0);
        assert!(!judge(&worse, Some(&usual)).is_clear());
        let mut seconds = 0;
        while !judge(&worse, Some(&usual)).is_clear() {
            seconds += 4;
            usual.learn(&worse, WallTime(seconds * 1_000_000), false);
            assert!(seconds < 3600, "within the hour");
        }
        assert!(seconds > 120, "{seconds}");
    }
}
