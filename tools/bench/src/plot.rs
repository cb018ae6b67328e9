//! Plots as SVG.

use std::path::Path;

use anyhow::anyhow;
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::report::Run;
use crate::soak_sample::SoakSample;

const SIZE: (u32, u32) = (900, 420);
/// Up to this many points are marked.
const MARKED: usize = 20;

/// Processor time and memory over the number of cameras.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn scaling(path: &Path, runs: &[Run]) -> anyhow::Result<()> {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE).map_err(plot_error)?;
    let (left, right) = area.split_horizontally(SIZE.0 / 2);
    let line = |name, colour, value: &dyn Fn(&Run) -> f64| Line {
        name,
        colour,
        points: runs.iter().map(|run| (f64::from(run.cameras), value(run))).collect(),
    };
    let cores = [
        line("node", RED, &|r| r.node_cores),
        line("- transport", BLUE, &|r| stage(r, "transport")),
        line("- decode", GREEN, &|r| stage(r, "decode")),
        line("- detect", MAGENTA, &|r| stage(r, "detect")),
    ];
    panel(&left, "Processor time, cores", "cameras", &cores)?;
    let memory = [line("resident", RED, &|r| r.rss_mb), line("of that rings", BLUE, &|r| r.ring_mb)];
    panel(&right, "Memory, MB", "cameras", &memory)?;
    area.present().map_err(plot_error)
}

/// Memory and threads over the time of a soak.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn soak(path: &Path, samples: &[SoakSample]) -> anyhow::Result<()> {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE).map_err(plot_error)?;
    let (left, right) = area.split_horizontally(SIZE.0 / 2);
    let line = |name, colour, value: &dyn Fn(&SoakSample) -> f64| Line {
        name,
        colour,
        points: samples.iter().map(|sample| (sample.seconds / 60.0, value(sample))).collect(),
    };
    let memory = [line("resident", RED, &|r| r.rss_mb), line("of that rings", BLUE, &|r| r.ring_mb)];
    panel(&left, "Memory, MB", "minutes", &memory)?;
    let counts = [
        line("threads", RED, &|r| r.threads as f64),
        line("open files", BLUE, &|r| r.open_files as f64),
        line("cameras streaming", GREEN, &|r| r.streaming as f64),
    ];
    panel(&right, "Threads, files, cameras", "minutes", &counts)?;
    area.present().map_err(plot_error)
}

struct Line {
    name: &'static str,
    colour: RGBColor,
    points: Vec<(f64, f64)>,
}

fn stage(run: &Run, name: &str) -> f64 {
    run.cores_by_stage.get(name).copied().unwrap_or(0.0)
}

fn panel(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    title: &str,
    x_title: &str,
    lines: &[Line],
) -> anyhow::Result<()> {
    let all = || lines.iter().flat_map(|line| line.points.iter().copied());
    let (right, top) = all().fold((0.0, 0.0), |(x, y): (f64, f64), at| (x.max(at.0), y.max(at.1)));
    let to = |most: f64| 0.0..(most * 1.1).max(f64::MIN_POSITIVE);
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(48)
        .build_cartesian_2d(to(right), to(top))
        .map_err(plot_error)?;
    let whole = |x: &f64| format!("{x:.0}");
    chart
        .configure_mesh()
        .x_desc(x_title)
        .x_label_formatter(&whole)
        .light_line_style(TRANSPARENT)
        .draw()
        .map_err(plot_error)?;
    for Line { name, colour, points } in lines {
        let colour = *colour;
        chart
            .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))
            .map_err(plot_error)?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
        if points.len() <= MARKED {
            let dots = points.iter().map(|at| Circle::new(*at, 3, colour.filled()));
            chart.draw_series(dots).map_err(plot_error)?;
        }
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()
        .map_err(plot_error)
}

fn plot_error(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("{error}")
}
