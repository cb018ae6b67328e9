//! `lintel calibrate`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};

use super::placed::metres;
use crate::base::wall_now;
use crate::calibration::{Calibration, Features, Known, Survey, SurveyPoint, draw, load_dem, read_points};
use crate::geo::{Geodetic, Ground, Lens, Locator};

/// Compute a fixed camera's position, direction and lens from surveyed points
///
/// The CSV file has the columns x,y,lon,lat,alt,name (pixel of the reference picture, WGS-84 degrees,
/// metres); a header may give another order. Six points are the minimum; use ten to fifteen, spread over the
/// picture from near to far. A point that contradicts the others is reported and left out. Writes the
/// calibration and beside it a drawing (.png) and, with --image, the features that reveal a moved camera
/// (.features).
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    lintel calibrate --camera hill --points points.csv --image hill.jpg --dem dem.tif --out calibration/hill.toml\n  \
    lintel calibrate --camera mast --points points.csv --size 2560x1440 --position 120.62,29.71,148.2,0.05 \\\n      \
    --out calibration/mast.toml\n\n\
    calibration/README.md explains how to survey points from a roof.\n\n\
    Exit codes: 0 calibrated, 1 the points or a file cannot be used.")]
pub struct Args {
    /// The camera's id in the config
    #[arg(long, value_name = "ID")]
    camera: String,
    /// Surveyed points, CSV
    #[arg(long, value_name = "FILE")]
    points: PathBuf,
    /// The picture in which the pixels were measured
    #[arg(long, value_name = "FILE", required_unless_present = "size")]
    image: Option<PathBuf>,
    /// Size of the picture, without --image
    #[arg(long, value_name = "WxH", value_parser = size, conflicts_with = "image")]
    size: Option<[u32; 2]>,
    /// Terrain model (GeoTIFF): gives the altitude of points that have none
    #[arg(long, value_name = "FILE")]
    dem: Option<PathBuf>,
    /// File for the calibration
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Surveyed position of the camera, and its standard deviation in metres (0: exact) [default sigma: 0.1]
    #[arg(long, value_name = "LON,LAT,ALT[,SIGMA]", value_parser = position, allow_hyphen_values = true)]
    position: Option<(Geodetic, f64)>,
    /// Focal length in pixels, if known, and its standard deviation (0: exact)
    #[arg(long, value_name = "PIXELS[,SIGMA]", value_parser = pair, conflicts_with = "fov")]
    focal_px: Option<(f64, f64)>,
    /// Horizontal field of view in degrees, as in the data sheet, and its standard deviation
    #[arg(long, value_name = "DEGREES[,SIGMA]", value_parser = pair)]
    fov: Option<(f64, f64)>,
    /// Standard deviation of a measured pixel in each direction
    #[arg(long, value_name = "PIXELS", default_value_t = 1.0, value_parser = metres)]
    pixel_sigma: f64,
    /// Standard deviation of each coordinate of a surveyed point, metres
    #[arg(long, value_name = "METRES", default_value_t = 0.1, value_parser = metres)]
    survey_sigma: f64,
    /// Date of the survey [default: today]
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: Option<jiff::civil::Date>,
}

/// # Errors
/// The camera cannot be calibrated; the message gives a remedy.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let picture = match &args.image {
        Some(path) => {
            let open = || format!("cannot use the picture {}", path.display());
            Some(image::open(path).with_context(open)?.to_rgb8())
        }
        None => None,
    };
    let size =
        picture.as_ref().map(|p| [p.width(), p.height()]).or(args.size).context("give --image or --size")?;
    let dem = args.dem.as_deref().map(load_dem).transpose()?.map(Arc::new);
    let points = read_points(&args.points, size, dem.as_deref())?;
    let known = Known { position: args.position, focal: args.focal(size) };
    refuse_swapped(&known, &points)?;
    let survey = Survey {
        points: &points,
        size,
        known,
        pixel_sigma_px: args.pixel_sigma.max(0.05),
        survey_sigma_m: args.survey_sigma,
        dem: dem.clone(),
    };
    let date = args.date.map_or_else(today, |date| date.to_string());
    let mut calibration = Calibration::solve(&args.camera, &date, &survey)?;
    let features = picture.as_ref().map(|p| Features::of(&image::imageops::grayscale(p))).transpose()?;
    calibration.save(&args.out, args.image.as_deref().zip(features.as_ref()))?;
    let ground = dem.clone().map_or_else(|| calibration.ground(), Ground::Dem);
    let locator = Locator::new(calibration.view(), ground);
    let drawing = args.out.with_extension("png");
    draw(&calibration, &locator, picture.as_ref())?
        .save(&drawing)
        .with_context(|| format!("cannot write the drawing {}", drawing.display()))?;
    report(&calibration, &args)?;
    writeln!(std::io::stdout(), "wrote {} and {}", args.out.display(), drawing.display())?;
    warn_of_datum(&calibration, &locator);
    Ok(ExitCode::SUCCESS)
}

impl Args {
    fn focal(&self, size: [u32; 2]) -> Option<(f64, f64)> {
        let of_fov = |(fov, sigma): (f64, f64)| {
            let focal = |deg: f64| Lens::from_fov(deg.clamp(0.5, 170.0), size).focal_px;
            (focal(fov), (focal(fov - sigma) - focal(fov + sigma)).abs() / 2.0)
        };
        self.focal_px.or(self.fov.map(of_fov))
    }
}

/// Refuses a camera far from its points, and swapped coordinates.
fn refuse_swapped(known: &Known, points: &[SurveyPoint]) -> anyhow::Result<()> {
    let (Some((place, _)), Some(first)) = (&known.position, points.first()) else { return Ok(()) };
    let near = |lon: f64, lat: f64| (lon - first.place.lon).hypot(lat - first.place.lat) < 0.5;
    if near(place.lon, place.lat) {
        return Ok(());
    }
    if near(place.lat, place.lon) {
        bail!("--position: {}, {} look swapped: longitude comes first, then latitude", place.lon, place.lat);
    }
    bail!("--position is more than half a degree from the points")
}

fn report(calibration: &Calibration, args: &Args) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{:<12} {:>9} {:>8} {:>8} {:>8} {:>9}",
        "point", "distance", "off px", "off m", "l-o-o px", ""
    )?;
    for point in &calibration.points {
        writeln!(
            out,
            "{:<12} {:>7.0} m {:>8.2} {:>8.2} {:>8.2}  {}",
            point.name,
            point.distance_m,
            point.residual_px[0].hypot(point.residual_px[1]),
            point.residual_m,
            point.leave_one_out_px,
            if point.used { "" } else { "WRONG: left out" }
        )?;
    }
    let (view, fit) = (calibration.view(), &calibration.fit);
    let (place, attitude, lens) = (view.position(), view.attitude(), *view.lens());
    let upside_down = if attitude.roll_deg.abs() > 120.0 { " (upside down)" } else { "" };
    writeln!(out, "\ncamera     {:.7}, {:.7}, altitude {:.2} m", place.lon, place.lat, place.alt)?;
    writeln!(
        out,
        "looks      heading {:.2}, pitch {:.2}, roll {:.2} degrees{upside_down}",
        attitude.heading_deg, attitude.pitch_deg, attitude.roll_deg
    )?;
    let fov = lens.fov_deg(calibration.picture_size());
    writeln!(
        out,
        "lens       {:.1} px ({fov:.1} degrees across), k1 {:.4}, k2 {:.4}",
        lens.focal_px, lens.k1, lens.k2
    )?;
    if !fit.distortion_solved {
        writeln!(
            out,
            "           too few points, or none near the corners, to solve for distortion: assumed 0"
        )?;
    }
    let used = fit.points - fit.left_out.len();
    writeln!(
        out,
        "fit        {used} of {} points, {:.2} px, {:.2} m, leave-one-out {:.2} px",
        fit.points, fit.rms_px, fit.rms_m, fit.leave_one_out_rms_px
    )?;
    if fit.scale > 1.0 {
        writeln!(
            out,
            "           {:.1} times worse than --pixel-sigma and --survey-sigma explain; errors are scaled accordingly",
            fit.scale
        )?;
    }
    for point in calibration.points.iter().filter(|p| !p.used) {
        eprintln!(
            "warning: {}: point {} is off by {:.1} m ({:.0} px) against the others and was left out: measure its pixel and \
             position again",
            args.points.display(),
            point.name,
            point.residual_m,
            point.residual_px[0].hypot(point.residual_px[1])
        );
    }
    Ok(())
}

/// Warns if survey and terrain model use different vertical datums, a common mistake.
fn warn_of_datum(calibration: &Calibration, locator: &Locator) {
    let off =
        |p: &crate::calibration::Point| Some(p.place.alt - locator.ground_height(p.place.lon, p.place.lat)?);
    let mut off: Vec<f64> = calibration.points.iter().filter(|p| p.used).filter_map(off).collect();
    off.sort_by(f64::total_cmp);
    if let (Ground::Dem(_), Some(middle)) = (locator.ground(), off.get(off.len() / 2))
        && middle.abs() > 3.0
    {
        eprintln!(
            "warning: the points are {middle:+.1} m above the terrain model (median): are both altitudes above the same sea level \
             or ellipsoid?"
        );
    }
}

fn today() -> String {
    let now = wall_now().timestamp().unwrap_or_default();
    now.to_zoned(jiff::tz::TimeZone::system()).date().to_string()
}

fn size(text: &str) -> Result<[u32; 2], String> {
    let number = |t: &str| t.trim().parse::<u32>().ok().filter(|v| (16..=20_000).contains(v));
    let pair = text.split_once(['x', 'X']).and_then(|(w, h)| Some([number(w)?, number(h)?]));
    pair.ok_or_else(|| "write WIDTHxHEIGHT in pixels, for example 1920x1080".to_owned())
}

fn numbers(text: &str) -> Result<Vec<f64>, String> {
    let number = |t: &str| t.trim().parse::<f64>().ok().filter(|v| v.is_finite());
    text.split(',').map(|t| number(t).ok_or_else(|| format!("`{t}` is not a number"))).collect()
}

fn position(text: &str) -> Result<(Geodetic, f64), String> {
    let (place, sigma) = match numbers(text)?[..] {
        [lon, lat, alt] => (Geodetic::new(lon, lat, alt), 0.1),
        [lon, lat, alt, sigma] if sigma >= 0.0 => (Geodetic::new(lon, lat, alt), sigma),
        _ => return Err("write LON,LAT,ALT or LON,LAT,ALT,SIGMA".to_owned()),
    };
    if place.is_valid() {
        return Ok((place, sigma));
    }
    Err("not a place on earth: longitude comes first, then latitude, in degrees".to_owned())
}

fn pair(text: &str) -> Result<(f64, f64), String> {
    match numbers(text)?[..] {
        [value] if value > 0.0 => Ok((value, 0.0)),
        [value, sigma] if value > 0.0 && sigma >= 0.0 => Ok((value, sigma)),
        _ => {
            Err("write a number above 0, and its standard deviation after a comma if it is not exact"
                .to_owned())
        }
    }
}
