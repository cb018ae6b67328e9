//! A GeoJSON file (RFC 7946) with the place of each feature in its text, so that errors point at a line.

use std::ops::Range;

use geojson::{Feature, GeometryValue};
use serde_json::{Map, Value};

use super::files::FileText;
use super::problem::Problem;
use super::source::Span;
use crate::base::{Syntax, strays};
use crate::geo::{GroundArea, GroundAreaError};

/// A feature that is an area.
pub(crate) struct AreaFeature {
    pub(crate) span: Span,
    pub(crate) area: GroundArea,
    pub(crate) properties: Map<String, Value>,
    /// `id` of the properties, else of the feature.
    pub(crate) id: Option<String>,
}

impl AreaFeature {
    /// A property that is text and not empty.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.properties.get(key)?.as_str().map(str::trim).filter(|t| !t.is_empty())
    }
}

/// All areas of a `FeatureCollection`, or of a single `Feature`; what is wrong is reported and left out.
pub(crate) fn areas(file: &FileText, problems: &mut Vec<Problem>) -> Vec<AreaFeature> {
    let whole = file.base..file.base;
    let root: Value = match serde_json::from_str(&file.text) {
        Ok(root) => root,
        Err(error) => {
            if let Some(stray) = strays(&file.text, Syntax::Json).first() {
                let at = stray.at.start + file.base..stray.at.end + file.base;
                problems.push(Problem::new(&at, stray.what()).label("not JSON").help(stray.advice()));
                return Vec::new();
            }
            let at = file.base + offset(&file.text, error.line(), error.column());
            let place = at..at;
            problems.push(Problem::new(&place, format!("this is not JSON: {error}")).help(
                "write the file anew with the GIS program (QGIS: export, save features as, GeoJSON, EPSG:4326)",
            ));
            return Vec::new();
        }
    };
    if let Some(crs) = foreign_crs(&root) {
        problems.push(
            Problem::new(&whole, format!("the coordinates are in {crs}"))
                .help("write the file anew in WGS-84 longitude and latitude (EPSG:4326)"),
        );
        return Vec::new();
    }
    let places = match root["type"].as_str() {
        Some("FeatureCollection") => features(&file.text),
        Some("Feature") => std::iter::once(0..file.text.len()).collect(),
        other => {
            let found = other.unwrap_or("something without a type");
            problems.push(
                Problem::new(&whole, format!("a GeoJSON FeatureCollection is needed, this is {found}"))
                    .help("each zone or permit is a Feature with a Polygon and `properties`"),
            );
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    for place in places {
        // Its first character: the rest may be long.
        let span = place.start + file.base..place.start + file.base + 1;
        match feature(&file.text[place]) {
            Ok((area, properties, id)) => found.push(AreaFeature { span, area, properties, id }),
            Err(problem) => problems.push(problem.at(&span)),
        }
    }
    found
}

struct Trouble {
    message: String,
    help: &'static str,
}

impl Trouble {
    fn at(self, span: &Span) -> Problem {
        Problem::new(span, self.message).help(self.help)
    }
}

type Parts = (GroundArea, Map<String, Value>, Option<String>);

fn feature(text: &str) -> Result<Parts, Trouble> {
    const SHAPE: &str = "each zone or permit is a Feature with a Polygon or MultiPolygon";
    let parsed: Feature = text.parse().map_err(|e: geojson::Error| Trouble {
        message: format!("not a GeoJSON feature: {e}"),
        help: SHAPE,
    })?;
    let polygons = match parsed.geometry.map(|g| g.value) {
        Some(GeometryValue::Polygon { coordinates }) => vec![coordinates],
        Some(GeometryValue::MultiPolygon { coordinates }) => coordinates,
        other => {
            let found = other.as_ref().map_or("no geometry", GeometryValue::type_name);
            return Err(Trouble { message: format!("an area is needed, this has {found}"), help: SHAPE });
        }
    };
    let corner = |p: &geojson::Position| [p.as_slice()[0], p.as_slice()[1]];
    let ring = |r: &Vec<geojson::Position>| r.iter().map(corner).collect();
    let polygons = polygons.iter().map(|rings| rings.iter().map(ring).collect()).collect();
    let area = GroundArea::new(polygons).map_err(|error| Trouble {
        message: error.to_string(),
        help: match error {
            GroundAreaError::NoPlace { .. } => {
                "GeoJSON has longitude first: are the two swapped, or is this a projected system?"
            }
            GroundAreaError::Crossing(..) => {
                "draw the corners in the order in which you would walk round the area"
            }
            _ => "draw the area anew",
        },
    })?;
    let properties = parsed.properties.unwrap_or_default();
    let plain = |v: &Value| match v {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let own = parsed.id.map(|id| match id {
        geojson::feature::Id::String(text) => text,
        geojson::feature::Id::Number(number) => number.to_string(),
    });
    let id = properties.get("id").and_then(plain).or(own);
    Ok((area, properties, id))
}

/// The old `crs` member (GeoJSON 2008), where it names something else than WGS-84.
fn foreign_crs(root: &Value) -> Option<&str> {
    let name = root["crs"]["properties"]["name"].as_str()?;
    let known = ["CRS84", "EPSG::4326", "EPSG:4326", "EPSG::4490", "EPSG:4490"];
    (!known.iter().any(|k| name.ends_with(k))).then_some(name)
}

/// Byte of a line and column of serde_json, which count from 1.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    (start + column.saturating_sub(1)).min(text.len())
}

/// Where the objects of the array `features` of the outermost object stand. `text` is valid JSON.
fn features(text: &str) -> Vec<Range<usize>> {
    let (mut found, mut stack) = (Vec::new(), Vec::new());
    let (mut key, mut start) = (String::new(), 0);
    let mut bytes = text.bytes().enumerate();
    while let Some((i, byte)) = bytes.next() {
        match byte {
            b'"' => {
                let from = i + 1;
                let mut to = from;
                while let Some((j, b)) = bytes.next() {
                    match b {
                        b'\\' => drop(bytes.next()),
                        b'"' => {
                            to = j;
                            break;
                        }
                        _ => {}
                    }
                }
                if stack.len() == 1 && text[to + 1..].trim_start().starts_with(':') {
                    key = text[from..to].to_owned();
                }
            }
            b'{' | b'[' => {
                if stack == [b'{', b'['] && byte == b'{' && key == "features" {
                    start = i;
                }
                stack.push(byte);
            }
            b'}' | b']' => {
                stack.pop();
                if stack == [b'{', b'['] && byte == b'}' && key == "features" {
                    found.push(start..i + 1);
                }
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_found_where_they_stand() {
        let text = r#"{"x": [{"no": 1}], "features" : [ {"a": "}\"{"}, {"b": [{"c": {}}]} ], "y": [{}]}"#;
        let found: Vec<&str> = features(text).into_iter().map(|r| &text[r]).collect();
        assert_eq!(found, [r#"{"a": "}\"{"}"#, r#"{"b": [{"c": {}}]}"#]);
        assert!(features("{}").is_empty());
    }
}
