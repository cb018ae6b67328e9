//! Writes docs/accuracy.md and its plots: how far places are off on synthetic hill country with exact truth.
//!
//! `make accuracy`, or `lintel-accuracy DIR` for another folder than docs.

mod homography;
mod plot;
mod report;
mod scene;

use std::path::PathBuf;

use anyhow::{Context, Result};

use report::Report;
use scene::{Country, Miss, Noise, Trial};

/// Cameras of one set, and things that each looks at.
const CAMERAS: usize = 100;
const THINGS: usize = 60;
/// Two sets that share nothing but this program.
const SEEDS: [u64; 2] = [1, 2];

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("docs"), PathBuf::from);
    let images = folder.join("images");
    std::fs::create_dir_all(&images).with_context(|| images.display().to_string())?;
    let exact = Noise { pixel_px: 1.0, survey_m: 0.1, ground_m: 0.0 };
    let rough = Noise { ground_m: 0.5, ..exact };
    let mut sets = Vec::new();
    for (noise, seeds) in [(exact, &SEEDS[..]), (rough, &SEEDS[..1])] {
        for seed in seeds {
            sets.push(run(*seed, noise)?);
        }
    }
    let report = Report::new(&sets);
    report.plot(&images)?;
    let path = folder.join("accuracy.md");
    std::fs::write(&path, report.text()).with_context(|| path.display().to_string())?;
    eprintln!("wrote {}", path.display());
    Ok(())
}

/// One set of cameras.
struct Set {
    seed: u64,
    noise: Noise,
    cameras: usize,
    refused: usize,
    trials: Vec<Trial>,
    misses: Vec<Miss>,
}

fn run(seed: u64, noise: Noise) -> Result<Set> {
    let mut country = Country::new(seed, noise)?;
    let mut set = Set { seed, noise, cameras: 0, refused: 0, trials: Vec::new(), misses: Vec::new() };
    while set.cameras < CAMERAS {
        let Some(site) = country.site() else { continue };
        let Ok(camera) = site.calibrate(&mut country) else {
            set.refused += 1;
            continue;
        };
        set.cameras += 1;
        for _ in 0..THINGS {
            match country.look(&site, &camera) {
                Some(Ok(trial)) => set.trials.push(trial),
                Some(Err(miss)) => set.misses.push(miss),
                None => {}
            }
        }
        if set.cameras.is_multiple_of(20) {
            eprintln!("seed {seed}, ground {} m: {} cameras", noise.ground_m, set.cameras);
        }
    }
    Ok(set)
}
