//! Pictures of the committed generated week, one every few seconds, with vehicles that come and go.
//!
//! The week has a picture every half hour (tools/scenes): light of the day, moving shadows, rain, fog, and
//! infrared nights. Between two of them the picture fades from one to the other. Vehicles are drawn onto it.

use std::path::Path;
use std::time::Duration;

use crate::base::{CameraId, Capture, FrameSeq, Rect, TimeSource, WallTime};
use crate::config::{self, Sampling};
use crate::decode::{Colour, DecoderChoice, FootageDecoder, Layout, Picture, Pixels, Yuv};
use crate::ingest::open_file;

const SIZE: (usize, usize) = (640, 360);
/// Time between two pictures of the week.
const HALF_HOUR: Duration = Duration::from_secs(1800);
/// Parts of the scene that the detector takes for cars: windows, ends of walls, trees, a pole, units on roofs,
/// the seam of a field.
pub(super) const FURNITURE: [Rect; 10] = [
    Rect { x0: 0.155, y0: 0.31, x1: 0.225, y1: 0.40 },
    Rect { x0: 0.30, y0: 0.30, x1: 0.37, y1: 0.39 },
    Rect { x0: 0.335, y0: 0.19, x1: 0.385, y1: 0.235 },
    Rect { x0: 0.52, y0: 0.12, x1: 0.585, y1: 0.20 },
    Rect { x0: 0.60, y0: 0.05, x1: 0.67, y1: 0.13 },
    Rect { x0: 0.665, y0: 0.42, x1: 0.735, y1: 0.54 },
    Rect { x0: 0.755, y0: 0.245, x1: 0.80, y1: 0.29 },
    Rect { x0: 0.835, y0: 0.33, x1: 0.89, y1: 0.43 },
    Rect { x0: 0.395, y0: 0.535, x1: 0.455, y1: 0.63 },
    Rect { x0: 0.57, y0: 0.44, x1: 0.615, y1: 0.62 },
];
/// Where vehicles stand: on the lawn and in the yard, away from what is built in the week.
const PLACES: [(f32, f32); 8] = [
    (0.56, 0.70),
    (0.55, 0.84),
    (0.66, 0.88),
    (0.82, 0.70),
    (0.88, 0.84),
    (0.06, 0.86),
    (0.20, 0.90),
    (0.05, 0.70),
];
/// Size of a vehicle in pixels.
const VEHICLE: (usize, usize) = (44, 26);
/// How long vehicles stay, and for how long a place is empty, in minutes.
const STAY: (f32, f32) = (15.0, 90.0);
const EMPTY: (f32, f32) = (65.0, 150.0);
/// Mean luma of the ground in which a vehicle has its own shades.
const PLAIN_LIGHT: f32 = 120.0;

/// One vehicle at one place.
pub(super) struct Stay {
    pub place: Rect,
    pub from: WallTime,
    pub to: WallTime,
    /// Its look.
    paint: u64,
}

pub(super) struct Week {
    pub begin: WallTime,
    /// Planes of each picture: luma, blue, red.
    pictures: Vec<[Vec<u8>; 3]>,
    colour: Colour,
}

/// SplitMix64.
pub(super) struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to 1.
    pub fn share(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 24) as f32
    }

    fn minutes(&mut self, (least, most): (f32, f32)) -> Duration {
        Duration::from_secs_f32(60.0 * (least + self.share() * (most - least)))
    }
}

impl Stay {
    pub fn holds(&self, at: WallTime) -> bool {
        self.from <= at && at < self.to
    }
}

impl Week {
    /// Decodes as much of it as so many hours need.
    pub fn read(camera: &CameraId, hours: f64) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/change/week.mp4");
        // Monday, 2026-10-05 06:00 in the scene: day.
        let (start, begin) =
            (WallTime(1_791_129_600_000_000), WallTime(1_791_129_600_000_000) + 12 * HALF_HOUR);
        let decode =
            config::load(Path::new("testdata/config/good/minimal.toml")).expect("a config").config.decode;
        let choice = DecoderChoice::new(&decode).expect("a decoder");
        let mut decoder = FootageDecoder::new(&choice, Sampling::All, Duration::ZERO);
        let needed = 12 + (hours * 2.0).ceil() as usize + 2;
        let frames = open_file(&path, camera.clone(), start).expect("the week");
        let mut pictures = Vec::new();
        let mut colour = Colour::new(0.299, 0.114, false);
        for frame in frames.take(needed + 4) {
            for picture in decoder.push(&frame.expect("whole")).expect("decoded") {
                let Pixels::Yuv(yuv) = &picture.pixels else { panic!("no planes") };
                colour = *yuv.colour();
                pictures.push(planes(yuv));
            }
        }
        assert!(pictures.len() >= needed.min(280), "{} pictures", pictures.len());
        pictures.drain(..12);
        Self { begin, pictures, colour }
    }

    /// Vehicles that come after the first hour and leave before the end.
    pub fn stays(&self, seed: u64, end: WallTime) -> Vec<Stay> {
        let mut random = Random(seed ^ 0x5eed);
        let mut all = Vec::new();
        let (width, height) = (VEHICLE.0 as f32 / SIZE.0 as f32, VEHICLE.1 as f32 / SIZE.1 as f32);
        for (x, y) in PLACES {
            let place = Rect::new(x, y, x + width, y + height);
            let mut from = self.begin + random.minutes((30.0, 90.0));
            loop {
                let to = from + random.minutes(STAY);
                if to >= end {
                    break;
                }
                all.push(Stay { place, from, to, paint: random.next() });
                from = to + random.minutes(EMPTY);
            }
        }
        all
    }

    pub fn picture(&self, at: WallTime, standing: &[&Stay], random: &mut Random) -> Picture {
        let place = at.since(self.begin).div_duration_f32(HALF_HOUR);
        let index = (place as usize).min(self.pictures.len() - 2);
        let (before, after) = (&self.pictures[index], &self.pictures[index + 1]);
        let share = place - index as f32;
        // A camera switches to infrared at once.
        let share = if is_infrared(before) == is_infrared(after) { share } else { share.round() };
        let mut planes: [Vec<u8>; 3] =
            std::array::from_fn(|plane| faded(&before[plane], &after[plane], share));
        for stay in standing {
            draw(&mut planes, stay);
        }
        for row in planes[0].chunks_exact_mut(16) {
            // Noise of the sensor.
            let mut noise = random.next();
            for value in row {
                *value = value.saturating_add((noise & 3) as u8).saturating_sub(1);
                noise >>= 4;
            }
        }
        let [luma, blue, red] = planes;
        let layout = Layout {
            luma: luma.into(),
            luma_stride: SIZE.0,
            chroma: [blue.into(), red.into()],
            chroma_stride: SIZE.0 / 2,
            chroma_step: 1,
        };
        let yuv = Yuv::new(SIZE.0 as u32, SIZE.1 as u32, layout, self.colour).expect("whole planes");
        Picture {
            camera: CameraId::from("mast"),
            seq: FrameSeq(0),
            stream: 1,
            capture: Capture { at, source: TimeSource::Footage, offset_ms: None, clock: None },
            width: SIZE.0 as u32,
            height: SIZE.1 as u32,
            pixels: Pixels::Yuv(yuv),
            series: None,
        }
    }
}

fn planes(yuv: &Yuv) -> [Vec<u8>; 3] {
    assert_eq!((yuv.width() as usize, yuv.height() as usize), SIZE);
    let luma = (0..SIZE.1).flat_map(|row| yuv.luma_row(row).iter().copied()).collect();
    let step = yuv.chroma_step();
    let chroma = |plane: usize| {
        (0..SIZE.1 / 2).flat_map(|row| yuv.chroma_row(row)[plane].iter().step_by(step).copied()).collect()
    };
    [luma, chroma(0), chroma(1)]
}

fn is_infrared(planes: &[Vec<u8>; 3]) -> bool {
    let apart: u64 = planes[1].iter().chain(&planes[2]).map(|v| u64::from(v.abs_diff(128))).sum();
    apart < 2 * (planes[1].len() + planes[2].len()) as u64
}

fn faded(before: &[u8], after: &[u8], share: f32) -> Vec<u8> {
    let share = (share.clamp(0.0, 1.0) * 256.0) as u32;
    let mix = |(a, b): (&u8, &u8)| ((u32::from(*a) * (256 - share) + u32::from(*b) * share) >> 8) as u8;
    before.iter().zip(after).map(mix).collect()
}

/// Draws a vehicle in the light of its place: body, roof with windows, wheels, and a dark line below.
fn draw(planes: &mut [Vec<u8>; 3], stay: &Stay) {
    let left = (stay.place.x0 * SIZE.0 as f32) as usize;
    let top = (stay.place.y0 * SIZE.1 as f32) as usize;
    let row = |y: usize| y * SIZE.0 + left;
    let ground: u32 = planes[0][row(top)..][..VEHICLE.0].iter().map(|v| u32::from(*v)).sum();
    let light = (ground as f32 / VEHICLE.0 as f32 / PLAIN_LIGHT).clamp(0.25, 1.8);
    let infrared = is_infrared(planes);
    let body = 40.0 + (stay.paint % 180) as f32;
    for y in 0..VEHICLE.1 {
        for x in 0..VEHICLE.0 {
            let (u, v) = (x as f32 / VEHICLE.0 as f32, y as f32 / VEHICLE.1 as f32);
            let wheel = v > 0.75 && [0.22, 0.78].iter().any(|w: &f32| (u - w).abs() < 0.09);
            let window = (0.12..0.42).contains(&v) && (0.2..0.82).contains(&u) && (u - 0.5).abs() > 0.03;
            let shade = match () {
                () if v > 0.92 || wheel => 20.0,
                () if window => 35.0,
                () if v < 0.45 && !(0.14..0.88).contains(&u) => continue,
                // The bonnet shines.
                () if v < 0.55 => body * 1.15,
                () => body,
            };
            planes[0][row(top + y) + x] = (16.0 + shade * light).clamp(16.0, 235.0) as u8;
            if y % 2 == 0 && x % 2 == 0 {
                let at = (top + y) / 2 * (SIZE.0 / 2) + (left + x) / 2;
                let tint = |shift: u32| 108 + (stay.paint >> shift) as u8 % 40;
                (planes[1][at], planes[2][at]) = if infrared { (128, 128) } else { (tint(8), tint(16)) };
            }
        }
    }
}
