//! Fixed calibrated cameras: boxes to positions on the ground, positions to pixels, ground zones in the
//! picture.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::RwLock;

use super::placing::on_ground;
use crate::base::{CameraId, Point, Polygon, Rect, ZoneId};
use crate::calibration::{Calibration, CalibrationError, DemError, load_dem};
use crate::config::{CameraConfig, Config, MapConfig, Zone, ZoneArea};
use crate::geo::{Dem, Fix, Geodetic, Ground, GroundArea, LocalFrame, Locator, Sighting, View};
use crate::rules::Changes;
use crate::track::{OnGround, Track};

/// Error of a box's lower edge: pixels of the calibrated picture, and a share of the box's height.
const BOX_NOISE: (f64, f64) = (2.0, 0.02);
/// Tolerance of the aspect ratio. Beyond it a picture shows another part than the calibrated one.
const ASPECT_TOLERANCE: f64 = 0.01;

#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    #[error("map.dem")]
    Dem(#[from] DemError),
    #[error("camera.{camera}.calibration")]
    Calibration { camera: CameraId, source: CalibrationError },
}

impl SiteError {
    /// The config key at fault.
    pub fn key(&self) -> String {
        match self {
            Self::Dem(_) => "map.dem".to_owned(),
            Self::Calibration { camera, .. } => format!("camera.{camera}.calibration"),
        }
    }
}

/// Reads the terrain model of the config, if it names one.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn read_dem(map: &MapConfig) -> Result<Option<Arc<Dem>>, SiteError> {
    Ok(map.dem.as_deref().map(load_dem).transpose()?.map(Arc::new))
}

/// One line per ground zone and permit: which cameras see it, and how much of it. Empty without a calibrated
/// camera.
///
/// # Errors
/// The terrain model, or a calibration, cannot be read.
pub fn seen_on_ground(config: &Config) -> Result<Vec<String>, SiteError> {
    let sites = Sites::load(config)?;
    let sites = sites.sites.read();
    if sites.is_empty() {
        return Ok(Vec::new());
    }
    let line = |what: &str, id: &str, area: &GroundArea, above_m: f64| {
        let seen = sites.values().filter_map(|site| {
            let share = site.share_seen(area, above_m);
            (share > 0.0).then(|| format!("{} {:.0} %", site.camera, share * 100.0))
        });
        let seen: Vec<String> = seen.collect();
        let by = if seen.is_empty() { "seen by no camera".to_owned() } else { seen.join(", ") };
        format!("{what} {id}: {by}")
    };
    let zones = config.map.zones.iter().filter_map(|zone| match &zone.area {
        ZoneArea::Ground { area, .. } => Some(line("zone", zone.id.as_str(), area, zone.height_m)),
        ZoneArea::Picture(_) => None,
    });
    let permits = config.map.permits.iter().map(|permit| line("permit", &permit.id, &permit.area, 0.0));
    Ok(zones.chain(permits).collect())
}

/// One calibrated camera.
pub(crate) struct Site {
    camera: CameraId,
    calibration: Calibration,
    /// The measured locator; `locator` may be turned a little from it.
    measured: Locator,
    locator: RwLock<Arc<Locator>>,
    /// Origin of metres on the ground, at the camera.
    frame: LocalFrame,
    /// Ground zones, and zones with a height, highest first.
    zones: Vec<Zone>,
    /// The camera was moved, and nobody has confirmed its positions since.
    stale: AtomicBool,
    /// A wrong picture size was logged.
    size_reported: AtomicBool,
}

/// Every calibrated camera of a node.
#[derive(Default)]
pub(crate) struct Sites {
    dem: RwLock<Option<Arc<Dem>>>,
    sites: RwLock<BTreeMap<CameraId, Arc<Site>>>,
}

impl Sites {
    /// # Errors
    /// The terrain model, or a calibration, cannot be read.
    pub fn load(config: &Config) -> Result<Self, SiteError> {
        let sites = Self::default();
        let dem = read_dem(&config.map)?;
        for camera in &config.cameras {
            sites.put(&camera.id, sites.read(camera, dem.as_ref())?);
        }
        sites.put_dem(dem);
        Ok(sites)
    }

    /// Reads a camera's calibration over this terrain; `None` if it has none. A known site with the same
    /// calibration passes on whether it is stale, and how far the camera turned.
    ///
    /// # Errors
    /// The calibration cannot be read.
    pub fn read(
        &self,
        camera: &CameraConfig,
        dem: Option<&Arc<Dem>>,
    ) -> Result<Option<Arc<Site>>, SiteError> {
        let Some(path) = &camera.calibration else { return Ok(None) };
        let wrong = |source| SiteError::Calibration { camera: camera.id.clone(), source };
        let site = Site::new(camera, Calibration::load(path).map_err(wrong)?, dem);
        if let Some(before) = self.get(&camera.id).filter(|before| before.calibration == site.calibration) {
            site.set_stale(before.is_stale());
            let turned = site.measured.with_view(before.locator().view().clone());
            *site.locator.write() = Arc::new(turned);
        }
        Ok(Some(Arc::new(site)))
    }

    /// The terrain model under all cameras and drones.
    pub fn dem(&self) -> Option<Arc<Dem>> {
        self.dem.read().clone()
    }

    /// Sets the terrain model for cameras read from now on; returns the old one.
    pub fn put_dem(&self, dem: Option<Arc<Dem>>) -> Option<Arc<Dem>> {
        std::mem::replace(&mut *self.dem.write(), dem)
    }

    /// Sets or removes a camera's site; returns the old one.
    pub fn put(&self, camera: &CameraId, site: Option<Arc<Site>>) -> Option<Arc<Site>> {
        let mut sites = self.sites.write();
        match site {
            Some(site) => sites.insert(camera.clone(), site),
            None => sites.remove(camera),
        }
    }

    pub fn get(&self, camera: &CameraId) -> Option<Arc<Site>> {
        self.sites.read().get(camera).map(Arc::clone)
    }

    /// The cameras that see a position, the best view first: not hidden, then fewest metres per pixel.
    pub fn seeing(&self, lon: f64, lat: f64, above_m: f64) -> Vec<(Arc<Site>, Sighting)> {
        let sites = self.sites.read();
        let mut seeing: Vec<(Arc<Site>, Sighting)> = sites
            .values()
            .filter_map(|site| Some((Arc::clone(site), site.sees(lon, lat, above_m)?)))
            .collect();
        seeing.sort_by(|(_, a), (_, b)| {
            a.hidden.cmp(&b.hidden).then(a.metres_per_pixel.total_cmp(&b.metres_per_pixel))
        });
        seeing
    }

    pub fn is_empty(&self) -> bool {
        self.sites.read().is_empty()
    }
}

impl Site {
    fn new(camera: &CameraConfig, calibration: Calibration, dem: Option<&Arc<Dem>>) -> Self {
        let view = calibration.view();
        let frame = LocalFrame::new(view.position());
        let measured = match dem {
            Some(dem) => Locator::new(view, Ground::Dem(Arc::clone(dem))),
            None => Locator::new(view, calibration.ground()).with_ground_sigma(calibration.ground_sigma_m()),
        };
        let placed = |z: &&Zone| matches!(z.area, ZoneArea::Ground { .. }) || z.height_m != 0.0;
        let mut zones: Vec<Zone> = camera.zones.iter().filter(placed).cloned().collect();
        zones.sort_by(|a, b| b.height_m.total_cmp(&a.height_m));
        Self {
            camera: camera.id.clone(),
            calibration,
            locator: RwLock::new(Arc::new(measured.clone())),
            measured,
            frame,
            zones,
            stale: AtomicBool::new(false),
            size_reported: AtomicBool::new(false),
        }
    }

    pub fn camera(&self) -> &CameraId {
        &self.camera
    }

    pub fn calibration(&self) -> &Calibration {
        &self.calibration
    }

    pub fn frame(&self) -> &LocalFrame {
        &self.frame
    }

    pub fn locator(&self) -> Arc<Locator> {
        Arc::clone(&self.locator.read())
    }

    /// The measured view.
    pub fn measured(&self) -> &View {
        self.measured.view()
    }

    /// Turns the view from the measured one, in degrees about the camera's own axes.
    pub fn turn(&self, by_deg: [f64; 3]) {
        let turned = self.measured.with_view(self.measured.view().turned(by_deg));
        *self.locator.write() = Arc::new(turned);
    }

    pub fn is_stale(&self) -> bool {
        self.stale.load(Ordering::Relaxed)
    }

    pub fn set_stale(&self, stale: bool) {
        self.stale.store(stale, Ordering::Relaxed);
    }

    /// Fills in the ground positions of the tracks in this picture. `picture`: its width and height in
    /// pixels.
    pub fn place(&self, tracks: &mut [Track], picture: (u32, u32)) {
        let fits = self.fits(picture);
        let locator = self.locator();
        for track in tracks {
            track.ground = if fits && track.seen_now { self.on_ground(&locator, &track.rect) } else { None };
        }
    }

    /// Size of a box on the ground; `None`: not known.
    pub fn area_m2(&self, rect: &Rect, picture: (u32, u32)) -> Option<f32> {
        let ground = self.fits(picture).then(|| self.on_ground(&self.locator(), rect))?;
        ground.map(|ground| ground.area_m2)
    }

    /// Fills in the ground positions of the changes in this picture.
    pub fn place_changes(&self, changes: &mut Changes, picture: (u32, u32)) {
        let fits = self.fits(picture);
        let locator = self.locator();
        for changed in &mut changes.regions {
            changed.track.ground = if fits { self.on_ground(&locator, &changed.region.rect) } else { None };
        }
    }

    /// The pixel that shows a position `above_m` metres above the ground.
    pub fn sees(&self, lon: f64, lat: f64, above_m: f64) -> Option<Sighting> {
        let locator = self.locator();
        let alt = locator.ground_height(lon, lat)? + above_m;
        locator.sees(Geodetic::new(lon, lat, alt))
    }

    /// A pixel as shares of the picture.
    pub fn share(&self, pixel: [f64; 2]) -> [f64; 2] {
        let [width, height] = self.measured.view().size();
        [pixel[0] / f64::from(width), pixel[1] / f64::from(height)]
    }

    /// Outlines of the area in the picture, for drawing. Empty if the picture does not show it, or shows a
    /// part without a simple outline.
    pub fn draw(&self, area: &GroundArea, above_m: f64) -> Vec<Polygon> {
        area.outlines()
            .filter_map(|outline| Polygon::new(clip(&self.pixels(outline, above_m)?)).ok())
            .collect()
    }

    /// Share of the area that the camera sees, 0 to 1. Samples the corners, and points between them and the
    /// middle.
    pub fn share_seen(&self, area: &GroundArea, above_m: f64) -> f64 {
        let middle = area.center();
        let (mut seen, mut all) = (0, 0);
        for corner in area.outlines().flatten() {
            for part in [1.0, 0.66, 0.33] {
                let at = |axis: usize| middle[axis] + part * (corner[axis] - middle[axis]);
                all += 1;
                seen += u32::from(self.sees(at(0), at(1), above_m).is_some_and(|s| !s.hidden));
            }
        }
        f64::from(seen) / f64::from(all.max(1))
    }

    fn pixels(&self, outline: &[[f64; 2]], above_m: f64) -> Option<Vec<Point>> {
        /// Pieces of an edge, so that it follows the terrain.
        const PIECES: u32 = 8;
        let locator = self.locator();
        let mut points = Vec::new();
        for (i, from) in outline.iter().enumerate() {
            let to = outline[(i + 1) % outline.len()];
            for piece in 0..PIECES {
                let t = f64::from(piece) / f64::from(PIECES);
                let (lon, lat) = (from[0] + t * (to[0] - from[0]), from[1] + t * (to[1] - from[1]));
                let alt = locator.ground_height(lon, lat)? + above_m;
                let pixel = locator.view().project(Geodetic::new(lon, lat, alt))?;
                let [x, y] = self.share(pixel);
                points.push(Point { x: x as f32, y: y as f32 });
            }
        }
        Some(points)
    }

    fn fits(&self, (width, height): (u32, u32)) -> bool {
        let [w, h] = self.measured.view().size().map(f64::from);
        let ratio = f64::from(width) * h / (f64::from(height) * w).max(1.0);
        let fits = (ratio - 1.0).abs() <= ASPECT_TOLERANCE;
        if !fits && !self.size_reported.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "its pictures are {width} x {height}, calibrated were {w} x {h}: nothing is placed on the map; \
                 calibrate with a picture of this stream"
            );
        }
        fits
    }

    fn on_ground(&self, locator: &Locator, rect: &Rect) -> Option<OnGround> {
        let [width, height] = self.measured.view().size().map(f64::from);
        let feet = rect.bottom_center();
        let inside = |v: f32, size: f64| (f64::from(v) * size).clamp(0.0, size);
        let pixel = [inside(feet.x, width), inside(feet.y, height)];
        let noise = BOX_NOISE.0 + BOX_NOISE.1 * f64::from(rect.height()) * height;
        let mut zones: Vec<ZoneId> = Vec::new();
        let mut at: Option<(f64, Fix)> = None;
        // Highest first: an object on a roof does not stand on the ground behind it.
        for zone in &self.zones {
            if let Some((found, _)) = &at
                && *found != zone.height_m
            {
                break;
            }
            let Ok(fix) = locator.locate_at_height(pixel, noise, zone.height_m) else { continue };
            let within = match &zone.area {
                ZoneArea::Ground { area, .. } => area.contains(fix.position.lon, fix.position.lat),
                ZoneArea::Picture(polygon) => polygon.contains(feet),
            };
            if within {
                if matches!(zone.area, ZoneArea::Ground { .. }) {
                    zones.push(zone.id.clone());
                }
                at = Some((zone.height_m, fix));
            }
        }
        let fix = at.map(|(_, fix)| fix).or_else(|| locator.locate(pixel, noise).ok())?;
        Some(on_ground(&fix, &self.frame, rect, [width, height], zones))
    }
}

/// Clips an outline at the picture's edges (Sutherland and Hodgman, 1974), without repeated corners.
fn clip(outline: &[Point]) -> Vec<Point> {
    let mut points = outline.to_vec();
    let lerp = |a: Point, b: Point, t: f32| Point { x: a.x + t * (b.x - a.x), y: a.y + t * (b.y - a.y) };
    for side in 0..4 {
        let inside = |p: Point| match side {
            0 => p.x,
            1 => 1.0 - p.x,
            2 => p.y,
            _ => 1.0 - p.y,
        };
        let from = std::mem::take(&mut points);
        for (i, b) in from.iter().enumerate() {
            let a = from[(i + from.len() - 1) % from.len()];
            let (before, after) = (inside(a), inside(*b));
            if (before < 0.0) != (after < 0.0) {
                points.push(lerp(a, *b, before / (before - after)));
            }
            if after >= 0.0 {
                points.push(*b);
            }
        }
    }
    let bounded = |p: Point| Point { x: p.x.clamp(0.0, 1.0), y: p.y.clamp(0.0, 1.0) };
    let mut points: Vec<Point> = points.into_iter().map(bounded).collect();
    points.dedup_by(|a, b| (a.x - b.x).hypot(a.y - b.y) < 1e-4);
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outline_is_cut_at_the_pictures_edges() {
        let square = [[-0.5, 0.2], [0.5, 0.2], [0.5, 0.6], [-0.5, 0.6]].map(Point::from);
        let cut = Polygon::new(clip(&square)).expect("simple");
        assert!(cut.contains(Point { x: 0.1, y: 0.4 }) && !cut.contains(Point { x: 0.6, y: 0.4 }));
        assert!(clip(&[[2.0, 2.0], [3.0, 2.0], [3.0, 3.0]].map(Point::from)).is_empty());
    }
}
