//! A camera at a place, looking somewhere, and how well that is known.

use nalgebra::{Matrix3, SMatrix, Vector3};

use super::geodesy::{Geodetic, LocalFrame};
use super::lens::Lens;

/// Parameters whose errors are carried, in this order: camera east, north, up (metres); rotation of the
/// camera about its own right, down and forward axes (radians); focal length (pixels); k1; k2.
pub const PARAMETERS: usize = 9;

/// Covariance of the parameters.
pub(crate) type Covariance = SMatrix<f64, PARAMETERS, PARAMETERS>;

/// Where the camera looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attitude {
    /// Of the optical axis, clockwise from true north, degrees. Where the axis is vertical: of the picture's
    /// upper edge for a look down.
    pub heading_deg: f64,
    /// Of the optical axis above the horizon, degrees: -90 is straight down.
    pub pitch_deg: f64,
    /// Of the camera about its axis, clockwise as seen from behind it, degrees; 180 is upside down. The
    /// horizon then turns counter-clockwise in the picture.
    pub roll_deg: f64,
}

/// Standard deviations of a pose that was measured and not solved for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PoseSigma {
    /// Of east and of north each, metres.
    pub horizontal_m: f64,
    pub vertical_m: f64,
    pub heading_deg: f64,
    pub pitch_deg: f64,
    pub roll_deg: f64,
    pub focal_px: f64,
}

/// What the pose rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoseSource {
    /// Surveyed points.
    Calibration,
    /// What the drone said of itself.
    Telemetry,
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ViewError {
    #[error("the camera's {0} is not a usable number")]
    NotANumber(&'static str),
    #[error("the camera's position {lon}, {lat} is no place on earth (longitude first, then latitude)")]
    NoPlace { lon: f64, lat: f64 },
}

/// Half a line in the local frame of a [`View`]: east, north, up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ray {
    pub origin: [f64; 3],
    /// Of length 1.
    pub direction: [f64; 3],
}

/// A camera that pixels and places are reckoned with. Its local frame has its origin in the camera.
#[derive(Clone, Debug)]
pub struct View {
    size: [u32; 2],
    lens: Lens,
    frame: LocalFrame,
    /// Rows: right, down, forward, in east, north, up.
    rotation: Matrix3<f64>,
    covariance: Covariance,
    source: PoseSource,
}

impl View {
    /// From a pose that a drone or a data sheet gives; `size` is the picture's width and height.
    ///
    /// # Errors
    /// A value that is no number, no focal length, no picture, a position that is no place on earth.
    pub fn from_pose(
        size: [u32; 2],
        lens: Lens,
        position: Geodetic,
        attitude: Attitude,
        sigma: PoseSigma,
    ) -> Result<Self, ViewError> {
        let covariance = sigma_to_covariance(&attitude, &sigma);
        Self::new(size, lens, position, attitude, covariance, PoseSource::Telemetry)
    }

    /// With a covariance of all parameters, in the order of [`PARAMETERS`].
    ///
    /// # Errors
    /// As [`View::from_pose`].
    pub fn from_calibration(
        size: [u32; 2],
        lens: Lens,
        position: Geodetic,
        attitude: Attitude,
        covariance: &[[f64; PARAMETERS]; PARAMETERS],
    ) -> Result<Self, ViewError> {
        let covariance = Covariance::from_fn(|i, j| (covariance[i][j] + covariance[j][i]) / 2.0);
        Self::new(size, lens, position, attitude, covariance, PoseSource::Calibration)
    }

    fn new(
        size: [u32; 2],
        lens: Lens,
        position: Geodetic,
        attitude: Attitude,
        covariance: Covariance,
        source: PoseSource,
    ) -> Result<Self, ViewError> {
        let numbers = [
            ("longitude", position.lon),
            ("latitude", position.lat),
            ("altitude", position.alt),
            ("heading", attitude.heading_deg),
            ("pitch", attitude.pitch_deg),
            ("roll", attitude.roll_deg),
            ("k1", lens.k1),
            ("k2", lens.k2),
            ("principal point", lens.center[0] + lens.center[1]),
            ("covariance", covariance.sum()),
        ];
        if let Some((name, _)) = numbers.iter().find(|(_, v)| !v.is_finite()) {
            return Err(ViewError::NotANumber(name));
        }
        if !(lens.focal_px.is_finite() && lens.focal_px > 0.0) {
            return Err(ViewError::NotANumber("focal length"));
        }
        if size.contains(&0) {
            return Err(ViewError::NotANumber("picture size"));
        }
        if !position.is_valid() {
            return Err(ViewError::NoPlace { lon: position.lon, lat: position.lat });
        }
        let frame = LocalFrame::new(position);
        Ok(Self { size, lens, frame, rotation: attitude.rotation(), covariance, source })
    }

    /// Width and height of the picture that pixels are of.
    pub fn size(&self) -> [u32; 2] {
        self.size
    }

    pub fn lens(&self) -> &Lens {
        &self.lens
    }

    pub fn position(&self) -> Geodetic {
        self.frame.origin()
    }

    pub fn attitude(&self) -> Attitude {
        Attitude::of(&self.rotation)
    }

    pub fn source(&self) -> PoseSource {
        self.source
    }

    pub fn frame(&self) -> &LocalFrame {
        &self.frame
    }

    /// The pixel that shows a place; it may lie outside the picture. `None` behind the camera, and where the
    /// lens' model ends.
    pub fn project(&self, place: Geodetic) -> Option<[f64; 2]> {
        let seen = self.rotation * Vector3::from(self.frame.to_enu(place));
        if seen.z <= 0.0 {
            return None;
        }
        self.lens.pixel_of(seen.x / seen.z, seen.y / seen.z)
    }

    /// The line of sight of a pixel.
    pub fn ray(&self, pixel: [f64; 2]) -> Ray {
        let p = self.lens.direction_of(pixel);
        let direction = self.rotation.tr_mul(&Vector3::new(p.x, p.y, 1.0)).normalize();
        Ray { origin: [0.0; 3], direction: direction.into() }
    }

    /// The same camera, turned by small angles about its own right, down and forward axes, degrees: what it
    /// is after it was nudged.
    pub fn turned(&self, by_deg: [f64; 3]) -> Self {
        let by = nalgebra::Rotation3::new(Vector3::from(by_deg.map(f64::to_radians)));
        Self { rotation: by.matrix() * self.rotation, ..self.clone() }
    }

    pub(crate) fn contains(&self, pixel: [f64; 2]) -> bool {
        let within = |v: f64, size: u32| (0.0..=f64::from(size)).contains(&v);
        within(pixel[0], self.size[0]) && within(pixel[1], self.size[1])
    }

    pub(crate) fn rotation(&self) -> &Matrix3<f64> {
        &self.rotation
    }

    pub(crate) fn covariance(&self) -> &Covariance {
        &self.covariance
    }
}

impl Attitude {
    /// Rows: right, down and forward of the camera in east, north, up.
    pub(crate) fn rotation(&self) -> Matrix3<f64> {
        let (sin_h, cos_h) = self.heading_deg.to_radians().sin_cos();
        let (sin_p, cos_p) = self.pitch_deg.to_radians().sin_cos();
        let (sin_r, cos_r) = self.roll_deg.to_radians().sin_cos();
        let forward = Vector3::new(sin_h * cos_p, cos_h * cos_p, sin_p);
        let level = Vector3::new(cos_h, -sin_h, 0.0);
        let down = forward.cross(&level);
        let right = level * cos_r + down * sin_r;
        Matrix3::from_rows(&[
            right.transpose(),
            (down * cos_r - level * sin_r).transpose(),
            forward.transpose(),
        ])
    }

    pub(crate) fn of(rotation: &Matrix3<f64>) -> Self {
        let row = |i: usize| Vector3::new(rotation[(i, 0)], rotation[(i, 1)], rotation[(i, 2)]);
        let (right, forward) = (row(0), row(2));
        let level = if forward.xy().norm() > 1e-9 {
            Vector3::new(forward.y, -forward.x, 0.0).normalize()
        } else {
            Vector3::new(right.x, right.y, 0.0).normalize()
        };
        let down = forward.cross(&level);
        Self {
            heading_deg: (-level.y).atan2(level.x).to_degrees().rem_euclid(360.0),
            pitch_deg: forward.xy().norm().atan2(forward.z).to_degrees().mul_add(-1.0, 90.0),
            roll_deg: right.dot(&down).atan2(right.dot(&level)).to_degrees(),
        }
    }
}

/// Heading turns about the vertical, pitch about the level line of the picture, roll about the axis.
fn sigma_to_covariance(attitude: &Attitude, sigma: &PoseSigma) -> Covariance {
    let rotation = attitude.rotation();
    let roll = attitude.roll_deg.to_radians();
    let about = [
        rotation * Vector3::z() * sigma.heading_deg.to_radians(),
        Vector3::new(roll.cos(), -roll.sin(), 0.0) * sigma.pitch_deg.to_radians(),
        Vector3::z() * sigma.roll_deg.to_radians(),
    ];
    let turned = about.iter().fold(Matrix3::zeros(), |sum: Matrix3<f64>, a| sum + a * a.transpose());
    let mut all = Covariance::zeros();
    let squared = |v: f64| v * v;
    (all[(0, 0)], all[(1, 1)]) = (squared(sigma.horizontal_m), squared(sigma.horizontal_m));
    all[(2, 2)] = squared(sigma.vertical_m);
    all.fixed_view_mut::<3, 3>(3, 3).copy_from(&turned);
    all[(6, 6)] = squared(sigma.focal_px);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIZE: [u32; 2] = [1920, 1080];

    fn view(heading_deg: f64, pitch_deg: f64, roll_deg: f64) -> View {
        let attitude = Attitude { heading_deg, pitch_deg, roll_deg };
        let place = Geodetic::new(120.0, 30.0, 50.0);
        View::from_pose(SIZE, Lens::new(1500.0, SIZE), place, attitude, PoseSigma::default()).expect("a pose")
    }

    /// Where a place so far east, north and up of the camera is drawn.
    fn pixel(view: &View, enu: [f64; 3]) -> [f64; 2] {
        view.project(view.frame().to_geodetic(enu)).expect("in front of the camera")
    }

    #[test]
    fn headings_turn_clockwise_from_north() {
        for (heading, enu) in
            [(0.0, [0.0, 100.0, 0.0]), (90.0, [100.0, 0.0, 0.0]), (225.0, [-70.0, -70.0, 0.0])]
        {
            let [x, y] = pixel(&view(heading, 0.0, 0.0), enu);
            assert!((x - 960.0).abs() < 1e-6 && (y - 540.0).abs() < 1e-6, "{heading}: {x} {y}");
        }
        let north = view(0.0, 0.0, 0.0);
        assert!(pixel(&north, [10.0, 100.0, 0.0])[0] > 960.0, "east is to the right of north");
        assert!(pixel(&north, [0.0, 100.0, -10.0])[1] > 540.0, "what is lower is drawn lower");
    }

    #[test]
    fn pitch_is_up_and_roll_is_clockwise_from_behind() {
        let down = pixel(&view(0.0, -45.0, 0.0), [0.0, 100.0, -100.0]);
        assert!((down[0] - 960.0).abs() < 1e-6 && (down[1] - 540.0).abs() < 1e-6, "{down:?}");
        // The camera's right side goes down, so what is east of north moves up in the picture.
        let rolled = pixel(&view(0.0, 0.0, 90.0), [10.0, 100.0, 0.0]);
        assert!((rolled[0] - 960.0).abs() < 1e-6 && rolled[1] < 540.0, "{rolled:?}");
        // Looking down with heading 0, north is at the upper edge.
        let nadir = pixel(&view(0.0, -90.0, 0.0), [0.0, 10.0, -100.0]);
        assert!((nadir[0] - 960.0).abs() < 1e-6 && nadir[1] < 540.0, "{nadir:?}");
    }

    #[test]
    fn what_is_behind_is_not_projected() {
        let north = view(0.0, -10.0, 0.0);
        assert_eq!(north.project(north.frame().to_geodetic([0.0, -100.0, 0.0])), None);
    }

    #[test]
    fn numbers_that_are_none_are_refused_by_name() {
        let north = Attitude { heading_deg: f64::NAN, pitch_deg: 0.0, roll_deg: 0.0 };
        let at = Geodetic::new(30.0, 120.0, 50.0);
        let lens = Lens::new(1500.0, SIZE);
        let refused = View::from_pose(SIZE, lens, at, north, PoseSigma::default()).expect_err("heading");
        assert_eq!(refused, ViewError::NotANumber("heading"));
        let level = Attitude { heading_deg: 0.0, ..north };
        let swapped = View::from_pose(SIZE, lens, at, level, PoseSigma::default()).expect_err("swapped");
        assert!(swapped.to_string().contains("longitude first"), "{swapped}");
    }

    proptest! {
        #[test]
        fn an_attitude_reads_back(h in 0.0..360.0_f64, p in -89.0..89.0_f64, r in -179.0..179.0_f64) {
            let back = view(h, p, r).attitude();
            let turn = (back.heading_deg - h + 180.0).rem_euclid(360.0) - 180.0;
            prop_assert!(turn.abs() < 1e-8 && (back.pitch_deg - p).abs() < 1e-8, "{back:?}");
            prop_assert!((back.roll_deg - r).abs() < 1e-8, "{back:?}");
        }

        #[test]
        fn a_ray_passes_through_its_pixel(
            h in 0.0..360.0_f64, p in -90.0..30.0_f64, r in -180.0..180.0_f64, x in 0.0..1920.0_f64, y in 0.0..1080.0_f64,
        ) {
            let view = view(h, p, r);
            let far = view.ray([x, y]).direction.map(|v| v * 700.0);
            let back = pixel(&view, far);
            prop_assert!((back[0] - x).abs() < 1e-4 && (back[1] - y).abs() < 1e-4, "{back:?}");
        }
    }
}
