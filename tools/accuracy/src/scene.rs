//! Hill country, cameras on masts, surveyed points and things to find.

use std::sync::Arc;

use anyhow::{Context, Result};
use lintel::calibration::{Calibration, Known, Survey, SurveyPoint};
use lintel::geo::{
    Attitude, Dem, DemGrid, Geodetic, GridCrs, Ground, Lens, LocalFrame, Locator, PoseSigma,
    TransverseMercator, View,
};

use crate::homography::Homography;

pub const SIZE: [u32; 2] = [1920, 1080];
const HOME: [f64; 2] = [120.6, 29.7];
const CELLS: usize = 900;
const CELL_M: f64 = 6.0;
/// Surveyed points of a camera.
const POINTS: usize = 14;
/// Things are looked for so far away, metres.
const NEAR_M: f64 = 50.0;
const FAR_M: f64 = 2_000.0;

/// Standard deviations.
#[derive(Clone, Copy)]
pub struct Noise {
    pub pixel_px: f64,
    pub survey_m: f64,
    /// Of the terrain model against the true ground, alike within some 30 m.
    pub ground_m: f64,
}

/// The true ground, what the terrain model says of it, and chance.
pub struct Country {
    ground: Arc<Dem>,
    model: Arc<Dem>,
    noise: Noise,
    chance: Chance,
}

/// A camera as it is.
pub struct Site {
    truth: Locator,
}

/// A camera as it was found.
pub struct Camera {
    dem: Locator,
    plane: Locator,
    flat: Homography,
    frame: LocalFrame,
}

/// Errors on the ground, metres; not finite where a method gave no place.
pub struct Trial {
    pub distance_m: f64,
    pub flat_m: f64,
    pub plane_m: f64,
    pub dem_m: f64,
    pub covered: bool,
    pub semi_major_m: f64,
}

/// A thing whose line of sight met no ground.
pub struct Miss {
    pub distance_m: f64,
}

impl Country {
    pub fn new(seed: u64, noise: Noise) -> Result<Self> {
        let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let waves: Vec<[f64; 4]> =
            [(900.0, 26.0), (700.0, 18.0), (420.0, 9.0), (260.0, 4.0), (130.0, 1.2), (60.0, 0.3)]
                .into_iter()
                .flat_map(|(length, height)| {
                    let mut turn = || chance.uniform(0.0, std::f64::consts::TAU);
                    let (a, b) = (turn(), turn());
                    [[length, height, a, turn()], [length * 0.8, height * 0.7, b, turn()]]
                })
                .collect();
        let errors: Vec<[f64; 3]> = (0..40)
            .map(|_| {
                let turn = chance.uniform(0.0, std::f64::consts::TAU);
                [turn, chance.uniform(0.0, std::f64::consts::TAU), chance.uniform(25.0, 120.0)]
            })
            .collect();
        let height = |e: f64, n: f64| {
            waves
                .iter()
                .map(|[length, height, turn, phase]| {
                    let along = e * turn.cos() + n * turn.sin();
                    height * (along / length * std::f64::consts::TAU + phase).sin()
                })
                .sum::<f64>()
                + 120.0
        };
        // A sum of many waves is normal; each has half of its square as its variance.
        let error = |e: f64, n: f64| {
            let share = noise.ground_m * (2.0 / errors.len() as f64).sqrt();
            let wave = |[turn, phase, length]: &[f64; 3]| {
                ((e * turn.cos() + n * turn.sin()) / length * std::f64::consts::TAU + phase).sin()
            };
            share * errors.iter().map(wave).sum::<f64>()
        };
        let ground = Arc::new(dem(height)?);
        let model = if noise.ground_m > 0.0 {
            Arc::new(dem(|e, n| height(e, n) + error(e, n))?)
        } else {
            ground.clone()
        };
        Ok(Self { ground, model, noise, chance })
    }

    /// A mast of 20 to 60 m on one of the higher places, with a lens of 20 to 60 degrees, that sees enough
    /// ground.
    pub fn site(&mut self) -> Option<Site> {
        let chance = &mut self.chance;
        let frame = LocalFrame::new(Geodetic::new(HOME[0], HOME[1], 0.0));
        let candidates: Vec<Geodetic> = (0..6)
            .filter_map(|_| {
                let p =
                    frame.to_geodetic([chance.uniform(-600.0, 600.0), chance.uniform(-600.0, 600.0), 0.0]);
                Some(Geodetic { alt: self.ground.height(p.lon, p.lat)?, ..p })
            })
            .collect();
        let foot = candidates.into_iter().max_by(|a, b| a.alt.total_cmp(&b.alt))?;
        let position = Geodetic { alt: foot.alt + chance.uniform(20.0, 60.0), ..foot };
        let fov = 20.0 * 3.0_f64.powf(chance.uniform(0.0, 1.0));
        let lens = Lens { k1: chance.uniform(-0.1, 0.02), ..Lens::from_fov(fov, SIZE) };
        let attitude = Attitude {
            heading_deg: chance.uniform(0.0, 360.0),
            pitch_deg: -fov * 9.0 / 16.0 * chance.uniform(0.25, 0.5) - 1.0,
            roll_deg: 2.0 * chance.normal(),
        };
        let view = View::from_pose(SIZE, lens, position, attitude, PoseSigma::default()).ok()?;
        Some(Site { truth: Locator::new(view, Ground::Dem(self.ground.clone())) })
    }

    /// A thing that the camera sees, found by all methods from one measured pixel.
    pub fn look(&mut self, site: &Site, camera: &Camera) -> Option<Result<Trial, Miss>> {
        let view = site.truth.view();
        let fov = view.lens().fov_deg(SIZE);
        let thing = (0..60).find_map(|_| {
            let distance = NEAR_M * (FAR_M / NEAR_M).powf(self.chance.uniform(0.0, 1.0));
            let azimuth = view.attitude().heading_deg + fov * self.chance.uniform(-0.5, 0.5);
            let (sin, cos) = azimuth.to_radians().sin_cos();
            let p = view.frame().to_geodetic([distance * sin, distance * cos, 0.0]);
            let place = Geodetic { alt: self.ground.height(p.lon, p.lat)?, ..p };
            site.truth.sees(place).filter(|s| !s.hidden).map(|s| (place, s))
        });
        let (place, sighting) = thing?;
        let pixel = self.measured(sighting.pixel);
        let off = |found: Geodetic| {
            let [east, north, _] = place.offset_from(&found);
            [east, north]
        };
        let long = |[east, north]: [f64; 2]| east.hypot(north);
        let distance_m = sighting.distance_m;
        let Ok(fix) = camera.dem.locate(pixel, self.noise.pixel_px) else {
            return Some(Err(Miss { distance_m }));
        };
        let [east, north] = off(fix.position);
        let [true_east, true_north, _] = camera.frame.to_enu(place);
        let flat = camera.flat.place(pixel).map(|[e, n]| (e - true_east).hypot(n - true_north));
        let plane = camera.plane.locate(pixel, self.noise.pixel_px).ok().map(|f| long(off(f.position)));
        Some(Ok(Trial {
            distance_m,
            flat_m: flat.unwrap_or(f64::INFINITY),
            plane_m: plane.unwrap_or(f64::INFINITY),
            dem_m: long([east, north]),
            covered: fix.accuracy.contains(east, north),
            semi_major_m: fix.accuracy.semi_major_m,
        }))
    }

    fn measured(&mut self, pixel: [f64; 2]) -> [f64; 2] {
        pixel.map(|v| v + self.noise.pixel_px * self.chance.normal())
    }
}

impl Site {
    /// Surveys points in all parts of the picture and solves.
    pub fn calibrate(&self, country: &mut Country) -> Result<Camera> {
        let view = self.truth.view();
        let mut points: Vec<SurveyPoint> = Vec::new();
        for i in 0..400 {
            if points.len() == POINTS {
                break;
            }
            let cell = [f64::from(i % 5), f64::from(i / 5 % 4)];
            let pixel = [
                (cell[0] + country.chance.uniform(0.05, 0.95)) * f64::from(SIZE[0]) / 5.0,
                (cell[1] + country.chance.uniform(0.05, 0.95)) * f64::from(SIZE[1]) / 4.0,
            ];
            let Ok(fix) = self.truth.locate(pixel, 0.0) else { continue };
            if fix.distance_m > 1_500.0 {
                continue;
            }
            let noise = country.noise.survey_m;
            let off = std::array::from_fn(|_| noise * country.chance.normal());
            let place = LocalFrame::new(fix.position).to_geodetic(off);
            points.push(SurveyPoint {
                name: format!("P{}", points.len() + 1),
                pixel: country.measured(pixel),
                place,
            });
        }
        let survey = Survey {
            points: &points,
            size: SIZE,
            // As a data sheet says it.
            known: Known { focal: Some((view.lens().focal_px, 0.09 * view.lens().focal_px)), position: None },
            pixel_sigma_px: country.noise.pixel_px,
            survey_sigma_m: country.noise.survey_m,
            dem: Some(country.model.clone()),
        };
        let found = Calibration::solve("synthetic", "2026-01-01", &survey)?;
        let frame = LocalFrame::new(found.view().position());
        let level = |p: &SurveyPoint| {
            let [east, north, _] = frame.to_enu(p.place);
            (p.pixel, [east, north])
        };
        let flat = Homography::fit(&points.iter().map(level).collect::<Vec<_>>()).context("no homography")?;
        let over = |ground, sigma| Locator::new(found.view(), ground).with_ground_sigma(sigma);
        Ok(Camera {
            dem: over(Ground::Dem(country.model.clone()), country.noise.ground_m),
            plane: over(found.ground(), found.ground_sigma_m()),
            flat,
            frame,
        })
    }
}

fn dem(height: impl Fn(f64, f64) -> f64) -> Result<Dem> {
    let zone = TransverseMercator::utm(51, true);
    let middle = zone.forward(HOME[0], HOME[1]);
    let at = |i: usize| (i as f64 - (CELLS - 1) as f64 / 2.0) * CELL_M;
    let heights = (0..CELLS * CELLS).map(|i| height(at(i % CELLS), -at(i / CELLS)) as f32).collect();
    Ok(Dem::new(DemGrid {
        columns: CELLS,
        rows: CELLS,
        heights,
        origin: [middle[0] + at(0), middle[1] - at(0)],
        step: [CELL_M, -CELL_M],
        crs: GridCrs::Projected(zone),
    })?)
}

/// SplitMix64 (Steele, Lea and Flood 2014): the same numbers on every machine and for ever.
struct Chance(u64);

impl Chance {
    fn uniform(&mut self, from: f64, to: f64) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        from + (to - from) * ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Box and Muller.
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform(f64::MIN_POSITIVE, 1.0).max(1e-300).ln()).sqrt();
        radius * self.uniform(0.0, std::f64::consts::TAU).cos()
    }
}
