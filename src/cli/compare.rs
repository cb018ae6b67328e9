//! `lintel compare`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};

use super::placed::metres;
use super::still_options::StillOptions;
use crate::base::error_chain;
use crate::calibration::load_dem;
use crate::compare::{
    Options, PairFile, Shot, StillTable, Unusable, compare, load, pair, write_geojson, write_report,
};
use crate::config::Provider;
use crate::detect::{Detector, ModelManifest, Runtime};

/// Some pictures could not be compared.
const SOME: u8 = 1;
/// No pictures could be compared.
const NONE: u8 = 2;

/// Compare two flights over the same ground
///
/// Compares two pictures, two folders of stills, or two mosaics (GeoTIFF). Stills are paired by position
/// (their XMP and EXIF, or --telemetry) and aligned. The output shows what was built, cleared or piled up: GeoJSON
/// with areas, pictures side by side, and a page to swipe through. Pictures that cannot be compared are
/// listed with the reason.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  lintel compare may.jpg june.jpg --out changes\n  \
                        lintel compare flights/may flights/june --telemetry-after june.csv --out changes\n  \
                        lintel compare may.tif june.tif --out changes\n\n\
                        Exit codes: 0 all pictures compared, 1 some, 2 none.")]
pub struct Args {
    /// A picture, a mosaic, or a folder of stills
    before: PathBuf,
    /// The same from a later flight
    after: PathBuf,
    /// Positions of stills without XMP: a table with the header
    /// name,lon,lat,height_m,heading_deg,pitch_deg,fov_deg; repeatable. A table in the folder of a flight is of
    /// that flight
    #[arg(long, value_name = "CSV")]
    telemetry: Vec<PathBuf>,
    /// As --telemetry, for the earlier flight only
    #[arg(long, value_name = "CSV")]
    telemetry_before: Vec<PathBuf>,
    /// As --telemetry, for the later flight only
    #[arg(long, value_name = "CSV")]
    telemetry_after: Vec<PathBuf>,
    #[command(flatten)]
    stills: StillOptions,
    /// Terrain model (GeoTIFF); without one the ground is level
    #[arg(long, value_name = "FILE")]
    dem: Option<PathBuf>,
    /// Smallest change to report, square metres
    #[arg(long, value_name = "M2", default_value_t = 12.0, value_parser = metres)]
    min_area: f64,
    /// The pictures are aligned already, such as sheets of one map: skip the registration
    #[arg(long)]
    aligned: bool,
    /// Folder of a model (model.toml): its cars and people are ignored, machines and heaps beside a change
    /// are named
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Path of libonnxruntime.so [default: ORT_DYLIB_PATH, then the usual folders]
    #[arg(long, value_name = "FILE", requires = "model")]
    onnxruntime: Option<PathBuf>,
    /// Folder for changes.geojson, report.html and the pictures; created if missing
    #[arg(long, value_name = "DIR", default_value = "compare")]
    out: PathBuf,
}

/// # Errors
/// A table or terrain model cannot be used, or the folder cannot be written.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let tables = Tables::read(&args)?;
    let drone = args.stills.drone(true);
    let dem = args.dem.as_deref().map(load_dem).transpose()?.map(Arc::new);
    let (before, mut unusable) = load(&args.before, &tables.before, &drone, dem.as_ref());
    let (after, bad) = load(&args.after, &tables.after, &drone, dem.as_ref());
    unusable.extend(bad);
    tables.check(&before, &after)?;
    let paired = pair(&before, &after);
    unusable.extend(paired.alone);
    let options = Options { min_area_m2: args.min_area, aligned: args.aligned };
    let mut detector =
        args.model.as_deref().map(|model| open(model, args.onnxruntime.as_deref())).transpose()?;
    let mut pairs = Vec::new();
    for (b, a) in paired.pairs {
        let (b, a) = (&before[b], &after[a]);
        match compare(b, a, &options, detector.as_mut()) {
            Ok(comparison) => {
                pairs.push(PairFile { before: b.name.clone(), after: a.name.clone(), comparison });
            }
            Err(error) => unusable
                .push(Unusable { name: format!("{} and {}", b.name, a.name), why: error_chain(&error) }),
        }
    }
    let out = &args.out;
    std::fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    let written = || format!("cannot write into {}", out.display());
    let geojson = write_geojson(&out.join("changes.geojson"), &pairs).with_context(written)?;
    let page = write_report(out, &pairs, &unusable).with_context(written)?;
    report(&pairs, &unusable)?;
    writeln!(std::io::stdout(), "wrote {} and {}", geojson.display(), page.display())?;
    Ok(match (pairs.is_empty(), unusable.is_empty()) {
        (true, _) => ExitCode::from(NONE),
        (_, true) => ExitCode::SUCCESS,
        _ => ExitCode::from(SOME),
    })
}

/// The tables of each flight: names of stills start anew in every folder, so one flight's tables are not for the
/// other.
struct Tables {
    before: StillTable,
    after: StillTable,
    /// What may be of either.
    shared: StillTable,
}

impl Tables {
    fn read(args: &Args) -> anyhow::Result<Self> {
        let folder = |path: &Path| path.canonicalize().ok();
        let within = |table: &&PathBuf, flight: &Path| {
            table.parent().and_then(folder).is_some_and(|parent| Some(parent) == folder(flight))
        };
        let (mut before, mut after) = (args.telemetry_before.clone(), args.telemetry_after.clone());
        let mut shared = StillTable::default();
        for path in &args.telemetry {
            match (within(&path, &args.before), within(&path, &args.after)) {
                (true, false) => before.push(path.clone()),
                (false, true) => after.push(path.clone()),
                _ => shared.read(path)?,
            }
        }
        let with = |own: &[PathBuf]| {
            own.iter().try_fold(shared.clone(), |mut table, path| table.read(path).map(|()| table))
        };
        Ok(Self { before: with(&before)?, after: with(&after)?, shared })
    }

    /// Fails where a table may be of the one or the other flight.
    fn check(&self, before: &[Shot], after: &[Shot]) -> anyhow::Result<()> {
        let both = before.iter().find_map(|b| {
            let twin = after.iter().any(|a| a.name == b.name && a.path != b.path);
            Some((&b.name, self.shared.place(&b.name).filter(|_| twin)?))
        });
        match both {
            None => Ok(()),
            Some((name, place)) => bail!(
                "both flights have a {name}, and {place} does not say of which it is: name the tables of the earlier flight \
                 with --telemetry-before and those of the later one with --telemetry-after"
            ),
        }
    }
}

fn open(model: &Path, library: Option<&Path>) -> anyhow::Result<Detector> {
    let manifest = ModelManifest::load(model)?;
    let runtime = Runtime::load(library)?;
    Ok(Detector::open(&runtime, &manifest, None, Provider::Cpu)?)
}

fn report(pairs: &[PairFile], unusable: &[Unusable]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for pair in pairs {
        let c = &pair.comparison;
        writeln!(out, "{} -> {}: {} changes ({})", pair.before, pair.after, c.changes.len(), c.agreement())?;
        for found in &c.changes {
            let kind = serde_json::to_value(found.kind).unwrap_or_default();
            let area = found.area_m2.map_or_else(|| "no scale".to_owned(), |a| format!("{a:.0} m2"));
            let place = found.outline.as_ref().and_then(|o| o.first());
            let place = place.map_or_else(String::new, |p| format!("  near {:.6}, {:.6}", p[0], p[1]));
            let names: Vec<&str> = found.near.iter().map(|class| class.as_str()).collect();
            let near =
                if names.is_empty() { String::new() } else { format!("  beside {}", names.join(", ")) };
            writeln!(
                out,
                "  {}  {area}  confidence {:.2}{place}{near}",
                kind.as_str().unwrap_or_default(),
                found.confidence
            )?;
        }
        for note in &c.notes {
            writeln!(out, "  note: {note}")?;
        }
    }
    let mut errors = std::io::stderr().lock();
    for item in unusable {
        writeln!(errors, "not compared: {}: {}", item.name, item.why)?;
    }
    Ok(())
}
