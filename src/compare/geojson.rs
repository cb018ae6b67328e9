//! Findings as GeoJSON (RFC 7946): a feature each, WGS-84 where the pictures have places.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::comparison::{ChangedArea, Comparison};

/// A pair and what came of it.
#[derive(Clone, Debug)]
pub struct PairFile {
    pub before: String,
    pub after: String,
    pub comparison: Comparison,
}

/// Writes all findings of all pairs into one file. Without a place a feature has no geometry, and its outline
/// in pixels of the later picture stands among its properties, as it always does.
///
/// # Errors
/// The file cannot be written.
pub fn write_geojson(path: &Path, pairs: &[PairFile]) -> std::io::Result<PathBuf> {
    let features: Vec<Value> = pairs
        .iter()
        .enumerate()
        .flat_map(|(i, pair)| {
            pair.comparison.changes.iter().enumerate().map(move |(n, f)| feature(i, n, pair, f))
        })
        .collect();
    let all = json!({ "type": "FeatureCollection", "features": features });
    let mut file = std::fs::File::create(path)?;
    serde_json::to_writer_pretty(&mut file, &all)?;
    file.write_all(b"\n")?;
    Ok(path.to_path_buf())
}

fn feature(pair: usize, number: usize, of: &PairFile, found: &ChangedArea) -> Value {
    let round = |v: f64, parts: f64| (v * parts).round() / parts;
    let geometry = found.outline.as_ref().map(|outline| {
        let mut ring: Vec<[f64; 2]> = outline.iter().map(|p| [round(p[0], 1e8), round(p[1], 1e8)]).collect();
        if turn(&ring) < 0.0 {
            ring.reverse();
        }
        ring.extend(ring.first().copied());
        json!({ "type": "Polygon", "coordinates": [ring] })
    });
    let pixels: Vec<[f64; 2]> = found.outline_px.iter().map(|p| p.map(|v| round(v, 10.0))).collect();
    json!({
        "type": "Feature",
        "id": format!("{}-{}", pair + 1, number + 1),
        "geometry": geometry,
        "properties": {
            "before": of.before,
            "after": of.after,
            "kind": found.kind,
            "area_m2": found.area_m2.map(|a| round(a, 10.0)),
            "share": round(found.share, 1e6),
            "near": found.near,
            "confidence": round(found.confidence, 100.0),
            "outline_px": pixels,
        },
    })
}

/// Above zero for an outline against the clock, as RFC 7946 wants outer ones.
fn turn(ring: &[[f64; 2]]) -> f64 {
    let next = ring.iter().cycle().skip(1);
    ring.iter().zip(next).map(|(a, b)| a[0] * b[1] - b[0] * a[1]).sum()
}
