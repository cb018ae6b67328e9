//! Compares one pair of pictures.

use uuid::Uuid;

use super::baseline_patch::PatchCheck;
use super::comparison::{ChangedArea, Comparison};
use super::context::Context;
use super::difference::{Difference, difference};
use super::error::NotComparable;
use super::georeference::Georeference;
use super::input::Shot;
use super::kind::{confidence, kind, measure};
use super::outline::{WEAK, regions};
use super::radiometry::Channels;
use super::register::{Registered, register};
use super::surroundings::surroundings;
use super::vision::{self, Shape, VisionError};
use super::warp::{Sized, display_scale, warp, working_scale};
use crate::base::Rect;
use crate::detect::Detector;
use crate::geo::{area, area_m2, distance_m};

/// The registration and the telemetry may disagree by this many metres, or by this share of the picture's
/// width.
const BELIEVED: (f64, f64) = (15.0, 0.25);
/// The smallest region if the scale is unknown, pixels.
const LEAST_PIXELS: usize = 60;
/// A change belongs to a patch if it covers this share of the patch, or if twice this share of the change
/// lies on it.
const ON: f64 = 0.2;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// The smallest change, square metres.
    pub min_area_m2: f64,
    /// The same pixel of both pictures shows the same ground.
    pub aligned: bool,
}

/// Moves the earlier picture onto the later one and finds what changed. With a `detector`, the people and
/// vehicles that it finds in either picture are left out, and the objects beside a change are named.
///
/// # Errors
/// A picture cannot be read, the two cannot be registered, or the network fails.
pub fn compare(
    before: &Shot,
    after: &Shot,
    options: &Options,
    detector: Option<&mut Detector>,
) -> Result<Comparison, NotComparable> {
    let unreadable = |shot: &Shot| {
        let name = shot.name.clone();
        |why| NotComparable::Unreadable { name, why }
    };
    let native = after.georeference.metres_per_pixel(after.size);
    let scale = working_scale(after.size, native);
    // Both at about the same scale, so that features and windows mean the same in both.
    let scale_before = match (before.georeference.metres_per_pixel(before.size), native) {
        _ if options.aligned => scale,
        (Some(own), Some(native)) => (scale * own / native).min(1.0),
        _ => working_scale(before.size, None),
    };
    let fine = display_scale(after.size);
    let finer = (fine / scale).max(1.0);
    // One after the other, so that only one of two mosaics is in memory at its full size.
    let Sized { work: then, show: source, known: from_known, patches } =
        Sized::read(before, scale_before, scale_before * finer).map_err(unreadable(before))?;
    let Sized { work: now, show: shown, known: to_known, .. } =
        Sized::read(after, scale, fine).map_err(unreadable(after))?;
    let registered = if options.aligned {
        if before.size != after.size {
            return Err(NotComparable::OtherSize(before.size, after.size));
        }
        Registered::as_they_are()
    } else {
        register(&then, &now)?
    };
    let mut notes = Vec::new();
    let middle = [f64::from(now.width()) / 2.0, f64::from(now.height()) / 2.0];
    let middle_before = registered.source(middle).map(|v| v / scale_before);
    let positions =
        after.georeference.lon_lat(middle.map(|v| v / scale)).zip(before.georeference.lon_lat(middle_before));
    if let (Some((here, there)), Some(metres_per_pixel)) = (positions, native) {
        let off = distance_m(here, there);
        if off > BELIEVED.0.max(BELIEVED.1 * f64::from(after.size[0]) * metres_per_pixel) {
            notes.push(format!(
                "the telemetry is off: it puts the pictures {off:.0} m from where they agree; areas and places may be wrong"
            ));
        }
    }
    let (w, h) = (now.width() as usize, now.height() as usize);
    let (warped, inside) = warp(&then, [now.width(), now.height()], 1.0, 1.0, &registered);
    let middle_of = |i: usize| [(i % w) as f64 + 0.5, (i / w) as f64 + 0.5];
    let is_known = |i: usize| {
        let [x, y] = registered.source(middle_of(i));
        let before = || from_known[y as usize * then.width() as usize + x as usize];
        (from_known.is_empty() || before()) && (to_known.is_empty() || to_known[i])
    };
    let valid: Vec<bool> = (0..w * h).map(|i| inside[i] && is_known(i)).collect();
    let common = valid.iter().filter(|v| **v).count();
    if common * 10 < w * h {
        return Err(NotComparable::NoOverlap);
    }
    let metres_per_pixel = native.map(|m| m / scale);
    let channels = Channels::of(&now);
    let matched = Channels::of(&warped).matched_to(&channels, &valid);
    let difference = difference(&matched, &channels, &valid);
    let size = [shown.width(), shown.height()];
    let by = f64::from(source.width()) / f64::from(then.width());
    let (shown_before, _) = warp(&source, size, fine / scale, by, &registered);
    let context =
        detector.map(|d| Context::detect(d, &shown_before, &shown, native.map(|m| m / fine))).transpose()?;
    let aligned = AlignedPair {
        then: &matched,
        now: &channels,
        difference: &difference,
        valid: &valid,
        context: context.as_ref(),
    };
    let (changes, left_out) = changes(&aligned, scale, metres_per_pixel, &after.georeference, options)?;
    let sources: Vec<[f64; 2]> = match patches.is_empty() {
        true => Vec::new(),
        false => (0..w * h).map(|i| registered.source(middle_of(i)).map(|v| v / scale_before)).collect(),
    };
    let checks = patches.iter().map(|patch| {
        let expected = patch.area() * scale_before * scale_before;
        let covers = |i: &usize| patch.contains(sources[*i]);
        let pixels = (0..w * h).filter(|i| valid[*i]).filter(covers).collect();
        aligned.check(patch.event, pixels, expected, &changes)
    });
    let patches = checks.collect();
    Ok(Comparison {
        before: shown_before,
        after: shown,
        scale: fine,
        changes,
        left_out,
        features: registered.features,
        residual_px: registered.residual,
        metres_per_pixel,
        notes,
        patches,
        matched: matched.image(),
        valid,
        working_scale: scale,
    })
}

/// Two pictures of the same ground, registered and matched in colour, at the working size.
struct AlignedPair<'a> {
    then: &'a Channels,
    now: &'a Channels,
    difference: &'a Difference,
    valid: &'a [bool],
    /// `None` without a detector.
    context: Option<&'a Context>,
}

impl AlignedPair<'_> {
    /// Checks the ground of a patch. `pixels` show it; a picture that shows all of it would have `expected`
    /// of them.
    fn check(&self, event: Uuid, pixels: Vec<usize>, expected: f64, changes: &[ChangedArea]) -> PatchCheck {
        let n = pixels.len().max(1) as f64;
        let differs = pixels.iter().filter(|i| self.difference.score.data[**i] >= WEAK).count() as f64 / n;
        let mut own = vec![false; self.valid.len()];
        pixels.iter().for_each(|i| own[*i] = true);
        let on = |change: &ChangedArea| {
            let both = change.region.iter().filter(|i| own[**i]).count() as f64;
            both >= ON * n || both >= 2.0 * ON * change.region.len() as f64
        };
        let changes = (0..changes.len()).filter(|i| on(&changes[*i])).collect();
        let visible = (pixels.len() as f64 / expected.max(1.0)).min(1.0);
        PatchCheck { event, visible, differs, changes, pixels }
    }
}

/// The changes, largest first, and the number of vehicles and shadows that were left out.
fn changes(
    pair: &AlignedPair<'_>,
    scale: f64,
    metres_per_pixel: Option<f64>,
    georeference: &Georeference,
    options: &Options,
) -> Result<(Vec<ChangedArea>, usize), VisionError> {
    let AlignedPair { then, now, difference: d, valid, context } = *pair;
    let (width, height) = (now.0[0].width, now.0[0].height);
    let least =
        metres_per_pixel.map_or(LEAST_PIXELS, |m| (options.min_area_m2 / (m * m)).ceil() as usize).max(20);
    let common = valid.iter().filter(|v| **v).count().max(1) as f64;
    let (mut found, mut left_out) = (Vec::new(), 0);
    for region in regions(&d.score, least) {
        let mut mask = vec![0u8; valid.len()];
        region.iter().for_each(|i| mask[*i] = 255);
        let Some(Shape { corners, sides }) = vision::outlines(&mask, width, 1.2)?
            .into_iter()
            .max_by(|a, b| area(&a.corners).total_cmp(&area(&b.corners)))
        else {
            continue;
        };
        let surroundings = surroundings(&region, then, now, valid);
        let measures = measure(&region, then, now, d, sides, metres_per_pixel, surroundings);
        let kind = kind(&measures);
        if !kind.stays() || context.is_some_and(|context| context.covers(&region, width, height)) {
            left_out += 1;
            continue;
        }
        let outline_px: Vec<[f64; 2]> = corners.iter().map(|c| c.map(|v| v / scale)).collect();
        let outline: Option<Vec<[f64; 2]>> = outline_px.iter().map(|p| georeference.lon_lat(*p)).collect();
        let bounds = bounds(&corners, width, height);
        found.push(ChangedArea {
            kind,
            area_m2: outline.as_deref().map(area_m2),
            outline_px,
            outline,
            share: region.len() as f64 / common,
            confidence: confidence(&measures),
            lost_green: measures.lost_green(),
            brighter: measures.ratio.exp(),
            near: context.map_or_else(Vec::new, |context| context.beside(&bounds)),
            region,
        });
    }
    found.sort_by(|a, b| b.share.total_cmp(&a.share));
    Ok((found, left_out))
}

/// The bounding box of an outline, in shares of a picture of this size.
fn bounds(corners: &[[f64; 2]], width: usize, height: usize) -> Rect {
    let edge = |axis: usize, start: f64, join: fn(f64, f64) -> f64, all: usize| {
        (corners.iter().map(|c| c[axis]).fold(start, join) / all as f64) as f32
    };
    let (min, max) = (f64::min as fn(f64, f64) -> f64, f64::max as fn(f64, f64) -> f64);
    Rect::new(
        edge(0, f64::MAX, min, width),
        edge(1, f64::MAX, min, height),
        edge(0, 0.0, max, width),
        edge(1, 0.0, max, height),
    )
}
