//! One pair of pictures to its changes.

use image::RgbImage;
use image::imageops::{FilterType, resize};
use uuid::Uuid;

use super::around::around;
use super::difference::{Difference, difference};
use super::input::{Pixels, Shot};
use super::kind::{Kind, confidence, kind, measure};
use super::light::Channels;
use super::outline::{WEAK, regions};
use super::patch::{Held, Laid};
use super::register::{Registered, register};
use super::scene::{Placed, area, area_m2, metres};
use super::seen::Seen;
use super::vision::{self, Shape, VisionError};
use crate::base::{ClassName, Rect};
use crate::detect::{DetectError, Detector};

/// Longer side that is worked on and shown, and the finest scale that is worked on: windows and limits were chosen on
/// pictures of half a metre.
const SIDE: u32 = 1600;
const FINEST_M: f64 = 0.4;
/// How far the registration may be from where the telemetry puts the pictures, in metres and by width of the picture.
const BELIEVED: (f64, f64) = (15.0, 0.25);
/// The smallest region without a scale, pixels.
const LEAST_PIXELS: usize = 60;
/// Share of a patch that a finding must cover to be of the same ground; or of the finding, twice that.
const ON: f64 = 0.2;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// The smallest change, square metres.
    pub min_area_m2: f64,
    /// Each pixel of the one picture shows what the same pixel of the other does.
    pub aligned: bool,
}

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub kind: Kind,
    /// Pixels of the later picture as it was read.
    pub outline_px: Vec<[f64; 2]>,
    /// Longitude and latitude; `None` without a place.
    pub outline: Option<Vec<[f64; 2]>>,
    pub area_m2: Option<f64>,
    /// Share of the ground that both pictures show.
    pub share: f64,
    /// 0 to 1.
    pub confidence: f64,
    /// Share of its green that the ground lost; 0 where there was none.
    pub lost_green: f32,
    /// Brightness now by brightness then.
    pub brighter: f32,
    /// What the detector sees beside it in the later picture.
    pub near: Vec<ClassName>,
    /// Pixels of the later picture, as it was compared.
    pub(super) region: Vec<usize>,
}

#[derive(Clone, Debug)]
pub struct Comparison {
    /// The earlier picture in the later one's place, and the later one, to be looked at: finer than they were compared.
    pub before: RgbImage,
    pub after: RgbImage,
    /// Pixels of these to one of the later picture as it was read.
    pub scale: f64,
    pub found: Vec<Found>,
    /// Vehicles and shadows that were left out.
    pub left_out: usize,
    /// Features that agree, and the middle one's distance in pixels after one homography and in the end.
    pub features: usize,
    pub residual_px: (f64, f64),
    /// At which they were compared.
    pub metres_per_pixel: Option<f64>,
    /// What is odd about the pair, for people.
    pub notes: Vec<String>,
    /// What became of the ground under the earlier picture's patches.
    pub held: Vec<Held>,
    /// The earlier picture in the later one's place and light, at the size at which they were compared.
    pub(super) lit: RgbImage,
    /// Which pixels of this both pictures show.
    pub(super) valid: Vec<bool>,
    /// Pixels of this to one of the later picture as it was read.
    pub(super) working_scale: f64,
}

impl Comparison {
    /// How the pictures came to lie over each other, for people.
    pub fn agreement(&self) -> String {
        match self.features {
            0 => "taken as they lie".to_owned(),
            n => {
                let (one, end) = self.residual_px;
                format!("{n} places agree, {one:.1} px off after one homography, {end:.1} px in the end")
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum NotComparable {
    #[error("{name}: {why}")]
    Unreadable { name: String, why: String },
    #[error(
        "the pictures cannot be laid over each other: {features} places agree of {matches} that look alike. They show other \
         ground, or one of them shows too little"
    )]
    NoRegistration { features: usize, matches: usize },
    #[error(
        "laid over each other the pictures are still {0:.1} pixels apart: height differs too much between the views"
    )]
    TooFarOff(f64),
    #[error(
        "they are said to lie over each other, but one has {} x {} pixels and the other {} x {}: leave --aligned out, or \
         bring them to one size",
        .0[0], .0[1], .1[0], .1[1]
    )]
    OtherSize([u32; 2], [u32; 2]),
    #[error("they have less than a tenth of the picture in common")]
    NoOverlap,
    #[error("the detector fails: {0}")]
    Detector(#[from] DetectError),
    #[error(transparent)]
    Vision(#[from] VisionError),
}

/// Lays the earlier picture over the later and finds what changed. With a `detector` vehicles and people that it sees in
/// either picture are left out, and what it sees beside a change is named.
///
/// # Errors
/// A picture cannot be read, or the two cannot be registered, or the network fails.
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
    let native = after.placed.metres_per_pixel(after.size);
    let scale = working_scale(after.size, native);
    // The earlier one in much the same scale: features and windows then mean the same in both.
    let scale_before = match (before.placed.metres_per_pixel(before.size), native) {
        _ if options.aligned => scale,
        (Some(own), Some(native)) => (scale * own / native).min(1.0),
        _ => working_scale(before.size, None),
    };
    let fine = (f64::from(SIDE) / f64::from(after.size[0].max(after.size[1]).max(1))).min(1.0);
    let finer = (fine / scale).max(1.0);
    // One after the other: of two mosaics only one is whole in memory.
    let Sized { work: then, show: source, known: from_known, laid } =
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
    let seen = registered.source(middle).map(|v| v / scale_before);
    let places = after.placed.place(middle.map(|v| v / scale)).zip(before.placed.place(seen));
    if let (Some((here, there)), Some(metres_per_pixel)) = (places, native) {
        let off = metres(here, there);
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
    let metres = native.map(|m| m / scale);
    let channels = Channels::of(&now);
    let lit = Channels::of(&warped).in_light_of(&channels, &valid);
    let difference = difference(&lit, &channels, &valid);
    let size = [shown.width(), shown.height()];
    let by = f64::from(source.width()) / f64::from(then.width());
    let (shown_before, _) = warp(&source, size, fine / scale, by, &registered);
    let seen =
        detector.map(|d| Seen::look(d, &shown_before, &shown, native.map(|m| m / fine))).transpose()?;
    let ground =
        Ground { then: &lit, now: &channels, difference: &difference, valid: &valid, seen: seen.as_ref() };
    let (found, left_out) = changes(&ground, scale, metres, &after.placed, options)?;
    let sources: Vec<[f64; 2]> = match laid.is_empty() {
        true => Vec::new(),
        false => (0..w * h).map(|i| registered.source(middle_of(i)).map(|v| v / scale_before)).collect(),
    };
    let held = laid.iter().map(|laid| {
        let expected = laid.area() * scale_before * scale_before;
        let covers = |i: &usize| laid.contains(sources[*i]);
        ground.held(laid.event, (0..w * h).filter(|i| valid[*i]).filter(covers).collect(), expected, &found)
    });
    let held = held.collect();
    let features = registered.features;
    let residual_px = registered.residual;
    let lit = lit.image();
    Ok(Comparison {
        before: shown_before,
        after: shown,
        scale: fine,
        found,
        left_out,
        features,
        residual_px,
        metres_per_pixel: metres,
        notes,
        held,
        lit,
        valid,
        working_scale: scale,
    })
}

/// A picture at the two sizes that are needed of it.
struct Sized {
    work: RgbImage,
    show: RgbImage,
    /// Of `work`; empty: all of it.
    known: Vec<bool>,
    laid: Vec<Laid>,
}

impl Sized {
    fn read(shot: &Shot, work: f64, show: f64) -> Result<Self, String> {
        let Pixels { image, known, laid } = shot.read()?;
        let (work, show) = (shrink(&image, work), shrink(&image, show));
        let nearest = |known: Vec<bool>| {
            let part = |v: u32, of: u32, all: u32| (u64::from(v) * u64::from(all) / u64::from(of)) as usize;
            let pixels = (0..work.height()).flat_map(|y| (0..work.width()).map(move |x| (x, y)));
            let at = |(x, y)| {
                let row = part(y, work.height(), image.height()) * image.width() as usize;
                known[row + part(x, work.width(), image.width())]
            };
            pixels.map(at).collect()
        };
        let known = known.map(nearest).unwrap_or_default();
        Ok(Self { work, show, known, laid })
    }
}

/// Two pictures of the same ground in the same place and light.
struct Ground<'a> {
    then: &'a Channels,
    now: &'a Channels,
    difference: &'a Difference,
    valid: &'a [bool],
    /// Where a detector looked.
    seen: Option<&'a Seen>,
}

impl Ground<'_> {
    /// What became of the ground in these pixels, of as many as were to be expected.
    fn held(&self, event: Uuid, pixels: Vec<usize>, expected: f64, found: &[Found]) -> Held {
        let n = pixels.len().max(1) as f64;
        let differs = pixels.iter().filter(|i| self.difference.score.data[**i] >= WEAK).count() as f64 / n;
        let mut own = vec![false; self.valid.len()];
        pixels.iter().for_each(|i| own[*i] = true);
        let on = |f: &Found| {
            let both = f.region.iter().filter(|i| own[**i]).count() as f64;
            both >= ON * n || both >= 2.0 * ON * f.region.len() as f64
        };
        let found = (0..found.len()).filter(|i| on(&found[*i])).collect();
        Held { event, seen: (pixels.len() as f64 / expected.max(1.0)).min(1.0), differs, found, pixels }
    }
}

fn changes(
    ground: &Ground<'_>,
    scale: f64,
    metres: Option<f64>,
    placed: &Placed,
    options: &Options,
) -> Result<(Vec<Found>, usize), VisionError> {
    let Ground { then, now, difference: d, valid, seen } = *ground;
    let (width, height) = (now.0[0].width, now.0[0].height);
    let least = metres.map_or(LEAST_PIXELS, |m| (options.min_area_m2 / (m * m)).ceil() as usize).max(20);
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
        let around = around(&region, then, now, valid);
        let measures = measure(&region, then, now, d, sides, metres, around);
        let kind = kind(&measures);
        if !kind.stays() || seen.is_some_and(|seen| seen.passes(&region, width, height)) {
            left_out += 1;
            continue;
        }
        let outline_px: Vec<[f64; 2]> = corners.iter().map(|c| c.map(|v| v / scale)).collect();
        let outline: Option<Vec<[f64; 2]>> = outline_px.iter().map(|p| placed.place(*p)).collect();
        found.push(Found {
            kind,
            area_m2: outline.as_deref().map(area_m2),
            outline_px,
            outline,
            share: region.len() as f64 / common,
            confidence: confidence(&measures),
            lost_green: measures.lost_green(),
            brighter: measures.ratio.exp(),
            near: seen.map_or_else(Vec::new, |seen| seen.beside(&share_of(&corners, width, height))),
            region,
        });
    }
    found.sort_by(|a, b| b.share.total_cmp(&a.share));
    Ok((found, left_out))
}

/// The box around an outline, in shares of a picture of this size.
fn share_of(corners: &[[f64; 2]], width: usize, height: usize) -> Rect {
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

/// The earlier picture in the later one's place, `finer` times the size at which they were registered, from one that is
/// `source_finer` times that; and which pixels it shows.
fn warp(
    from: &RgbImage,
    [width, height]: [u32; 2],
    finer: f64,
    source_finer: f64,
    registered: &Registered,
) -> (RgbImage, Vec<bool>) {
    const EDGE: f64 = 1.0;
    let mut out = RgbImage::new(width, height);
    let mut inside = vec![false; width as usize * height as usize];
    for ((u, v, pixel), inside) in out.enumerate_pixels_mut().zip(&mut inside) {
        let at = [u, v].map(|v| (f64::from(v) + 0.5) / finer);
        let [x, y] = registered.source(at).map(|v| v * source_finer);
        let (right, low) = (f64::from(from.width()) - EDGE, f64::from(from.height()) - EDGE);
        *inside = x > EDGE && y > EDGE && x < right && y < low;
        if *inside {
            *pixel = sample(from, x - 0.5, y - 0.5);
        }
    }
    (out, inside)
}

fn working_scale([width, height]: [u32; 2], metres: Option<f64>) -> f64 {
    let by_side = f64::from(SIDE) / f64::from(width.max(height).max(1));
    let by_metres = metres.map_or(1.0, |m| m / FINEST_M);
    by_side.min(by_metres).min(1.0)
}

fn shrink(image: &RgbImage, scale: f64) -> RgbImage {
    if scale >= 1.0 {
        return image.clone();
    }
    let side = |v: u32| ((f64::from(v) * scale).round() as u32).max(32);
    resize(image, side(image.width()), side(image.height()), FilterType::Triangle)
}

/// Bilinear; `x` and `y` count from the middle of the first pixel.
fn sample(image: &RgbImage, x: f64, y: f64) -> image::Rgb<u8> {
    let (x, y) = (x.max(0.0), y.max(0.0));
    let (u, v) = ((x as u32).min(image.width() - 1), (y as u32).min(image.height() - 1));
    let (u2, v2) = ((u + 1).min(image.width() - 1), (v + 1).min(image.height() - 1));
    let (fx, fy) = (x.fract(), y.fract());
    let at = |x: u32, y: u32, c: usize| f64::from(image.get_pixel(x, y).0[c]);
    image::Rgb([0, 1, 2].map(|c| {
        let top = at(u, v, c) * (1.0 - fx) + at(u2, v, c) * fx;
        let bottom = at(u, v2, c) * (1.0 - fx) + at(u2, v2, c) * fx;
        (top * (1.0 - fy) + bottom * fy).round() as u8
    }))
}
