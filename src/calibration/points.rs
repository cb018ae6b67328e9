//! Surveyed points from a CSV file.

use std::path::{Path, PathBuf};

use crate::base::{content_lines, read_text, table_degrees, table_fields, table_number};
use crate::geo::{Dem, Geodetic};

/// Two points of one camera are never this far apart, degrees.
const TOGETHER_DEG: f64 = 0.5;

/// A surveyed place that the picture shows.
#[derive(Clone, Debug, PartialEq)]
pub struct SurveyPoint {
    pub name: String,
    /// In the reference picture, from its upper left corner.
    pub pixel: [f64; 2],
    pub place: Geodetic,
}

/// Why a points file cannot be used: every wrong line at once.
#[derive(Debug, thiserror::Error)]
pub enum PointsError {
    #[error("cannot read the points {}: {error}", path.display())]
    Read { path: PathBuf, error: std::io::Error },
    #[error("{}", .0.join("\n"))]
    Lines(Vec<String>),
}

/// Reads points from a CSV file: `x, y, lon, lat` and optionally `alt` and `name`, in this order or in that
/// of a header line. Pixels are those of a picture of `size`. The terrain model gives the altitude of points
/// that have none.
///
/// # Errors
/// Every line that cannot be used, with its number and what to do.
pub fn read_points(path: &Path, size: [u32; 2], dem: Option<&Dem>) -> Result<Vec<SurveyPoint>, PointsError> {
    let text = read_text(path).map_err(|error| PointsError::Read { path: path.to_path_buf(), error })?;
    parse(&text, size, dem).map_err(|lines| {
        PointsError::Lines(lines.iter().map(|l| format!("{}:{l}", path.display())).collect())
    })
}

fn parse(text: &str, size: [u32; 2], dem: Option<&Dem>) -> Result<Vec<SurveyPoint>, Vec<String>> {
    let mut order = Order::default();
    let mut rows: Vec<(usize, Row)> = Vec::new();
    let mut wrong = Vec::new();
    for (number, line) in content_lines(text) {
        let fields = table_fields(line);
        if rows.is_empty() && table_number(&fields[0]).is_none() && fields.iter().any(|f| names(f, &X)) {
            match Order::of(&fields) {
                Ok(found) => order = found,
                Err(problem) => return Err(vec![format!("{number}: {problem}")]),
            }
            continue;
        }
        match order.row(&fields, rows.len() + 1) {
            Ok(row) => rows.push((number, row)),
            Err(problem) => wrong.push(format!("{number}: {problem}")),
        }
    }
    let middle = (median(rows.iter().map(|(_, r)| r.lon)), median(rows.iter().map(|(_, r)| r.lat)));
    let mut points = Vec::new();
    for (number, row) in rows {
        match row.check(size, dem, middle) {
            Ok(point) => points.push(point),
            Err(problem) => wrong.push(format!("{number}: {problem}")),
        }
    }
    if wrong.is_empty() { Ok(points) } else { Err(wrong) }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

const X: [&str; 4] = ["x", "px", "u", "pixel_x"];
const Y: [&str; 4] = ["y", "py", "v", "pixel_y"];
const LON: [&str; 4] = ["lon", "longitude", "lng", "经度"];
const LAT: [&str; 3] = ["lat", "latitude", "纬度"];
const ALT: [&str; 6] = ["alt", "altitude", "height", "elevation", "z", "高程"];
const NAME: [&str; 5] = ["name", "id", "point", "点号", "名称"];

fn names(field: &str, wanted: &[&str]) -> bool {
    wanted.contains(&field.to_lowercase().as_str())
}

/// The index of each field.
struct Order {
    fields: [usize; 4],
    alt: Option<usize>,
    name: Option<usize>,
}

impl Default for Order {
    fn default() -> Self {
        Self { fields: [0, 1, 2, 3], alt: Some(4), name: Some(5) }
    }
}

impl Order {
    fn of(header: &[String]) -> Result<Self, String> {
        let find = |wanted: &[&str]| header.iter().position(|f| names(f, wanted));
        let need = |wanted: &[&str]| {
            find(wanted).ok_or_else(|| {
                format!("the first line names no column `{}`; write x,y,lon,lat,alt,name", wanted[0])
            })
        };
        Ok(Self {
            fields: [need(&X)?, need(&Y)?, need(&LON)?, need(&LAT)?],
            alt: find(&ALT),
            name: find(&NAME),
        })
    }

    fn row(&self, fields: &[String], number: usize) -> Result<Row, String> {
        let read = |i: usize, name: &str, as_number: fn(&str) -> Option<f64>| {
            let text = fields.get(i).ok_or_else(|| {
                format!(
                    "{} fields, and {name} would be field {}: write x,y,lon,lat,alt,name",
                    fields.len(),
                    i + 1
                )
            })?;
            as_number(text).ok_or_else(|| format!("{name} `{text}` is not a number"))
        };
        let field = |i: usize, name: &str| read(i, name, table_number);
        let alt = match self.alt.and_then(|i| Some((i, fields.get(i)?))) {
            Some((i, text)) if !text.is_empty() => Some(field(i, "alt")?),
            _ => None,
        };
        let name = self.name.and_then(|i| fields.get(i)).filter(|n| !n.is_empty());
        Ok(Row {
            name: name.map_or_else(|| format!("P{number}"), |n| n.to_owned()),
            pixel: [field(self.fields[0], "x")?, field(self.fields[1], "y")?],
            lon: read(self.fields[2], "lon", table_degrees)?,
            lat: read(self.fields[3], "lat", table_degrees)?,
            alt,
        })
    }
}

struct Row {
    name: String,
    pixel: [f64; 2],
    lon: f64,
    lat: f64,
    alt: Option<f64>,
}

impl Row {
    fn check(self, size: [u32; 2], dem: Option<&Dem>, middle: (f64, f64)) -> Result<SurveyPoint, String> {
        let Row { name, pixel: [x, y], lon, lat, alt } = self;
        let inside = |v: f64, size: u32| (0.0..=f64::from(size)).contains(&v);
        if !inside(x, size[0]) || !inside(y, size[1]) {
            return Err(format!(
                "point {name}: pixel {x}, {y} is outside the picture of {} x {}",
                size[0], size[1]
            ));
        }
        let swapped = |lon: f64, lat: f64| {
            format!(
                "point {name}: lon {lon} and lat {lat} look swapped: longitude comes first, then latitude"
            )
        };
        if lat.abs() > 90.0 || lon.abs() > 180.0 {
            let possible = lat.abs() <= 180.0 && lon.abs() <= 90.0;
            return Err(if possible {
                swapped(lon, lat)
            } else {
                format!("point {name}: {lon}, {lat} is no place on earth")
            });
        }
        let near = |lon: f64, lat: f64| {
            (lon - middle.0).abs() < TOGETHER_DEG && (lat - middle.1).abs() < TOGETHER_DEG
        };
        if !near(lon, lat) {
            return Err(if near(lat, lon) {
                swapped(lon, lat)
            } else {
                format!(
                    "point {name}: {lon}, {lat} is more than {TOGETHER_DEG} degrees from the other points"
                )
            });
        }
        let ground = dem.map(|dem| (dem, dem.height(lon, lat)));
        let alt = match (alt, ground) {
            (Some(alt), _) => alt,
            (None, Some((_, Some(height)))) => height,
            (None, Some((dem, None))) => {
                if dem.height(lat, lon).is_some() {
                    return Err(swapped(lon, lat));
                }
                return Err(format!(
                    "point {name} has no altitude, and {lon}, {lat} is outside the terrain model or in a hole of it: \
                     survey its altitude, or take a larger model"
                ));
            }
            (None, None) => {
                return Err(format!(
                    "point {name} has no altitude: survey it, or give a terrain model with --dem"
                ));
            }
        };
        Ok(SurveyPoint { name, pixel: [x, y], place: Geodetic::new(lon, lat, alt) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: [u32; 2] = [1920, 1080];

    fn wrong(text: &str) -> String {
        parse(text, SIZE, None).expect_err("refused").join("\n")
    }

    #[test]
    fn columns_go_by_their_names_or_their_order() {
        let named = "name,lat,lon,alt,x,y\n# measured in May\nA,29.7,120.6,12.5,100,200\n";
        let points = parse(named, SIZE, None).expect("right");
        let wanted =
            SurveyPoint { name: "A".into(), pixel: [100.0, 200.0], place: Geodetic::new(120.6, 29.7, 12.5) };
        assert_eq!(points, [wanted]);
        let angles = parse("100,200,120°36′E,29°42′N,12.5\n", SIZE, None).expect("right");
        assert!((angles[0].place.lon - 120.6).abs() < 1e-9 && (angles[0].place.lat - 29.7).abs() < 1e-9);
        let bare = parse("100;200;120.6;29.7;12.5\n", SIZE, None).expect("right");
        assert_eq!((bare[0].name.as_str(), bare[0].pixel), ("P1", [100.0, 200.0]));
    }

    #[test]
    fn every_wrong_line_is_named() {
        let errors =
            wrong("x,y,lon,lat,alt\n1,2,120.6,29.7,5\n1,NaN,120.6,29.7,5\n1,2,120.6\n1,9000,120.6,29.7,5\n");
        let lines: Vec<&str> = errors.lines().collect();
        assert!(lines[0].starts_with("3: y `NaN` is not a number"), "{errors}");
        assert!(lines[1].starts_with("4: 3 fields, and lat"), "{errors}");
        assert!(lines[2].starts_with("5: point P2: pixel 1, 9000 is outside the picture"), "{errors}");
        assert!(wrong("1,2,120.6,29.7\n").contains("--dem"));
        assert!(wrong("x,y,lon,alt\n").contains("names no column `lat`"));
    }

    #[test]
    fn swapped_coordinates_are_recognised() {
        assert!(wrong("1,2,29.7,120.6,5\n").contains("look swapped"));
        // If both are possible latitudes, the other points decide.
        let errors = wrong("1,2,80.1,31.2,5\n5,2,80.1,31.2,5\n9,2,31.2,80.1,5\n");
        assert!(errors.starts_with("3: ") && errors.contains("look swapped"), "{errors}");
    }
}
