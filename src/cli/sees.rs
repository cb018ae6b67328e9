//! `lintel sees`.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::bail;

use super::placed::CameraOptions;
use crate::geo::{Geodetic, wgs84_from_gcj02};

/// The config has errors.
const WRONG: u8 = 2;

/// List the cameras that see a place, and the pixel of each
///
/// Lists the cameras whose picture contains the place, nearest first, with pixel, distance, metres per pixel,
/// and whether the terrain hides the place. Houses and trees that are not in the terrain model are not
/// considered.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  lintel sees --config lintel.toml --lon 120.6245 --lat 29.7134\n  \
                        lintel sees --calibration calibration/hill.toml --dem dem.tif --lon 120.6245 --lat 29.7134 --json\n\n\
                        Exit codes: 0 a camera sees it, 1 none does or a file cannot be used, 2 the config has errors.")]
pub struct Args {
    #[command(flatten)]
    cameras: CameraOptions,
    /// Longitude in degrees
    #[arg(long, value_name = "DEGREES", allow_hyphen_values = true)]
    lon: f64,
    /// Latitude in degrees
    #[arg(long, value_name = "DEGREES", allow_hyphen_values = true)]
    lat: f64,
    /// Altitude of the place [default: that of the ground]
    #[arg(long, value_name = "METRES", allow_hyphen_values = true)]
    alt: Option<f64>,
    /// The coordinates are GCJ-02, as on Chinese web maps
    #[arg(long)]
    gcj02: bool,
    /// Print one line of JSON for each camera
    #[arg(long)]
    json: bool,
}

/// # Errors
/// A file cannot be used, or the coordinates are not valid.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Some(cameras) = args.cameras.cameras()? else { return Ok(ExitCode::from(WRONG)) };
    let (lon, lat) = if args.gcj02 { wgs84_from_gcj02(args.lon, args.lat) } else { (args.lon, args.lat) };
    if !Geodetic::new(lon, lat, args.alt.unwrap_or(0.0)).is_valid() {
        bail!("{lon}, {lat} is no place on earth: --lon is the longitude, --lat the latitude");
    }
    if let Some(camera) = cameras.first() {
        let home = camera.locator.view().position();
        if (home.lon - lat).abs() < 1.0 && (home.lat - lon).abs() < 1.0 && (home.lon - lon).abs() > 1.0 {
            bail!(
                "--lon {lon} --lat {lat} look swapped: camera {} is at {:.4}, {:.4}",
                camera.id,
                home.lon,
                home.lat
            );
        }
    }
    let mut seen = Vec::new();
    let mut unknown = Vec::new();
    for camera in &cameras {
        let Some(alt) = args.alt.or_else(|| camera.locator.ground_height(lon, lat)) else {
            unknown.push(camera.id.as_str());
            continue;
        };
        seen.extend(camera.locator.sees(Geodetic::new(lon, lat, alt)).map(|s| (camera, alt, s)));
    }
    seen.sort_by(|a, b| {
        (a.2.hidden, a.2.distance_m)
            .partial_cmp(&(b.2.hidden, b.2.distance_m))
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    if !unknown.is_empty() {
        eprintln!(
            "the terrain model does not cover {lon}, {lat}: give its altitude with --alt ({})",
            unknown.join(", ")
        );
    }
    let mut out = std::io::stdout().lock();
    if !args.json && !seen.is_empty() {
        writeln!(out, "{:<16} {:>9} {:>9} {:>10} {:>9}  hidden", "camera", "x", "y", "distance", "m a px")?;
    }
    for (camera, alt, sighting) in &seen {
        let [x, y] = sighting.pixel;
        if args.json {
            let line = serde_json::json!({
                "camera": camera.id,
                "position": { "lon": lon, "lat": lat, "alt": alt },
                "pixel": [x, y],
                "distance_m": sighting.distance_m,
                "metres_per_pixel": sighting.metres_per_pixel,
                "hidden": sighting.hidden,
            });
            writeln!(out, "{line}")?;
        } else {
            let hidden = if sighting.hidden { "by terrain" } else { "no" };
            writeln!(
                out,
                "{:<16} {x:>9.1} {y:>9.1} {:>8.1} m {:>9.3}  {hidden}",
                camera.id, sighting.distance_m, sighting.metres_per_pixel
            )?;
        }
    }
    if seen.iter().any(|(_, _, s)| !s.hidden) {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("none of {} cameras sees {lon}, {lat}", cameras.len());
    Ok(ExitCode::FAILURE)
}
