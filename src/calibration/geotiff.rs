//! Terrain models from GeoTIFF (OGC 19-008r4): one band of heights, in degrees, UTM or Gauss-Kruger.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::Tag;

use crate::geo::{Dem, DemGrid, GridCrs, GridError, TransverseMercator};

/// Heights of one model, at most: 400 MB in memory.
const MAX_HEIGHTS: u64 = 100_000_000;
/// Of nobody's: lower than the Dead Sea's bed, higher than Everest, and what programs write for "missing".
const POSSIBLE_M: std::ops::RangeInclusive<f32> = -500.0..=9_000.0;

/// Why a terrain model cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("terrain model {}", path.display())]
pub struct DemError {
    path: PathBuf,
    source: DemProblem,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum DemProblem {
    #[error("cannot open it")]
    Open(#[source] std::io::Error),
    /// No source: the error of the TIFF reader says its own cause.
    #[error("it is not a TIFF that can be read: {0}")]
    Tiff(tiff::TiffError),
    #[error(
        "it has no georeference ({0}): a plain picture of heights cannot be placed on the map. Export it as GeoTIFF with its \
         coordinate system"
    )]
    NoReference(&'static str),
    #[error("it is turned or sheared against its coordinate system: `gdalwarp` it to north up")]
    Turned,
    #[error(
        "its coordinate system {0} is not known here: `gdalwarp -t_srs EPSG:4490 IN OUT` makes one that is"
    )]
    System(String),
    #[error("it has {0} bands, a terrain model has one")]
    Bands(usize),
    #[error("{columns} x {rows} heights are more than {MAX_HEIGHTS}: cut out the country around the cameras")]
    TooLarge { columns: u32, rows: u32 },
    #[error(transparent)]
    Grid(#[from] GridError),
}

impl From<tiff::TiffError> for DemProblem {
    fn from(error: tiff::TiffError) -> Self {
        Self::Tiff(error)
    }
}

/// Reads a terrain model into memory.
///
/// # Errors
/// No such file, no TIFF, no georeference, an unknown coordinate system, several bands, no heights.
pub fn load_dem(path: &Path) -> Result<Dem, DemError> {
    read(path).map_err(|source| DemError { path: path.to_path_buf(), source })
}

fn read(path: &Path) -> Result<Dem, DemProblem> {
    let file = File::open(path).map_err(DemProblem::Open)?;
    let mut limits = Limits::default();
    limits.decoding_buffer_size = MAX_HEIGHTS as usize * 8;
    let mut tiff = Decoder::new(BufReader::new(file))?.with_limits(limits);
    let (columns, rows) = tiff.dimensions()?;
    if u64::from(columns) * u64::from(rows) > MAX_HEIGHTS {
        return Err(DemProblem::TooLarge { columns, rows });
    }
    let keys = GeoKeys::read(&mut tiff)?;
    let crs = keys.crs()?;
    let (mut origin, step) = placement(&mut tiff)?;
    if !keys.pixel_is_point() {
        // The reference is to the corner of the first pixel, the height belongs to its middle.
        origin = [origin[0] + step[0] / 2.0, origin[1] + step[1] / 2.0];
    }
    let missing = tiff.find_tag(Tag::GdalNodata)?.and_then(|v| v.into_string().ok());
    let missing = missing.and_then(|text| text.trim_matches(['\0', ' ']).parse::<f64>().ok());
    let heights: Vec<f32> = heights(tiff.read_image()?)
        .map(|h| {
            let absent = missing.is_some_and(|m| h == m) || !POSSIBLE_M.contains(&(h as f32));
            if absent { f32::NAN } else { h as f32 }
        })
        .collect();
    let (columns, rows) = (columns as usize, rows as usize);
    let bands = heights.len() / (columns * rows).max(1);
    if bands > 1 {
        return Err(DemProblem::Bands(bands));
    }
    Ok(Dem::new(DemGrid { columns, rows, heights, origin, step, crs })?)
}

fn heights(read: DecodingResult) -> Box<dyn Iterator<Item = f64>> {
    match read {
        DecodingResult::U8(v) => Box::new(v.into_iter().map(f64::from)),
        DecodingResult::U16(v) => Box::new(v.into_iter().map(f64::from)),
        DecodingResult::U32(v) => Box::new(v.into_iter().map(f64::from)),
        DecodingResult::U64(v) => Box::new(v.into_iter().map(|h| h as f64)),
        DecodingResult::F16(v) => Box::new(v.into_iter().map(f64::from)),
        DecodingResult::F32(v) => Box::new(v.into_iter().map(f64::from)),
        DecodingResult::F64(v) => Box::new(v.into_iter()),
        DecodingResult::I8(v) => Box::new(v.into_iter().map(f64::from)),
        DecodingResult::I16(v) => Box::new(v.into_iter().map(f64::from)),
        DecodingResult::I32(v) => Box::new(v.into_iter().map(f64::from)),
        DecodingResult::I64(v) => Box::new(v.into_iter().map(|h| h as f64)),
    }
}

pub(super) type Reader = Decoder<BufReader<File>>;

fn numbers(tiff: &mut Reader, tag: Tag) -> Result<Option<Vec<f64>>, DemProblem> {
    Ok(tiff.find_tag(tag)?.map(|v| v.into_f64_vec()).transpose()?)
}

/// Where the first pixel is, and how far it is to the next ones.
pub(super) fn placement(tiff: &mut Reader) -> Result<([f64; 2], [f64; 2]), DemProblem> {
    if let Some(m) = numbers(tiff, Tag::ModelTransformationTag)? {
        let &[a, b, _, d, e, f, _, h, ..] = &m[..] else {
            return Err(DemProblem::NoReference("its ModelTransformation is cut short"));
        };
        return if b == 0.0 && e == 0.0 { Ok(([d, h], [a, f])) } else { Err(DemProblem::Turned) };
    }
    let Some(scale) = numbers(tiff, Tag::ModelPixelScaleTag)? else {
        return Err(DemProblem::NoReference("neither ModelPixelScale nor ModelTransformation"));
    };
    let tie = numbers(tiff, Tag::ModelTiepointTag)?.unwrap_or_default();
    let (&[sx, sy, ..], &[i, j, _, x, y, ..]) = (&scale[..], &tie[..]) else {
        return Err(DemProblem::NoReference("no ModelTiepoint"));
    };
    Ok(([x - i * sx, y + j * sy], [sx, -sy]))
}

/// The GeoKeyDirectory.
pub(super) struct GeoKeys {
    /// Key, tag that holds the value (0: the entry itself), value or place in the tag.
    entries: Vec<[u16; 3]>,
    doubles: Vec<f64>,
}

impl GeoKeys {
    pub(super) fn read(tiff: &mut Reader) -> Result<Self, DemProblem> {
        let directory = tiff.find_tag(Tag::GeoKeyDirectoryTag)?.map(|v| v.into_u16_vec()).transpose()?;
        let directory = directory.ok_or(DemProblem::NoReference("no GeoKeyDirectory"))?;
        let entries = directory.chunks_exact(4).skip(1).map(|e| [e[0], e[1], e[3]]).collect();
        let doubles = numbers(tiff, Tag::GeoDoubleParamsTag)?.unwrap_or_default();
        Ok(Self { entries, doubles })
    }

    fn short(&self, key: u16) -> Option<u16> {
        self.entries.iter().find(|e| e[0] == key && e[1] == 0).map(|e| e[2])
    }

    fn double(&self, keys: &[u16]) -> Option<f64> {
        let entry = self.entries.iter().find(|e| keys.contains(&e[0]) && e[1] == 34_736)?;
        self.doubles.get(usize::from(entry[2])).copied()
    }

    pub(super) fn pixel_is_point(&self) -> bool {
        self.short(1025) == Some(2)
    }

    pub(super) fn crs(&self) -> Result<GridCrs, DemProblem> {
        match self.short(1024) {
            Some(2) => match self.short(2048) {
                // WGS-84, CGCS2000, and the code for a datum that is given in words only.
                None | Some(4326 | 4490 | 4979 | 32_767) => Ok(GridCrs::Geographic),
                Some(other) => Err(DemProblem::System(format!("EPSG:{other}"))),
            },
            Some(1) => match self.short(3072) {
                Some(code) if code != 32_767 => zone(code)
                    .map(GridCrs::Projected)
                    .ok_or_else(|| DemProblem::System(format!("EPSG:{code}"))),
                _ => self.user_defined().map(GridCrs::Projected),
            },
            _ => Err(DemProblem::NoReference("its GeoKeys do not say in which coordinates")),
        }
    }

    /// Transverse Mercator whose parameters are written out.
    fn user_defined(&self) -> Result<TransverseMercator, DemProblem> {
        let metres = self.short(3076).is_none_or(|unit| unit == 9001);
        if self.short(3075) != Some(1) || !metres || self.double(&[3081, 3085]).unwrap_or(0.0) != 0.0 {
            return Err(DemProblem::System("(one of its own, not a transverse Mercator in metres)".into()));
        }
        let central_meridian = self
            .double(&[3080, 3084, 3088])
            .ok_or_else(|| DemProblem::System("(a transverse Mercator without a central meridian)".into()))?;
        Ok(TransverseMercator {
            central_meridian,
            scale: self.double(&[3092, 3093]).unwrap_or(1.0),
            false_easting: self.double(&[3082, 3086]).unwrap_or(0.0),
            false_northing: self.double(&[3083, 3087]).unwrap_or(0.0),
        })
    }
}

/// UTM on WGS-84 and Gauss-Kruger on CGCS2000, by EPSG code.
fn zone(code: u16) -> Option<TransverseMercator> {
    let gauss = |first_meridian: u16, width: u16, index: u16, first_prefix: Option<u16>| {
        let prefix = first_prefix.map_or(0, |first| first + index) as u8;
        Some(TransverseMercator::gauss_kruger(f64::from(first_meridian + width * index), prefix))
    };
    match code {
        32_601..=32_660 => Some(TransverseMercator::utm((code - 32_600) as u8, true)),
        32_701..=32_760 => Some(TransverseMercator::utm((code - 32_700) as u8, false)),
        4491..=4501 => gauss(75, 6, code - 4491, Some(13)),
        4502..=4512 => gauss(75, 6, code - 4502, None),
        4513..=4533 => gauss(75, 3, code - 4513, Some(25)),
        4534..=4554 => gauss(75, 3, code - 4534, None),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_name_their_zones() {
        let check = |code: u16, meridian: f64, easting: f64| {
            let zone = zone(code).expect("known");
            assert_eq!((zone.central_meridian, zone.false_easting), (meridian, easting), "EPSG:{code}");
        };
        check(32_651, 123.0, 500_000.0);
        check(4528, 120.0, 40_500_000.0);
        check(4549, 120.0, 500_000.0);
        check(4498, 117.0, 20_500_000.0);
        check(4509, 117.0, 500_000.0);
        assert_eq!(zone(3857), None);
    }
}
