//! Cameras with a place on the map, for `locate` and `sees`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};

use super::files::load_for_replay;
use super::still_options::StillOptions;
use crate::calibration::{Calibration, load_dem};
use crate::drone::{read_still, still_locator};
use crate::geo::{Dem, Ground, Locator};

/// The options that choose cameras and ground.
#[derive(clap::Args, Debug)]
pub(super) struct CameraOptions {
    /// The node's config file: uses its calibrated cameras and its `map.dem`
    #[arg(
        long,
        short,
        value_name = "FILE",
        conflicts_with = "calibration",
        required_unless_present_any = ["calibration", "still"]
    )]
    config: Option<PathBuf>,
    /// Calibration files instead of a config; repeatable
    #[arg(long, value_name = "FILE")]
    calibration: Vec<PathBuf>,
    /// A drone's still instead: its XMP and EXIF give position, gimbal angles and lens
    #[arg(long, value_name = "FILE", conflicts_with_all = ["config", "calibration"])]
    still: Option<PathBuf>,
    #[command(flatten)]
    stills: StillOptions,
    /// Terrain model (GeoTIFF) instead of the config's. Without any, the ground is level at the height of the
    /// surveyed points
    #[arg(long, value_name = "FILE")]
    dem: Option<PathBuf>,
    /// Standard deviation of the terrain model's heights, metres
    #[arg(long, value_name = "METRES", default_value_t = 1.0, value_parser = metres)]
    dem_sigma: f64,
}

/// A camera with its place on the map.
pub(super) struct Placed {
    pub id: String,
    pub locator: Locator,
}

impl CameraOptions {
    /// `None`: the config has errors, and they are printed.
    pub fn cameras(&self) -> anyhow::Result<Option<Vec<Placed>>> {
        if let Some(still) = &self.still {
            return Ok(Some(vec![self.place_still(still)?]));
        }
        let (files, dem): (Vec<(Option<String>, PathBuf)>, _) = match &self.config {
            None => (self.calibration.iter().map(|path| (None, path.clone())).collect(), self.dem.clone()),
            Some(path) => {
                let Some(loaded) = load_for_replay(path) else { return Ok(None) };
                let config = loaded.config;
                let file =
                    |c: &crate::config::CameraConfig| Some((Some(c.id.to_string()), c.calibration.clone()?));
                let files: Vec<_> = config.cameras.iter().filter_map(file).collect();
                if files.is_empty() {
                    bail!(
                        "no camera of {} has a calibration: make one with `lintel calibrate` and set the camera's `calibration`",
                        path.display()
                    );
                }
                (files, self.dem.clone().or(config.map.dem))
            }
        };
        let dem = dem.as_deref().map(load_dem).transpose()?.map(Arc::new);
        let placed = files.into_iter().map(|(id, path)| self.place(id, &path, dem.clone()));
        placed.collect::<anyhow::Result<Vec<_>>>().map(Some)
    }

    /// The named camera; without a name the only one.
    pub fn camera(&self, id: Option<&str>) -> anyhow::Result<Option<Placed>> {
        let Some(mut cameras) = self.cameras()? else { return Ok(None) };
        let names = cameras.iter().map(|c| c.id.as_str()).collect::<Vec<_>>().join(", ");
        let Some(id) = id else {
            return match (cameras.pop(), cameras.is_empty()) {
                (Some(only), true) => Ok(Some(only)),
                _ => bail!("choose a camera with --camera: {names}"),
            };
        };
        let found = cameras.into_iter().find(|c| c.id == id);
        found.map(Some).with_context(|| format!("there is no calibrated camera {id}; there are: {names}"))
    }

    fn place_still(&self, path: &Path) -> anyhow::Result<Placed> {
        let still = read_still(path)?;
        let size =
            image::image_dimensions(path).with_context(|| format!("cannot read {}", path.display()))?;
        let dem = self.dem.as_deref().map(load_dem).transpose()?.map(Arc::new);
        let drone = self.stills.drone(false);
        let locator = still_locator(&still, [size.0, size.1], &drone, dem.as_ref())
            .with_context(|| path.display().to_string())?;
        let locator = if dem.is_some() { locator.with_ground_sigma(self.dem_sigma) } else { locator };
        Ok(Placed { id: path.file_name().unwrap_or_default().to_string_lossy().into_owned(), locator })
    }

    fn place(&self, id: Option<String>, path: &Path, dem: Option<Arc<Dem>>) -> anyhow::Result<Placed> {
        let calibration = Calibration::load(path)?;
        let id = id.unwrap_or_else(|| calibration.camera.clone());
        let (ground, sigma) = match dem {
            Some(dem) => (Ground::Dem(dem), self.dem_sigma),
            None => (calibration.ground(), calibration.ground_sigma_m()),
        };
        Ok(Placed { id, locator: Locator::new(calibration.view(), ground).with_ground_sigma(sigma) })
    }
}

pub(super) fn metres(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|m: &f64| (0.0..=1000.0).contains(m)).ok_or("must be 0 to 1000".into())
}
