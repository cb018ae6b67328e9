//! One camera's calibration as a TOML file that people can read.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::solve::{Solution, Survey, solve};
use super::{CalibrationError, Features};
use crate::base::{Syntax, read_text, stray_hint};
use crate::geo::{Attitude, Geodetic, Ground, Lens, PARAMETERS, View};

/// Of this layout.
const FORMAT: u32 = 1;

const HEADER: &str = "\
# Where a camera stands and how it looks, found from surveyed points by `lintel calibrate`.
# Degrees, metres and pixels; WGS-84. heading: clockwise from true north; pitch: above the horizon; roll: clockwise as
# seen from behind the camera. Rows and columns of the covariance: east, north, up (m); rotation about the camera's own
# right, down and forward axes (rad); focal length (px); k1; k2.
";

/// What was found, and how well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    format: u32,
    pub camera: String,
    /// YYYY-MM-DD.
    pub survey_date: String,
    /// Width and height of the picture that pixels are of.
    picture: [u32; 2],
    covariance: [[f64; PARAMETERS]; PARAMETERS],
    pub position: Geodetic,
    attitude: Angles,
    lens: Lens,
    /// Standard deviations, for reading; the covariance counts.
    sigma: Sigma,
    ground: Plain,
    pub fit: Quality,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reference: Option<Reference>,
    pub points: Vec<Point>,
    /// Folder of the file; `reference` is relative to it.
    #[serde(skip)]
    folder: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Angles {
    heading_deg: f64,
    pitch_deg: f64,
    roll_deg: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sigma {
    east_m: f64,
    north_m: f64,
    up_m: f64,
    right_axis_deg: f64,
    down_axis_deg: f64,
    forward_axis_deg: f64,
    focal_px: f64,
}

/// Level ground, for when there is no terrain model: the points' median altitude and their spread.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plain {
    alt: f64,
    sigma_m: f64,
}

/// How the points fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quality {
    pub points: usize,
    /// Names of points that the others contradict; they had no say.
    pub left_out: Vec<String>,
    pub rms_px: f64,
    pub rms_m: f64,
    /// Of each point against the camera that is solved without it.
    pub leave_one_out_rms_px: f64,
    /// So many times worse than pixel and survey noise explain; the covariance is widened by its square.
    pub scale: f64,
    pub distortion_solved: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reference {
    image: PathBuf,
    features: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    pub name: String,
    pub pixel: [f64; 2],
    pub place: Geodetic,
    pub used: bool,
    /// Measured minus reprojected.
    pub residual_px: [f64; 2],
    /// Across the line of sight.
    pub residual_m: f64,
    pub distance_m: f64,
    pub leave_one_out_px: f64,
}

impl Calibration {
    /// Finds the camera from surveyed points.
    ///
    /// # Errors
    /// The points do not determine a camera, or contradict each other; with advice.
    pub fn solve(camera: &str, survey_date: &str, survey: &Survey) -> Result<Self, CalibrationError> {
        let found = Self::of(camera, survey_date, survey, &solve(survey)?);
        found.try_view()?;
        Ok(found)
    }

    fn of(camera: &str, survey_date: &str, survey: &Survey, solution: &Solution) -> Self {
        let points: Vec<Point> = survey
            .points
            .iter()
            .zip(&solution.fits)
            .map(|(p, fit)| Point {
                name: p.name.clone(),
                pixel: p.pixel,
                place: p.place,
                used: fit.used,
                residual_px: fit.off_px,
                residual_m: fit.off_m,
                distance_m: fit.distance_m,
                leave_one_out_px: fit.without_px,
            })
            .collect();
        let used = || points.iter().filter(|p| p.used);
        let rms = |value: fn(&Point) -> f64| {
            (used().map(|p| value(p).powi(2)).sum::<f64>() / used().count().max(1) as f64).sqrt()
        };
        let fit = Quality {
            points: points.len(),
            left_out: points.iter().filter(|p| !p.used).map(|p| p.name.clone()).collect(),
            rms_px: rms(|p| p.residual_px[0].hypot(p.residual_px[1])),
            rms_m: rms(|p| p.residual_m),
            leave_one_out_rms_px: rms(|p| p.leave_one_out_px),
            scale: solution.scale,
            distortion_solved: solution.distortion,
        };
        let deviation = |i: usize| solution.covariance[i][i].max(0.0).sqrt();
        Self {
            format: FORMAT,
            camera: camera.to_owned(),
            survey_date: survey_date.to_owned(),
            picture: survey.size,
            covariance: solution.covariance,
            position: solution.position,
            attitude: Angles {
                heading_deg: solution.attitude.heading_deg,
                pitch_deg: solution.attitude.pitch_deg,
                roll_deg: solution.attitude.roll_deg,
            },
            lens: solution.lens,
            sigma: Sigma {
                east_m: deviation(0),
                north_m: deviation(1),
                up_m: deviation(2),
                right_axis_deg: deviation(3).to_degrees(),
                down_axis_deg: deviation(4).to_degrees(),
                forward_axis_deg: deviation(5).to_degrees(),
                focal_px: deviation(6),
            },
            ground: plain(used().map(|p| p.place.alt).collect()),
            fit,
            reference: None,
            points,
            folder: PathBuf::new(),
        }
    }

    /// # Errors
    /// The file cannot be read, is no calibration, or its values are no camera; with line and column where
    /// TOML says so.
    pub fn load(path: &Path) -> Result<Self, CalibrationError> {
        let text = read_text(path).map_err(|e| CalibrationError::file(path, e))?;
        let mut read: Self = toml::from_str(&text).map_err(|e| match stray_hint(&text, Syntax::Toml) {
            Some(hint) => CalibrationError::file(path, hint),
            None => CalibrationError::file(path, e),
        })?;
        if read.format != FORMAT {
            let problem =
                format!("it is of format {}, this program reads {FORMAT}: calibrate again", read.format);
            return Err(CalibrationError::file(path, problem));
        }
        read.folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        read.try_view().map_err(|e| CalibrationError::file(path, e))?;
        Ok(read)
    }

    /// Writes the TOML, and where there is a reference picture its features beside it (`ID.features`).
    ///
    /// # Errors
    /// The files cannot be written.
    pub fn save(
        &mut self,
        path: &Path,
        reference: Option<(&Path, &Features)>,
    ) -> Result<(), CalibrationError> {
        let write = |path: &Path, bytes: &[u8]| {
            std::fs::write(path, bytes)
                .map_err(|e| CalibrationError::file(path, format!("cannot write it: {e}")))
        };
        self.folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        if !self.folder.as_os_str().is_empty() {
            std::fs::create_dir_all(&self.folder).map_err(|e| CalibrationError::file(&self.folder, e))?;
        }
        if let Some((image, features)) = reference {
            let beside = path.with_extension("features");
            write(&beside, &features.to_bytes())?;
            // A path that does not start in the calibration's folder is kept whole, so that it is found from
            // anywhere.
            let whole = std::path::absolute(image).unwrap_or_else(|_| image.to_path_buf());
            let folder = std::path::absolute(&self.folder).unwrap_or_else(|_| self.folder.clone());
            self.reference = Some(Reference {
                image: whole.strip_prefix(&folder).map_or(whole.clone(), Path::to_path_buf),
                features: beside.file_name().map(PathBuf::from).unwrap_or(beside),
            });
        }
        let text = toml::to_string(self).map_err(|e| CalibrationError::file(path, e))?;
        write(path, format!("{HEADER}\n{text}").as_bytes())
    }

    /// The camera to reckon with.
    pub fn view(&self) -> View {
        self.try_view().expect("checked when it was loaded or solved")
    }

    fn try_view(&self) -> Result<View, CalibrationError> {
        let Angles { heading_deg, pitch_deg, roll_deg } = self.attitude;
        let attitude = Attitude { heading_deg, pitch_deg, roll_deg };
        Ok(View::from_calibration(self.picture, self.lens, self.position, attitude, &self.covariance)?)
    }

    /// Width and height of the picture that pixels are of.
    pub fn picture_size(&self) -> [u32; 2] {
        self.picture
    }

    /// Level ground at the points' own height: what there is without a terrain model.
    pub fn ground(&self) -> Ground {
        Ground::Plane { alt: self.ground.alt }
    }

    /// How far the country is from that level, standard deviation, metres.
    pub fn ground_sigma_m(&self) -> f64 {
        self.ground.sigma_m
    }

    /// The picture that the points were measured in, if it was kept.
    pub fn reference_image(&self) -> Option<PathBuf> {
        self.reference.as_ref().map(|r| self.folder.join(&r.image))
    }

    /// Its features.
    ///
    /// # Errors
    /// The file of features is named but cannot be read.
    pub fn reference_features(&self) -> Result<Option<Features>, CalibrationError> {
        self.reference.as_ref().map(|r| Features::load(&self.folder.join(&r.features))).transpose()
    }
}

fn plain(mut altitudes: Vec<f64>) -> Plain {
    altitudes.sort_by(f64::total_cmp);
    let alt = altitudes.get(altitudes.len() / 2).copied().unwrap_or(0.0);
    let spread = altitudes.iter().map(|a| (a - alt).powi(2)).sum::<f64>() / altitudes.len().max(1) as f64;
    Plain { alt, sigma_m: spread.sqrt().max(0.5) }
}
