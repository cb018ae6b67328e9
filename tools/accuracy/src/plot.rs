//! Curves as SVG. A plotting crate would change the features of crates that the whole workspace shares, and
//! rebuild it.

use std::fmt::Write as _;

const SIZE: [f64; 2] = [900.0, 520.0];
/// Left, top, right, bottom.
const MARGIN: [f64; 4] = [70.0, 50.0, 20.0, 60.0];

/// From where to where, and what is written at it.
#[derive(Clone, Copy)]
pub struct Axis {
    pub from: f64,
    pub to: f64,
    pub log: bool,
    pub marks: &'static [f64],
}

impl Axis {
    /// 0 to 1.
    fn place(&self, value: f64) -> f64 {
        let scale = |v: f64| if self.log { v.max(1e-9).ln() } else { v };
        let share = (scale(value) - scale(self.from)) / (scale(self.to) - scale(self.from));
        share.clamp(0.0, 1.0)
    }
}

pub struct Plot {
    x: Axis,
    y: Axis,
    body: String,
    legend: usize,
}

impl Plot {
    pub fn new(title: &str, below: &str, x: Axis, y: Axis) -> Self {
        let mut plot = Self { x, y, body: String::new(), legend: 0 };
        plot.text((SIZE[0] / 2.0, 28.0), title, 18, "middle");
        plot.text((SIZE[0] / 2.0, SIZE[1] - 14.0), below, 15, "middle");
        for mark in x.marks {
            let (at, bottom) = plot.at((*mark, y.from));
            plot.line((at, MARGIN[1]), (at, bottom));
            plot.text((at, bottom + 20.0), &mark.to_string(), 14, "middle");
        }
        for mark in y.marks {
            let (left, at) = plot.at((x.from, *mark));
            plot.line((left, at), (SIZE[0] - MARGIN[2], at));
            plot.text((left - 8.0, at + 5.0), &mark.to_string(), 14, "end");
        }
        plot
    }

    pub fn curve(&mut self, points: &[(f64, f64)], colour: &str, width: f64, name: Option<&str>) {
        let places: Vec<(f64, f64)> = points.iter().map(|p| self.at(*p)).collect();
        let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let path = path.join(" ");
        let _ = writeln!(
            self.body,
            "<polyline points=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"/>"
        );
        let Some(name) = name else { return };
        for (x, y) in places {
            let _ = writeln!(self.body, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"/>");
        }
        let (x, y) = (MARGIN[0] + 16.0, MARGIN[1] + 22.0 + 22.0 * self.legend as f64);
        self.legend += 1;
        let _ = writeln!(
            self.body,
            "<rect x=\"{x}\" y=\"{}\" width=\"320\" height=\"22\" fill=\"white\" fill-opacity=\"0.8\"/>\n\
             <line x1=\"{x}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\" stroke=\"{colour}\" stroke-width=\"{width}\"/>",
            y - 11.0,
            x + 26.0
        );
        self.text((x + 34.0, y + 5.0), name, 15, "start");
    }

    pub fn svg(&self) -> String {
        let [width, height] = SIZE;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\">\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n{}</svg>\n",
            self.body
        )
    }

    fn at(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let [left, top, right, bottom] = MARGIN;
        (
            left + self.x.place(x) * (SIZE[0] - left - right),
            SIZE[1] - bottom - self.y.place(y) * (SIZE[1] - top - bottom),
        )
    }

    fn line(&mut self, from: (f64, f64), to: (f64, f64)) {
        let _ = writeln!(
            self.body,
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"#ddd\"/>",
            from.0, from.1, to.0, to.1
        );
    }

    fn text(&mut self, at: (f64, f64), text: &str, size: u32, anchor: &str) {
        let _ = writeln!(
            self.body,
            "<text x=\"{:.1}\" y=\"{:.1}\" font-size=\"{size}\" text-anchor=\"{anchor}\">{text}</text>",
            at.0, at.1
        );
    }
}
