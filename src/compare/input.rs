//! Files and folders to pictures with places.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::RgbImage;

use super::patch::{Laid, Patch};
use super::scene::Placed;
use super::telemetry::StillTable;
use crate::calibration::load_mosaic;
use crate::config::DroneConfig;
use crate::drone::{self, Pose, Still};
use crate::geo::Dem;

/// One picture of the ground.
#[derive(Clone, Debug)]
pub struct Shot {
    /// Of its file.
    pub name: String,
    pub path: PathBuf,
    pub size: [u32; 2],
    pub placed: Placed,
    /// Why it has no place, where it has none.
    pub unplaced: Option<String>,
    /// Parts of it that are to look as they did in an earlier flight.
    pub patches: Vec<Patch>,
}

/// A picture in memory.
pub(super) struct Pixels {
    pub image: RgbImage,
    /// False where it shows nothing; all of it does, if `None`.
    pub known: Option<Vec<bool>>,
    /// What was laid over it.
    pub laid: Vec<Laid>,
}

/// A file that is no use, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    pub name: String,
    pub why: String,
}

/// What can be read of `path`, a picture or a folder of them, by name; each picture's size and place. Pictures themselves
/// are read when they are compared.
pub fn load(path: &Path, table: &StillTable, dem: Option<&Arc<Dem>>) -> (Vec<Shot>, Vec<Unusable>) {
    let unusable = |path: &Path, why: String| Unusable { name: name(path), why };
    let files = match files(path) {
        Ok(files) => files,
        Err(error) => return (Vec::new(), vec![unusable(path, error.to_string())]),
    };
    let (mut shots, mut bad) = (Vec::new(), Vec::new());
    for file in files {
        match shot(&file, table, dem) {
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
    /// Its pixels, with its patches in their places.
    ///
    /// # Errors
    /// The file is damaged, in words for people.
    pub(super) fn read(&self) -> Result<Pixels, String> {
        let (mut image, known) = if is_tiff(&self.path) {
            let mosaic = load_mosaic(&self.path).map_err(|e| e.to_string())?;
            (mosaic.image, Some(mosaic.known))
        } else {
            let image = image::open(&self.path).map_err(|e| format!("it cannot be read: {e}"))?;
            (image.into_rgb8(), None)
        };
        let laid = self.patches.iter().filter_map(|patch| patch.lay(&mut image)).collect();
        Ok(Pixels { image, known, laid })
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

fn shot(path: &Path, table: &StillTable, dem: Option<&Arc<Dem>>) -> Result<Shot, String> {
    let name = name(path);
    if is_tiff(path) {
        let mosaic = load_mosaic(path).map_err(|e| e.to_string())?;
        let size = [mosaic.image.width(), mosaic.image.height()];
        let placed = Placed::of(&mosaic);
        return Ok(Shot {
            name,
            path: path.to_path_buf(),
            size,
            placed,
            unplaced: None,
            patches: Vec::new(),
        });
    }
    let (width, height) =
        image::image_dimensions(path).map_err(|e| format!("it is no picture that can be read: {e}"))?;
    let size = [width, height];
    let placed = match table.get(&name) {
        Some(pose) => camera(pose, size, None, dem),
        None => match drone::read_still(path) {
            Ok(still) => camera(&still.pose, size, still.focal_px, dem),
            Err(error) => Err(error.to_string()),
        },
    };
    let (placed, unplaced) = match placed {
        Ok(placed) => (placed, None),
        Err(why) => (Placed::Nowhere, Some(why)),
    };
    Ok(Shot { name, path: path.to_path_buf(), size, placed, unplaced, patches: Vec::new() })
}

fn camera(
    pose: &Pose,
    size: [u32; 2],
    focal_px: Option<f64>,
    dem: Option<&Arc<Dem>>,
) -> Result<Placed, String> {
    let config = DroneConfig { assume_nadir: true, ..DroneConfig::default() };
    let still = Still { pose: *pose, focal_px };
    let locator = drone::still_locator(&still, size, &config, dem).map_err(|e| e.to_string())?;
    Ok(Placed::Camera(Box::new(locator)))
}

fn is_tiff(path: &Path) -> bool {
    path.extension().is_some_and(|e| matches!(e.to_string_lossy().to_lowercase().as_str(), "tif" | "tiff"))
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
