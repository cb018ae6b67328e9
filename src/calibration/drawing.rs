//! A picture that shows how well a calibration fits: points and where they should be, rings of distance on
//! the ground, the horizon, and beside it a plan of what the camera sees.

use image::{Rgb, RgbImage, imageops};

use super::{Calibration, CalibrationError};
use crate::draw::{Canvas, Colour};
use crate::geo::{Geodetic, Ground, Locator};

/// Width of the picture, and both sides of the plan, at most, pixels.
const PICTURE_WIDTH: u32 = 1280;
/// Rings on the ground, metres.
const RINGS: [f64; 9] = [25.0, 50.0, 100.0, 200.0, 300.0, 500.0, 1000.0, 2000.0, 3000.0];
/// Drawn no further, metres.
const FAR_M: f64 = 3_500.0;
/// Steps around the camera.
const STEPS: usize = 720;

const GOOD: Colour = Colour::new(60, 220, 90);
const BAD: Colour = Colour::new(250, 50, 50);
const WHERE: Colour = Colour::new(255, 210, 40);
const RING: Colour = Colour::new(120, 200, 255);
const SKY: Colour = Colour::new(255, 130, 230);
const PLAIN: Colour = Colour::new(235, 235, 235);

/// Draws over the reference picture, or over grey where there is none.
///
/// # Errors
/// OpenCV's own.
pub fn draw(
    calibration: &Calibration,
    locator: &Locator,
    reference: Option<&RgbImage>,
) -> Result<RgbImage, CalibrationError> {
    let [width, height] = calibration.picture_size();
    let scale = (f64::from(PICTURE_WIDTH) / f64::from(width)).min(1.0);
    let side = |v: u32| (f64::from(v) * scale).round().max(1.0) as u32;
    let (w, h) = (side(width), side(height));
    let base = match reference {
        Some(image) => imageops::resize(image, w, h, imageops::FilterType::Triangle),
        None => RgbImage::from_pixel(w, h, Rgb([70, 76, 84])),
    };
    let mut left = Scene { canvas: Canvas::new(base), scale };
    left.rings(locator)?;
    left.horizon(locator)?;
    left.points(calibration, locator)?;
    left.caption(calibration, h)?;
    let plan = Plan::new(calibration, locator, h.max(480)).draw(calibration, locator)?;
    let mut whole = RgbImage::from_pixel(w + plan.width(), h.max(plan.height()), Rgb([24, 24, 28]));
    imageops::replace(&mut whole, &left.canvas.into_image(), 0, 0);
    imageops::replace(&mut whole, &plan, i64::from(w), 0);
    Ok(whole)
}

/// The ground so many metres away (measured level) in a direction.
fn ground_at(locator: &Locator, distance: f64, azimuth: f64) -> Option<Geodetic> {
    let (sin, cos) = azimuth.sin_cos();
    let p = locator.view().frame().to_geodetic([distance * sin, distance * cos, 0.0]);
    Some(Geodetic { alt: locator.ground_height(p.lon, p.lat)?, ..p })
}

fn azimuths() -> impl Iterator<Item = f64> {
    (0..=STEPS).map(|i| i as f64 / STEPS as f64 * std::f64::consts::TAU)
}

/// The picture.
struct Scene {
    canvas: Canvas,
    scale: f64,
}

impl Scene {
    fn at(&self, pixel: [f64; 2]) -> [f64; 2] {
        pixel.map(|v| v * self.scale)
    }

    fn rings(&mut self, locator: &Locator) -> Result<(), CalibrationError> {
        for ring in RINGS {
            let mut last: Option<[f64; 2]> = None;
            let mut seen = Vec::new();
            for azimuth in azimuths() {
                let there = ground_at(locator, ring, azimuth).and_then(|p| locator.sees(p));
                let Some(sighting) = there.filter(|s| !s.hidden) else {
                    last = None;
                    continue;
                };
                let here = self.at(sighting.pixel);
                if let Some(last) = last {
                    self.canvas.line(last, here, RING, 1)?;
                }
                seen.push(here);
                last = Some(here);
            }
            if let Some([x, y]) = seen.get(seen.len() / 2) {
                self.canvas.rimmed_text(&format!("{ring:.0} m"), [x + 4.0, y - 4.0], 0.45, RING)?;
            }
        }
        Ok(())
    }

    /// Where level lines of sight go.
    fn horizon(&mut self, locator: &Locator) -> Result<(), CalibrationError> {
        const AWAY_M: f64 = 100_000.0;
        let view = locator.view();
        let [width, height] = view.size().map(f64::from);
        let near = |p: &[f64; 2]| p[0].abs() < 3.0 * width && p[1] > -height && p[1] < 2.0 * height;
        let pixel = |azimuth: f64| {
            let (sin, cos) = azimuth.sin_cos();
            view.project(view.frame().to_geodetic([AWAY_M * sin, AWAY_M * cos, 0.0])).filter(near)
        };
        let mut last = None;
        for here in azimuths().map(pixel) {
            if let (Some(a), Some(b)) = (last, here) {
                self.canvas.line(self.at(a), self.at(b), SKY, 1)?;
            }
            last = here;
        }
        Ok(())
    }

    fn points(&mut self, calibration: &Calibration, locator: &Locator) -> Result<(), CalibrationError> {
        for point in &calibration.points {
            let measured = self.at(point.pixel);
            let colour = if point.used { GOOD } else { BAD };
            if let Some(pixel) = locator.view().project(point.place) {
                let there = self.at(pixel);
                self.canvas.line(measured, there, WHERE, 2)?;
                self.canvas.circle(there, 6, WHERE, 1)?;
            }
            let [x, y] = measured;
            self.canvas.line([x - 6.0, y], [x + 6.0, y], colour, 2)?;
            self.canvas.line([x, y - 6.0], [x, y + 6.0], colour, 2)?;
            let off = point.residual_px[0].hypot(point.residual_px[1]);
            let label = if point.used {
                format!("{} {off:.1}", point.name)
            } else {
                format!("{} WRONG {:.0} m", point.name, point.residual_m)
            };
            self.canvas.rimmed_text(&label, [x + 9.0, y - 7.0], 0.45, colour)?;
        }
        Ok(())
    }

    fn caption(&mut self, calibration: &Calibration, height: u32) -> Result<(), CalibrationError> {
        let fit = &calibration.fit;
        let used = fit.points - fit.left_out.len();
        let lines = [
            format!(
                "{}  {}  {used} of {} points, rms {:.2} px, {:.2} m, leave-one-out {:.2} px",
                calibration.camera,
                calibration.survey_date,
                fit.points,
                fit.rms_px,
                fit.rms_m,
                fit.leave_one_out_rms_px
            ),
            "cross: measured, circle: reprojected, blue: metres on the ground, pink: horizon".to_owned(),
        ];
        for (i, line) in lines.iter().enumerate() {
            self.canvas.rimmed_text(line, [10.0, f64::from(height) - 28.0 + 18.0 * i as f64], 0.48, PLAIN)?;
        }
        Ok(())
    }
}

/// North up, with the camera and all points in it.
struct Plan {
    side: u32,
    /// Metres east and north of the camera in the middle.
    middle: [f64; 2],
    metres_per_pixel: f64,
}

impl Plan {
    fn new(calibration: &Calibration, locator: &Locator, side: u32) -> Self {
        let frame = locator.view().frame();
        let mut places = vec![[0.0, 0.0]];
        places.extend(calibration.points.iter().map(|p| {
            let [east, north, _] = frame.to_enu(p.place);
            [east, north]
        }));
        let low = |i: usize| places.iter().map(|p| p[i]).fold(f64::INFINITY, f64::min);
        let high = |i: usize| places.iter().map(|p| p[i]).fold(f64::NEG_INFINITY, f64::max);
        let span = (high(0) - low(0)).max(high(1) - low(1)).max(50.0) * 1.3;
        Self {
            side,
            middle: [(low(0) + high(0)) / 2.0, (low(1) + high(1)) / 2.0],
            metres_per_pixel: span / f64::from(side),
        }
    }

    fn at(&self, [east, north]: [f64; 2]) -> [f64; 2] {
        let half = f64::from(self.side) / 2.0;
        [
            half + (east - self.middle[0]) / self.metres_per_pixel,
            half - (north - self.middle[1]) / self.metres_per_pixel,
        ]
    }

    fn draw(&self, calibration: &Calibration, locator: &Locator) -> Result<RgbImage, CalibrationError> {
        let mut canvas = Canvas::new(self.ground(locator));
        let frame = locator.view().frame();
        let centre = self.at([0.0, 0.0]);
        for ring in RINGS {
            let radius = ring / self.metres_per_pixel;
            if radius < 1.5 * f64::from(self.side) {
                canvas.circle(centre, radius as i32, Colour::new(90, 120, 150), 1)?;
                canvas.rimmed_text(
                    &format!("{ring:.0}"),
                    [centre[0] + 3.0, centre[1] - radius - 2.0],
                    0.4,
                    RING,
                )?;
            }
        }
        for point in &calibration.points {
            let [east, north, _] = frame.to_enu(point.place);
            let at = self.at([east, north]);
            let colour = if point.used { GOOD } else { BAD };
            canvas.circle(at, 4, colour, -1)?;
            canvas.rimmed_text(&point.name, [at[0] + 6.0, at[1] - 5.0], 0.42, colour)?;
        }
        canvas.circle(centre, 6, WHERE, -1)?;
        canvas.rimmed_text(&calibration.camera, [centre[0] + 9.0, centre[1] + 16.0], 0.5, WHERE)?;
        self.scale_bar(&mut canvas)?;
        Ok(canvas.into_image())
    }

    /// Shaded terrain, lighter where the camera sees it.
    fn ground(&self, locator: &Locator) -> RgbImage {
        let frame = locator.view().frame();
        let half = f64::from(self.side) / 2.0;
        let metres = |x: u32, y: u32| {
            [
                self.middle[0] + (f64::from(x) + 0.5 - half) * self.metres_per_pixel,
                self.middle[1] - (f64::from(y) + 0.5 - half) * self.metres_per_pixel,
            ]
        };
        let height = |east: f64, north: f64| {
            let p = frame.to_geodetic([east, north, 0.0]);
            Some(Geodetic { alt: locator.ground_height(p.lon, p.lat)?, ..p })
        };
        // Every other pixel each way is enough.
        let coarse = RgbImage::from_fn(self.side.div_ceil(2), self.side.div_ceil(2), |x, y| {
            let [east, north] = metres(2 * x, 2 * y);
            let step = (2.0 * self.metres_per_pixel).max(2.0);
            let Some(here) = height(east, north) else { return Rgb([40, 40, 44]) };
            let beside = (height(east + step, north), height(east, north + step));
            let light = match (beside, locator.ground()) {
                ((Some(e), Some(n)), Ground::Dem(_)) => {
                    let (rise_east, rise_north) = ((e.alt - here.alt) / step, (n.alt - here.alt) / step);
                    (0.7 + rise_east - rise_north) / (1.0 + rise_east.hypot(rise_north))
                }
                _ => 0.6,
            };
            let seen = east.hypot(north) < FAR_M && locator.sees(here).is_some_and(|s| !s.hidden);
            let tone = |full: f64| (full * light.clamp(0.15, 1.0)) as u8;
            if seen {
                Rgb([tone(225.0), tone(215.0), tone(150.0)])
            } else {
                Rgb([tone(95.0), tone(105.0), tone(100.0)])
            }
        });
        imageops::resize(&coarse, self.side, self.side, imageops::FilterType::Nearest)
    }

    fn scale_bar(&self, canvas: &mut Canvas) -> Result<(), CalibrationError> {
        let third = f64::from(self.side) / 3.0 * self.metres_per_pixel;
        let length = RINGS.into_iter().rfind(|r| *r < third).unwrap_or(10.0);
        let y = f64::from(self.side) - 16.0;
        canvas.line([14.0, y], [14.0 + length / self.metres_per_pixel, y], PLAIN, 2)?;
        Ok(canvas.rimmed_text(&format!("{length:.0} m, north is up"), [14.0, y - 8.0], 0.45, PLAIN)?)
    }
}
