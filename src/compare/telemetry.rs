//! Poses of stills from a table, for drones whose stills carry no XMP.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::base::{content_lines, read_text, table_fields, table_number};
use crate::drone::{LonLat, Pose};

/// First line of the table, in any order; `fov_deg` is the horizontal angle of view and may be left out.
const HEADER: &str = "name,lon,lat,height_m,heading_deg,pitch_deg,fov_deg";

/// What spreadsheets and people call these columns.
const COLUMNS: [&[&str]; 7] = [
    &["name", "file", "filename", "image", "文件名", "文件", "照片", "名称"],
    &["lon", "longitude", "lng", "经度"],
    &["lat", "latitude", "纬度"],
    &["height_m", "height", "rel_alt", "高度", "相对高度", "航高"],
    &["heading_deg", "heading", "yaw", "航向", "航向角", "偏航角"],
    &["pitch_deg", "pitch", "俯仰", "俯仰角"],
    &["fov_deg", "fov", "hfov", "视场角", "水平视场角"],
];

#[derive(Debug, thiserror::Error)]
pub enum TableError {
    #[error("cannot read {}", .path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{}:{line}: {what}; the first line is `{HEADER}`, every other line describes a still", .path.display())]
    Line { path: PathBuf, line: usize, what: String },
    #[error(
        "{name} stands in {first} and, with another pose, in {second}: give each flight a table of its own, with \
         --telemetry-before and --telemetry-after"
    )]
    Twice { name: String, first: String, second: String },
}

#[derive(Clone, Debug)]
struct Entry {
    pose: Pose,
    /// File and line.
    place: String,
}

/// Poses of one flight's stills by file name.
#[derive(Clone, Debug, Default)]
pub struct StillTable(BTreeMap<String, Entry>);

impl StillTable {
    /// Adds the stills of a CSV file.
    ///
    /// # Errors
    /// The file cannot be read, a line does not describe a still, or a still has another pose already.
    pub fn read(&mut self, path: &Path) -> Result<(), TableError> {
        let io = |source| TableError::Io { path: path.to_path_buf(), source };
        let text = read_text(path).map_err(io)?;
        let wrong = |line: usize, what: String| TableError::Line { path: path.to_path_buf(), line, what };
        let mut lines = content_lines(&text);
        let (first, header) = lines.next().ok_or_else(|| wrong(1, "the table is empty".to_owned()))?;
        let order = Order::of(&table_fields(header)).map_err(|what| wrong(first, what))?;
        for (line, text) in lines {
            let (name, pose) = order.row(&table_fields(text)).map_err(|what| wrong(line, what))?;
            let place = format!("{}:{line}", path.display());
            match self.0.get(&name) {
                Some(known) if known.pose != pose => {
                    let first = known.place.clone();
                    return Err(TableError::Twice { name, first, second: place });
                }
                Some(_) => {}
                None => drop(self.0.insert(name, Entry { pose, place })),
            }
        }
        Ok(())
    }

    pub fn get(&self, name: &str) -> Option<&Pose> {
        self.0.get(name).map(|entry| &entry.pose)
    }

    /// File and line of a still.
    pub fn place(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|entry| entry.place.as_str())
    }
}

/// The index of each column.
struct Order([Option<usize>; 7]);

impl Order {
    fn of(header: &[String]) -> Result<Self, String> {
        let find = |names: &&[&str]| header.iter().position(|f| names.contains(&f.to_lowercase().as_str()));
        let order = COLUMNS.each_ref().map(find);
        match order[..6].iter().position(Option::is_none) {
            None => Ok(Self(order)),
            Some(missing) => {
                Err(format!("the first line of the table names no column `{}`", COLUMNS[missing][0]))
            }
        }
    }

    fn row(&self, fields: &[String]) -> Result<(String, Pose), String> {
        let text = |column: usize| self.0[column].and_then(|i| fields.get(i)).filter(|f| !f.is_empty());
        let number = |column: usize| {
            let called = COLUMNS[column][0];
            let text = text(column).ok_or_else(|| format!("`{called}` is missing"))?;
            table_number(text).ok_or_else(|| format!("{called} `{text}` is no number"))
        };
        let name = text(0).ok_or("the name of the still is missing")?;
        let (lon, lat, height) = (number(1)?, number(2)?, number(3)?);
        let (heading, pitch) = (number(4)?, number(5)?);
        let fov = text(6).map(|_| number(6)).transpose()?;
        let within = |v: f64, most: f64, what: &str| {
            (v.abs() <= most).then_some(()).ok_or_else(|| format!("{v} is no {what}"))
        };
        within(lon, 180.0, "longitude")?;
        within(lat, 90.0, "latitude")?;
        within(pitch, 90.0, "pitch")?;
        if !(1.0..=5_000.0).contains(&height) {
            return Err(format!("{height} m above the ground is no flight"));
        }
        if let Some(fov) = fov.filter(|fov| !(5.0..=170.0).contains(fov)) {
            return Err(format!("{fov} degrees are no angle of view"));
        }
        let mut pose = Pose::at(LonLat { lon, lat });
        pose.alt_rel = Some(height);
        (pose.gimbal.heading, pose.gimbal.pitch, pose.gimbal.roll) = (Some(heading), Some(pitch), Some(0.0));
        pose.fov = (fov, None);
        Ok((name.clone(), pose))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &[u8]) -> Result<StillTable, String> {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("stills.csv");
        std::fs::write(&path, text).expect("written");
        let mut table = StillTable::default();
        table.read(&path).map(|()| table).map_err(|e| crate::base::error_chain(&e))
    }

    #[test]
    fn a_table_is_read_and_a_wrong_line_is_named() {
        let rows = |rows: &str| check(format!("{HEADER}\n{rows}\n").as_bytes());
        let table = rows("a.jpg, 120.1, 30.2, 100, 90, -90, 73.7\n").expect("a table");
        assert_eq!(table.get("a.jpg").and_then(|p| p.alt_rel), Some(100.0));
        for (row, what) in [
            ("a.jpg,120.1,30.2,100,90", "`pitch_deg` is missing"),
            ("a.jpg,30.2,120.1,100,90,-90,73", "120.1 is no latitude"),
            ("a.jpg,120.1,30.2,high,90,-90,73", "height_m `high` is no number"),
            ("a.jpg,120.1,30.2,0,90,-90,73", "no flight"),
        ] {
            let error = rows(row).expect_err(row);
            assert!(error.contains(":2: ") && error.contains(what), "{error}");
        }
        let error = check(b"name,lon,height_m\na,1,2\n").expect_err("no latitude");
        assert!(error.contains(":1: ") && error.contains("no column `lat`"), "{error}");
    }

    #[test]
    fn tables_of_spreadsheets_and_people_are_read() {
        let plain = "name,lon,lat,height_m,heading_deg,pitch_deg,fov_deg\na.jpg,120.1,30.2,100,90,-90,73.7\n";
        let chinese =
            "文件名，经度，纬度，高度，航向角，俯仰角，视场角\na.jpg，120.1，30.2，100米，90°，-90，73.7\n";
        let tables = [
            plain.as_bytes().to_vec(),
            [b"\xef\xbb\xbf", plain.as_bytes()].concat(),
            plain.replace(',', ", ").into_bytes(),
            plain.replace(',', ";").into_bytes(),
            plain.replace('\n', ",,\r\n").into_bytes(),
            chinese.as_bytes().to_vec(),
            encoding_rs::GBK.encode(chinese).0.into_owned(),
            [&[0xff, 0xfe][..], &chinese.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()]
                .concat(),
        ];
        for table in tables {
            let shown = String::from_utf8_lossy(&table).into_owned();
            let read = check(&table).unwrap_or_else(|e| panic!("{e}: {shown}"));
            let pose = read.get("a.jpg").unwrap_or_else(|| panic!("{shown}"));
            assert_eq!(
                (pose.position.lon, pose.alt_rel, pose.fov.0),
                (120.1, Some(100.0), Some(73.7)),
                "{shown}"
            );
        }
        let mut cut = chinese.as_bytes().to_vec();
        cut.remove(0);
        let damaged = check(&cut).expect_err("damaged");
        assert!(damaged.contains("line 1") && damaged.contains("UTF-8"), "{damaged}");
    }

    #[test]
    fn a_still_with_two_poses_is_refused() {
        let twice =
            |second: &str| check(format!("{HEADER}\na.jpg,120.1,30.2,100,90,-90,73\n{second}\n").as_bytes());
        assert!(twice("a.jpg,120.1,30.2,100,90,-90,73").is_ok(), "the same twice");
        let error = twice("a.jpg,120.2,30.2,100,90,-90,73").expect_err("another pose");
        assert!(
            error.contains(":2 and") && error.contains(":3") && error.contains("--telemetry-before"),
            "{error}"
        );
    }
}
