//! `lintel locate`.

use std::io::Write as _;
use std::process::ExitCode;

use super::placed::{CameraOptions, metres};
use crate::base::narrow;
use crate::geo::{NoFix, gcj02_from_wgs84};

/// The config has errors.
const WRONG: u8 = 2;

/// Find the place on the ground that a pixel shows
///
/// Prints longitude, latitude, altitude, the 95 % error ellipse, and the method.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  lintel locate --config lintel.toml --camera hill --pixel 960,700\n  \
                        lintel locate --calibration calibration/hill.toml --dem dem.tif --pixel 960,700 --json\n  \
                        lintel locate --still DJI_0042.JPG --pixel 2000,1500\n\n\
                        Exit codes: 0 found, 1 the pixel has no place on the ground or a file cannot be used, \
                        2 the config has errors.")]
pub struct Args {
    #[command(flatten)]
    cameras: CameraOptions,
    /// Id of the camera; optional if there is only one
    #[arg(long, value_name = "ID")]
    camera: Option<String>,
    /// Pixel of the calibrated picture, from its upper left corner
    #[arg(long, value_name = "X,Y", value_parser = pixel, allow_hyphen_values = true)]
    pixel: (f64, f64),
    /// Standard deviation of the pixel in each direction
    #[arg(long, value_name = "PIXELS", default_value_t = 1.0, value_parser = metres)]
    pixel_sigma: f64,
    /// Height of the place above the ground in metres, such as that of a roof
    #[arg(long, value_name = "METRES", default_value_t = 0.0, value_parser = metres)]
    height: f64,
    /// Also print GCJ-02, the coordinates of Chinese web maps
    #[arg(long)]
    gcj02: bool,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

/// # Errors
/// A file cannot be used, or the pixel shows no ground.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Some(camera) = args.cameras.camera(args.camera.as_deref())? else { return Ok(ExitCode::from(WRONG)) };
    let (x, y) = args.pixel;
    let fix = match camera.locator.locate_at_height([x, y], args.pixel_sigma, args.height) {
        Ok(fix) => fix,
        Err(no_fix @ NoFix::OutOfPicture { .. }) => return Err(no_fix.into()),
        Err(no_fix) => anyhow::bail!("camera {}, pixel {x}, {y}: {no_fix}", camera.id),
    };
    let (place, accuracy) = (fix.position, fix.accuracy);
    let gcj02 = args.gcj02.then(|| gcj02_from_wgs84(place.lon, place.lat));
    let mut out = std::io::stdout().lock();
    if args.json {
        let mut line = serde_json::json!({
            "camera": camera.id,
            "pixel": [x, y],
            "position": place,
            "crs": "WGS-84",
            "accuracy": accuracy,
            "confidence": 0.95,
            "method": fix.method,
            "distance_m": fix.distance_m,
            "metres_per_pixel": fix.metres_per_pixel,
        });
        if let Some((lon, lat)) = gcj02 {
            line["gcj02"] = serde_json::json!({ "lon": lon, "lat": lat });
        }
        writeln!(out, "{line}")?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "position   {:.7}, {:.7}  altitude {:.2} m  (WGS-84)", place.lon, place.lat, place.alt)?;
    if let Some((lon, lat)) = gcj02 {
        writeln!(out, "GCJ-02     {lon:.7}, {lat:.7}")?;
    }
    writeln!(
        out,
        "accuracy   {:.2} m x {:.2} m, longer axis at {:.0} degrees from north (95 %)",
        accuracy.semi_major_m, accuracy.semi_minor_m, accuracy.azimuth_deg
    )?;
    writeln!(out, "distance   {:.1} m, {:.3} m per pixel", fix.distance_m, fix.metres_per_pixel)?;
    writeln!(out, "method     {}", serde_json::to_value(fix.method)?.as_str().unwrap_or_default())?;
    Ok(ExitCode::SUCCESS)
}

fn pixel(text: &str) -> Result<(f64, f64), String> {
    let number = |t: &str| t.trim().parse::<f64>().ok().filter(|v| v.is_finite());
    let text = narrow(text);
    let pair = text.split_once(',').and_then(|(x, y)| Some((number(x)?, number(y)?)));
    pair.ok_or_else(|| "write X,Y in pixels, for example 960,700".to_owned())
}
