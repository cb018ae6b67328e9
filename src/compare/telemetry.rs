//! Poses of stills from a table, for drones whose stills carry no XMP.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::base::{content_lines, csv_fields};
use crate::drone::{LonLat, Pose};

/// First line of the table; `fov_deg` is the horizontal angle of view.
const HEADER: &str = "name,lon,lat,height_m,heading_deg,pitch_deg,fov_deg";

#[derive(Debug, thiserror::Error)]
pub enum TableError {
    #[error("cannot read {}", .path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{}:{line}: {what}; the first line is `{HEADER}`, every other line describes a still", .path.display())]
    Line { path: PathBuf, line: usize, what: String },
}

/// Poses of stills by file name.
#[derive(Clone, Debug, Default)]
pub struct StillTable(BTreeMap<String, Pose>);

impl StillTable {
    /// Adds the stills of a CSV file.
    ///
    /// # Errors
    /// The file cannot be read, or a line does not describe a still.
    pub fn read(&mut self, path: &Path) -> Result<(), TableError> {
        let io = |source| TableError::Io { path: path.to_path_buf(), source };
        let text = std::fs::read_to_string(path).map_err(io)?;
        let wrong = |line: usize, what: String| TableError::Line { path: path.to_path_buf(), line, what };
        let mut lines = content_lines(&text);
        if !lines.next().is_some_and(|(_, line)| csv_fields(line, b',').iter().eq(HEADER.split(','))) {
            return Err(wrong(1, "this is not the first line of such a table".to_owned()));
        }
        for (line, text) in lines {
            let (name, pose) = row(&csv_fields(text, b',')).map_err(|what| wrong(line, what))?;
            self.0.insert(name, pose);
        }
        Ok(())
    }

    pub fn get(&self, name: &str) -> Option<&Pose> {
        self.0.get(name)
    }
}

fn row(fields: &[String]) -> Result<(String, Pose), String> {
    let [name, numbers @ ..] = fields else { return Err("it is empty".to_owned()) };
    let number = |text: &String| {
        text.parse::<f64>().ok().filter(|v| v.is_finite()).ok_or_else(|| format!("`{text}` is no number"))
    };
    let numbers: Vec<f64> = numbers.iter().map(number).collect::<Result<_, _>>()?;
    let &[lon, lat, height, heading, pitch, fov] = &numbers[..] else {
        return Err(format!("{} fields, wanted 7", fields.len()));
    };
    let within = |v: f64, most: f64, what: &str| {
        (v.abs() <= most).then_some(()).ok_or_else(|| format!("{v} is no {what}"))
    };
    within(lon, 180.0, "longitude")?;
    within(lat, 90.0, "latitude")?;
    within(pitch, 90.0, "pitch")?;
    if !(1.0..=5_000.0).contains(&height) {
        return Err(format!("{height} m above the ground is no flight"));
    }
    if !(5.0..=170.0).contains(&fov) {
        return Err(format!("{fov} degrees are no angle of view"));
    }
    let mut pose = Pose::at(LonLat { lon, lat });
    pose.alt_rel = Some(height);
    (pose.gimbal.heading, pose.gimbal.pitch, pose.gimbal.roll) = (Some(heading), Some(pitch), Some(0.0));
    pose.fov = (Some(fov), None);
    Ok((name.clone(), pose))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_and_a_wrong_line_is_named() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("stills.csv");
        let check = |rows: &str| {
            std::fs::write(&path, format!("{HEADER}\n{rows}\n")).expect("written");
            let mut table = StillTable::default();
            table.read(&path).map(|()| table).map_err(|e| e.to_string())
        };
        let table = check("a.jpg, 120.1, 30.2, 100, 90, -90, 73.7\n").expect("a table");
        assert_eq!(table.get("a.jpg").and_then(|p| p.alt_rel), Some(100.0));
        for (row, what) in [
            ("a.jpg,120.1,30.2,100,90,-90", "6 fields"),
            ("a.jpg,30.2,120.1,100,90,-90,73", "120.1 is no latitude"),
            ("a.jpg,120.1,30.2,high,90,-90,73", "`high` is no number"),
            ("a.jpg,120.1,30.2,0,90,-90,73", "no flight"),
        ] {
            let error = check(row).expect_err(row);
            assert!(error.contains(":2: ") && error.contains(what), "{error}");
        }
    }
}
