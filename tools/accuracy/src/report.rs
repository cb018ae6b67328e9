//! Tables and plots.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

use crate::plot::{Axis, Plot};
use crate::scene::Trial;
use crate::{CAMERAS, Set, THINGS};

/// Edges of the distances, metres; 250 to 350 is what the goal is about.
const EDGES: [f64; 10] = [50.0, 100.0, 175.0, 250.0, 350.0, 500.0, 700.0, 1000.0, 1400.0, 2000.0];
const GOAL: usize = 3;
/// Name, colour, and error of a method.
type Method = (&'static str, &'static str, fn(&Trial) -> f64);
const METHODS: [Method; 3] = [
    ("flat homography", "#c83c32", |t| t.flat_m),
    ("pose + plane", "#e1961e", |t| t.plane_m),
    ("pose + DEM", "#1e6ebe", |t| t.dem_m),
];

pub struct Report<'a> {
    sets: &'a [Set],
}

impl<'a> Report<'a> {
    pub fn new(sets: &'a [Set]) -> Self {
        Self { sets }
    }

    pub fn text(&self) -> String {
        let first = &self.sets[0];
        let [flat, _, dem] = METHODS.map(|(_, _, error)| quantile(&within(first, GOAL), error, 0.5));
        let mut text = format!(
            "# How accurate positions are\n\n\
             `make accuracy` writes this page with tools/accuracy; do not edit it. The numbers are the same\n\
             on every machine.\n\n\
             All figures are from **synthetic** hill country with heights over some 200 m in cells of 6 m.\n\
             Masts of 20 to 60 m stand on the higher places. Pictures have 1920 x 1080 pixels, lenses of 20\n\
             to 60 degrees, and barrel distortion. Lintel's own solver calibrates each camera from 14\n\
             surveyed points. Then {THINGS} objects in sight, 50 to 2000 m away, are placed from one pixel\n\
             each. A set has {CAMERAS} cameras.\n\n\
             Noise is given as standard deviations. Pixels have 1 px in each direction, both of the points\n\
             and of the objects. The survey has 0.1 m in each coordinate. All methods see the same noisy\n\
             points and pixels. The DEM is exact in the first sets and has errors in the last.\n\n\
             **At 250 to 350 m the median error is {dem:.2} m with pose + DEM and {flat:.1} m with a flat\n\
             homography: {:.0} times as much.**\n",
            flat / dem
        );
        for set in self.sets {
            self.table(&mut text, set);
        }
        text.push_str(
            "\n## Coverage of the 95 % ellipse\n\n\
             The table has the share of objects whose true position lies in the ellipse of pose + DEM.\n\
             Errors that all objects of a camera share make this less certain than their number suggests.\n\n\
             | set | objects | covered |\n|---|---:|---:|\n",
        );
        for set in self.sets {
            let covered = set.trials.iter().filter(|t| t.covered).count() as f64 / set.trials.len() as f64;
            let _ = writeln!(text, "| {} | {} | {:.1} % |", name(set), set.trials.len(), 100.0 * covered);
        }
        text.push_str("\n![error by distance](images/accuracy-error.svg)\n\n![coverage](images/accuracy-coverage.svg)\n");
        text
    }

    fn table(&self, text: &mut String, set: &Set) {
        let _ = write!(
            text,
            "\n## {}\n\n\
             {} cameras placed {} objects; {} lines of sight met no ground. {} further sites were refused:\n\
             too little ground was in sight for 14 points, or the points did not determine the camera.\n\n\
             Error on the ground in metres, median / 95th percentile:\n\n\
             | distance | objects | flat homography | pose + plane | pose + DEM | 95 % ellipse, longer half axis (median) | covered |\n\
             |---|---:|---:|---:|---:|---:|---:|\n",
            name(set),
            set.cameras,
            set.trials.len(),
            set.misses.len(),
            set.refused
        );
        for bin in 0..EDGES.len() - 1 {
            let trials = within(set, bin);
            if trials.is_empty() {
                continue;
            }
            let of = |error: fn(&Trial) -> f64| {
                format!(
                    "{} / {}",
                    metres(quantile(&trials, error, 0.5)),
                    metres(quantile(&trials, error, 0.95))
                )
            };
            let covered = trials.iter().filter(|t| t.covered).count() as f64 / trials.len() as f64;
            let _ = writeln!(
                text,
                "| {:.0} to {:.0} m | {} | {} | {} | {} | {} | {:.1} % |",
                EDGES[bin],
                EDGES[bin + 1],
                trials.len(),
                of(METHODS[0].2),
                of(METHODS[1].2),
                of(METHODS[2].2),
                metres(quantile(&trials, |t| t.semi_major_m, 0.5)),
                100.0 * covered
            );
        }
        let lost = set.misses.iter().filter(|m| m.distance_m > 700.0).count();
        let _ = writeln!(
            text,
            "\nOf these lines of sight, {lost} went to objects beyond 700 m: noise lifts them over a ridge."
        );
    }

    pub fn plot(&self, folder: &Path) -> Result<()> {
        let write = |name: &str, plot: Plot| {
            let path = folder.join(name);
            std::fs::write(&path, plot.svg()).with_context(|| path.display().to_string())
        };
        write("accuracy-error.svg", self.error_plot())?;
        write("accuracy-coverage.svg", self.coverage_plot())
    }

    fn error_plot(&self) -> Plot {
        let set = &self.sets[0];
        let y = Axis {
            from: 0.1,
            to: 3000.0,
            log: true,
            marks: &[0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0],
        };
        let title = "Error on the ground, metres: median (thick) and 95th percentile (thin)";
        let mut plot = Plot::new(title, "distance, metres", DISTANCE, y);
        for (name, colour, error) in METHODS {
            let curve = |share: f64| -> Vec<(f64, f64)> {
                let at = |bin| (middle(bin), quantile(&within(set, bin), error, share));
                (0..EDGES.len() - 1).map(at).filter(|(_, v)| v.is_finite()).collect()
            };
            plot.curve(&curve(0.5), colour, 3.0, Some(name));
            plot.curve(&curve(0.95), colour, 1.0, None);
        }
        plot
    }

    fn coverage_plot(&self) -> Plot {
        let y = Axis {
            from: 84.0,
            to: 100.0,
            log: false,
            marks: &[84.0, 86.0, 88.0, 90.0, 93.0, 95.0, 97.0, 100.0],
        };
        let title = "Share of true positions within the 95 % ellipse, %, pose + DEM; wanted: 93 to 97";
        let mut plot = Plot::new(title, "distance, metres", DISTANCE, y);
        for level in [93.0, 97.0] {
            plot.curve(&[(60.0, level), (1800.0, level)], "#3a3", 1.0, None);
        }
        for (set, colour) in self.sets.iter().zip(["#1e6ebe", "#783caa", "#c83c32"]) {
            let at = |bin: usize| {
                let trials = within(set, bin);
                let covered = trials.iter().filter(|t| t.covered).count() as f64;
                (trials.len() >= 20).then(|| (middle(bin), 100.0 * covered / trials.len() as f64))
            };
            let curve: Vec<(f64, f64)> = (0..EDGES.len() - 1).filter_map(at).collect();
            plot.curve(&curve, colour, 2.0, Some(&name(set)));
        }
        plot
    }
}

const DISTANCE: Axis = Axis {
    from: 60.0,
    to: 1800.0,
    log: true,
    marks: &[75.0, 100.0, 150.0, 200.0, 300.0, 500.0, 700.0, 1000.0, 1500.0],
};

fn name(set: &Set) -> String {
    let ground = if set.noise.ground_m > 0.0 {
        format!("DEM with errors of {} m", set.noise.ground_m)
    } else {
        "exact DEM".to_owned()
    };
    format!("Seed {}, {ground}", set.seed)
}

fn middle(bin: usize) -> f64 {
    (EDGES[bin] * EDGES[bin + 1]).sqrt()
}

fn within(set: &Set, bin: usize) -> Vec<&Trial> {
    set.trials.iter().filter(|t| (EDGES[bin]..EDGES[bin + 1]).contains(&t.distance_m)).collect()
}

fn quantile(trials: &[&Trial], value: fn(&Trial) -> f64, share: f64) -> f64 {
    let mut values: Vec<f64> = trials.iter().map(|t| value(t)).collect();
    values.sort_by(f64::total_cmp);
    values.get(((values.len() as f64 - 1.0) * share).round() as usize).copied().unwrap_or(f64::NAN)
}

fn metres(v: f64) -> String {
    match v {
        v if !v.is_finite() => "none".to_owned(),
        v if v < 10.0 => format!("{v:.2}"),
        v => format!("{v:.0}"),
    }
}
