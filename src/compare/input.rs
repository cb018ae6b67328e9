//! Reads files and folders as pictures with georeferences.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::RgbImage;

use super::baseline_patch::{AppliedPatch, BaselinePatch};
use super::georeference::Georeference;
use super::telemetry::StillTable;
use crate::base::error_chain;
use crate::calibration::load_mosaic;
use crate::config::DroneConfig;
use crate::drone::{Still, TelemetryError, read_still, still_locator};
use crate::geo::Dem;

/// One picture of the ground.
#[derive(Clone, Debug)]
pub struct Shot {
    /// File name.
    pub name: String,
    pub path: PathBuf,
    pub size: [u32; 2],
    pub georeference: Georeference,
    /// Why it has no georeference, if it has none.
    pub unplaced: Option<String>,
    /// Parts that `Shot::read` replaces by how they looked in an earlier flight.
    pub patches: Vec<BaselinePatch>,
}

/// A picture in memory.
pub(super) struct LoadedImage {
    pub image: RgbImage,
    /// False where the picture shows nothing. `None`: it shows something everywhere.
    pub known: Option<Vec<bool>>,
    pub patches: Vec<AppliedPatch>,
}

/// A file that cannot be compared, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    pub name: String,
    pub why: String,
}

/// Reads size and georeference of the picture at `path`, or of all pictures in that folder, sorted by name.
/// Pixels are read later, by [`compare`](super::compare).
/// `drone` holds for all of them where they say nothing themselves.
pub fn load(
    path: &Path,
    table: &StillTable,
    drone: &DroneConfig,
    dem: Option<&Arc<Dem>>,
) -> (Vec<Shot>, Vec<Unusable>) {
    let unusable = |path: &Path, why: String| Unusable { name: name(path), why };
    let files = match files(path) {
        Ok(files) => files,
        Err(error) => return (Vec::new(), vec![unusable(path, error.to_string())]),
    };
    let (mut shots, mut bad) = (Vec::new(), Vec::new());
    for file in files {
        match shot(&file, table, drone, dem) {
            Ok(shot) => shots.push(shot),
            Err(why) => bad.push(unusable(&file, why)),
        }
    }
    if shots.is_empty() && bad.is_empty() {
        bad.push(unusable(path, "it holds no picture (.jpg, .png, .tif)".to_owned()));
    }
    (shots, bad)
}

impl Shot {
    /// Reads the pixels and applies the patches.
    ///
    /// # Errors
    /// A message for the operator if the file cannot be read.
    pub(super) fn read(&self) -> Result<LoadedImage, String> {
        let (mut image, known) = if is_tiff(&self.path) {
            let mosaic = load_mosaic(&self.path).map_err(|e| error_chain(&e))?;
            (mosaic.image, Some(mosaic.known))
        } else {
            let image = image::open(&self.path).map_err(|e| format!("it cannot be read: {e}"))?;
            (image.into_rgb8(), None)
        };
        let patches = self.patches.iter().filter_map(|patch| patch.apply(&mut image)).collect();
        Ok(LoadedImage { image, known, patches })
    }
}

fn files(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        std::fs::metadata(path)?;
        return Ok(vec![path.to_path_buf()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let path = entry?.path();
        let known = |e: &std::ffi::OsStr| {
            matches!(e.to_string_lossy().to_lowercase().as_str(), "jpg" | "jpeg" | "png" | "tif" | "tiff")
        };
        if path.is_file() && path.extension().is_some_and(known) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn shot(
    path: &Path,
    table: &StillTable,
    drone: &DroneConfig,
    dem: Option<&Arc<Dem>>,
) -> Result<Shot, String> {
    let name = name(path);
    if is_tiff(path) {
        let mosaic = load_mosaic(path).map_err(|e| error_chain(&e))?;
        let size = [mosaic.image.width(), mosaic.image.height()];
        let georeference = Georeference::of(&mosaic);
        return Ok(Shot {
            name,
            path: path.to_path_buf(),
            size,
            georeference,
            unplaced: None,
            patches: Vec::new(),
        });
    }
    let (width, height) =
        image::image_dimensions(path).map_err(|e| format!("it is not a readable picture: {e}"))?;
    let size = [width, height];
    let georeference = match table.get(&name) {
        Some(pose) => camera(&Still::at(*pose), size, drone, dem),
        None => match read_still(path) {
            Ok(still) => camera(&still, size, drone, dem),
            // The picture is named already.
            Err(TelemetryError::Still { source, .. }) => Err(error_chain(&source)),
            Err(error) => Err(error_chain(&error)),
        },
    };
    let (georeference, unplaced) = match georeference {
        Ok(georeference) => (georeference, None),
        Err(why) => (Georeference::Nowhere, Some(why)),
    };
    Ok(Shot { name, path: path.to_path_buf(), size, georeference, unplaced, patches: Vec::new() })
}

fn camera(
    still: &Still,
    size: [u32; 2],
    drone: &DroneConfig,
    dem: Option<&Arc<Dem>>,
) -> Result<Georeference, String> {
    let locator = still_locator(still, size, drone, dem).map_err(|e| e.to_string())?;
    Ok(Georeference::Camera(Box::new(locator)))
}

fn is_tiff(path: &Path) -> bool {
    path.extension().is_some_and(|e| matches!(e.to_string_lossy().to_lowercase().as_str(), "tif" | "tiff"))
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
