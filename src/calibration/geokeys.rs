//! The georeference of a GeoTIFF (OGC 19-008r4): where its pixels lie, and in which coordinate system.

use tiff::tags::Tag;

use super::raster::{RasterError, Tags};
use crate::geo::{GridCrs, TransverseMercator};

/// Why a raster cannot be placed.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlaceProblem {
    #[error(transparent)]
    Raster(#[from] RasterError),
    #[error(
        "it has no georeference ({0}): a plain picture cannot be placed on the map. Export it as GeoTIFF with its \
         coordinate system"
    )]
    NoReference(&'static str),
    #[error("it is turned or sheared against its coordinate system: `gdalwarp` it to north up")]
    Turned,
    #[error(
        "its coordinate system {0} is not known here: `gdalwarp -t_srs EPSG:4490 IN OUT` makes one that is"
    )]
    System(String),
    #[error(
        "its datum is {0}, which lies up to 100 m from WGS-84 and CGCS2000: `gdalwarp -t_srs EPSG:4490 IN OUT`, with \
         `-s_srs` and the +towgs84 parameters of your county, makes one that is known here"
    )]
    Datum(String),
}

impl From<tiff::TiffError> for PlaceProblem {
    fn from(error: tiff::TiffError) -> Self {
        Self::Raster(error.into())
    }
}

fn numbers(tiff: &mut Tags, tag: Tag) -> Result<Option<Vec<f64>>, PlaceProblem> {
    Ok(tiff.find_tag(tag)?.map(|v| v.into_f64_vec()).transpose()?)
}

/// Where the first pixel is, and how far it is to the next ones.
pub(super) fn placement(tiff: &mut Tags) -> Result<([f64; 2], [f64; 2]), PlaceProblem> {
    if let Some(m) = numbers(tiff, Tag::ModelTransformationTag)? {
        let &[a, b, _, d, e, f, _, h, ..] = &m[..] else {
            return Err(PlaceProblem::NoReference("its ModelTransformation is cut short"));
        };
        return if b == 0.0 && e == 0.0 { Ok(([d, h], [a, f])) } else { Err(PlaceProblem::Turned) };
    }
    let Some(scale) = numbers(tiff, Tag::ModelPixelScaleTag)? else {
        return Err(PlaceProblem::NoReference("neither ModelPixelScale nor ModelTransformation"));
    };
    let tie = numbers(tiff, Tag::ModelTiepointTag)?.unwrap_or_default();
    let (&[sx, sy, ..], &[i, j, _, x, y, ..]) = (&scale[..], &tie[..]) else {
        return Err(PlaceProblem::NoReference("no ModelTiepoint"));
    };
    Ok(([x - i * sx, y + j * sy], [sx, -sy]))
}

/// Keys that hold one code.
mod key {
    pub const MODEL: u16 = 1024;
    pub const RASTER: u16 = 1025;
    pub const GEOGRAPHIC: u16 = 2048;
    pub const DATUM: u16 = 2050;
    pub const PRIME_MERIDIAN: u16 = 2051;
    pub const ANGULAR_UNIT: u16 = 2054;
    pub const ELLIPSOID: u16 = 2056;
    pub const SEMI_MAJOR: u16 = 2057;
    pub const PROJECTED: u16 = 3072;
    pub const PROJECTION: u16 = 3074;
    pub const TRANSFORMATION: u16 = 3075;
    pub const LINEAR_UNIT: u16 = 3076;
    pub const VERTICAL_UNIT: u16 = 4099;
    /// Citations: of the file, the geographic and the projected system.
    pub const WORDS: [u16; 3] = [1026, 2049, 3073];
}

/// The value is written out in other keys.
const OWN: u16 = 32_767;

/// The GeoKeyDirectory.
pub(super) struct GeoKeys {
    /// Key, tag that holds the value (0: the entry itself), count, value or place in the tag.
    entries: Vec<[u16; 4]>,
    doubles: Vec<f64>,
    words: String,
}

impl GeoKeys {
    pub(super) fn read(tiff: &mut Tags) -> Result<Self, PlaceProblem> {
        let directory = tiff.find_tag(Tag::GeoKeyDirectoryTag)?.map(|v| v.into_u16_vec()).transpose()?;
        let directory = directory.ok_or(PlaceProblem::NoReference("no GeoKeyDirectory"))?;
        let entries = directory.chunks_exact(4).skip(1).map(|e| [e[0], e[1], e[2], e[3]]).collect();
        let doubles = numbers(tiff, Tag::GeoDoubleParamsTag)?.unwrap_or_default();
        let words = tiff.find_tag(Tag::GeoAsciiParamsTag)?.and_then(|v| v.into_string().ok());
        Ok(Self { entries, doubles, words: words.unwrap_or_default() })
    }

    fn short(&self, key: u16) -> Option<u16> {
        self.entries.iter().find(|e| e[0] == key && e[1] == 0).map(|e| e[3])
    }

    fn double(&self, keys: &[u16]) -> Option<f64> {
        let entry = self.entries.iter().find(|e| keys.contains(&e[0]) && e[1] == 34_736)?;
        self.doubles.get(usize::from(entry[3])).copied()
    }

    /// What the citations say, in small letters.
    fn citations(&self) -> String {
        let of = |e: &&[u16; 4]| key::WORDS.contains(&e[0]) && e[1] == 34_737;
        let text = |e: &[u16; 4]| self.words.get(usize::from(e[3])..usize::from(e[3]) + usize::from(e[2]));
        self.entries.iter().filter(of).filter_map(text).collect::<Vec<_>>().join(" ").to_lowercase()
    }

    pub(super) fn pixel_is_point(&self) -> bool {
        self.short(key::RASTER) == Some(2)
    }

    /// Metres of one unit of height.
    pub(super) fn vertical_unit(&self) -> Result<f64, PlaceProblem> {
        match self.short(key::VERTICAL_UNIT) {
            None | Some(0 | 9001 | OWN) => Ok(1.0),
            Some(9002) => Ok(0.3048),
            Some(9003) => Ok(1200.0 / 3937.0),
            Some(other) => Err(PlaceProblem::System(format!("(heights in unit EPSG:{other})"))),
        }
    }

    pub(super) fn crs(&self) -> Result<GridCrs, PlaceProblem> {
        match self.short(key::MODEL) {
            Some(2) => {
                self.check_datum()?;
                if !matches!(self.short(key::ANGULAR_UNIT), None | Some(9102 | 9122)) {
                    return Err(PlaceProblem::System("(angles in another unit than degrees)".to_owned()));
                }
                Ok(GridCrs::Geographic)
            }
            Some(1) => match self.short(key::PROJECTED) {
                Some(code) if code != OWN => match zone(code) {
                    Some(zone) => Ok(GridCrs::Projected(zone)),
                    None => Err(match old_datum_of_projected(code) {
                        Some(name) => PlaceProblem::Datum(format!("{name} (EPSG:{code})")),
                        None => PlaceProblem::System(format!("EPSG:{code}")),
                    }),
                },
                _ => {
                    self.check_datum()?;
                    self.user_defined().map(GridCrs::Projected)
                }
            },
            _ => Err(PlaceProblem::NoReference("its GeoKeys do not say in which coordinates")),
        }
    }

    /// Fails unless the datum is WGS-84, CGCS2000 or one that is within centimetres of them; one that is not
    /// said at all is taken for them.
    fn check_datum(&self) -> Result<(), PlaceProblem> {
        let named = |name: &str, code: u16| Err(PlaceProblem::Datum(format!("{name} (EPSG:{code})")));
        if !matches!(self.short(key::PRIME_MERIDIAN), None | Some(8901)) {
            return Err(PlaceProblem::System("(with a prime meridian of its own)".to_owned()));
        }
        match self.short(key::GEOGRAPHIC) {
            Some(4326 | 4490 | 4979 | 4480) => return Ok(()),
            Some(code @ 4214) => return named(BEIJING, code),
            Some(code @ 4610) => return named(XIAN, code),
            Some(code @ 4555) => return named(NEW_BEIJING, code),
            None | Some(OWN) => {}
            Some(other) => return Err(PlaceProblem::System(format!("EPSG:{other}"))),
        }
        match self.short(key::DATUM) {
            Some(6326 | 1043) => return Ok(()),
            Some(code @ 6214) => return named(BEIJING, code),
            Some(code @ 6610) => return named(XIAN, code),
            Some(code @ 1045) => return named(NEW_BEIJING, code),
            None | Some(OWN) => {}
            Some(other) => return Err(PlaceProblem::Datum(format!("EPSG:{other}"))),
        }
        let unnamed = |name: &str| Err(PlaceProblem::Datum(name.to_owned()));
        let words = self.citations();
        if ["beijing", "krass", "北京"].iter().any(|word| words.contains(word)) {
            return unnamed(BEIJING);
        }
        if ["xian", "xi'an", "xi_an", "iag 1975", "iag_1975", "西安"].iter().any(|word| words.contains(word))
        {
            return unnamed(XIAN);
        }
        match self.short(key::ELLIPSOID) {
            // WGS-84, GRS 1980, CGCS2000.
            None | Some(7030 | 7019 | 1024 | OWN) => {}
            Some(7024) => return unnamed(BEIJING),
            Some(7049) => return unnamed(XIAN),
            Some(other) => return Err(PlaceProblem::Datum(format!("on the ellipsoid EPSG:{other}"))),
        }
        match self.double(&[key::SEMI_MAJOR]) {
            Some(axis) if (axis - 6_378_245.0).abs() < 0.5 => unnamed(BEIJING),
            Some(axis) if (axis - 6_378_140.0).abs() < 0.5 => unnamed(XIAN),
            Some(axis) if (axis - 6_378_137.0).abs() > 0.5 => {
                unnamed(&format!("on an ellipsoid of {axis} m"))
            }
            _ => Ok(()),
        }
    }

    /// Transverse Mercator whose parameters are written out, or that is a numbered UTM zone.
    fn user_defined(&self) -> Result<TransverseMercator, PlaceProblem> {
        let metres = self.short(key::LINEAR_UNIT).is_none_or(|unit| unit == 9001);
        match self.short(key::PROJECTION) {
            Some(code @ 16_001..=16_060) if metres => {
                return Ok(TransverseMercator::utm((code - 16_000) as u8, true));
            }
            Some(code @ 16_101..=16_160) if metres => {
                return Ok(TransverseMercator::utm((code - 16_100) as u8, false));
            }
            _ => {}
        }
        let origin = self.double(&[3081, 3085, 3089]).unwrap_or(0.0);
        if self.short(key::TRANSFORMATION) != Some(1) || !metres || origin != 0.0 {
            return Err(PlaceProblem::System("(one of its own, not a transverse Mercator in metres)".into()));
        }
        let central_meridian = self.double(&[3080, 3084, 3088]).ok_or_else(|| {
            PlaceProblem::System("(a transverse Mercator without a central meridian)".into())
        })?;
        Ok(TransverseMercator {
            central_meridian,
            scale: self.double(&[3092, 3093]).unwrap_or(1.0),
            false_easting: self.double(&[3082, 3086]).unwrap_or(0.0),
            false_northing: self.double(&[3083, 3087]).unwrap_or(0.0),
        })
    }
}

const BEIJING: &str = "Beijing 1954";
const NEW_BEIJING: &str = "New Beijing";
const XIAN: &str = "Xian 1980";

/// The datum of Gauss-Kruger zones of the time before CGCS2000, by EPSG code.
fn old_datum_of_projected(code: u16) -> Option<&'static str> {
    match code {
        2327..=2390 => Some(XIAN),
        2401..=2442 | 21_413..=21_423 | 21_453..=21_463 => Some(BEIJING),
        4568..=4589 | 4652..=4656 | 4766..=4800 => Some(NEW_BEIJING),
        _ => None,
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

    /// A transverse Mercator on 120.5 degrees with these keys besides; negative values are doubles.
    fn keys(own: &[(u16, u16)], axis: Option<f64>, words: &str) -> Result<GridCrs, String> {
        let mut entries = vec![[1024, 0, 1, 1], [3072, 0, 1, OWN], [3075, 0, 1, 1], [3076, 0, 1, 9001]];
        entries.push([3080, 34_736, 1, 0]);
        entries.extend(own.iter().map(|(key, code)| [*key, 0, 1, *code]));
        entries.extend(axis.map(|_| [key::SEMI_MAJOR, 34_736, 1, 1]));
        entries.push([2049, 34_737, words.len() as u16, 0]);
        let keys = GeoKeys { entries, doubles: vec![120.5, axis.unwrap_or(0.0)], words: words.to_owned() };
        keys.crs().map_err(|e| e.to_string())
    }

    #[test]
    fn the_datum_of_an_own_projection_is_asked_for() {
        for right in [
            keys(&[(2048, 4490)], None, ""),
            keys(&[(2048, 4326)], None, ""),
            keys(&[(2048, OWN), (2050, 1043)], None, "China Geodetic Coordinate System 2000|"),
            keys(&[(2048, OWN)], Some(6_378_137.0), "GCS Name = unknown|"),
            keys(&[], None, ""),
        ] {
            assert!(matches!(right, Ok(GridCrs::Projected(tm)) if tm.central_meridian == 120.5), "{right:?}");
        }
        for (wrong, name) in [
            (keys(&[(2048, 4214)], None, ""), "Beijing 1954 (EPSG:4214)"),
            (keys(&[(2048, 4610)], None, ""), "Xian 1980 (EPSG:4610)"),
            (keys(&[(2048, OWN), (2050, 6214)], None, ""), "Beijing 1954"),
            (keys(&[(2048, OWN)], Some(6_378_245.0), ""), "Beijing 1954"),
            (keys(&[(2048, OWN), (2056, 7049)], None, ""), "Xian 1980"),
            (keys(&[(2048, OWN)], None, "GCS_Xian_1980|"), "Xian 1980"),
            (keys(&[(2048, OWN)], Some(6_377_397.155), ""), "6377397.155"),
            (keys(&[(2048, 4612)], None, ""), "EPSG:4612"),
            (keys(&[(2048, 4490), (2051, 8903)], None, ""), "prime meridian"),
        ] {
            let wrong = wrong.expect_err(name);
            assert!(wrong.contains(name) && wrong.contains("EPSG:4490"), "{wrong}");
        }
    }

    #[test]
    fn zones_of_old_datums_are_named_and_numbered_utm_is_known() {
        let crs = |entries: &[[u16; 4]]| {
            GeoKeys { entries: entries.to_vec(), doubles: Vec::new(), words: String::new() }.crs()
        };
        for (code, name) in [(2437, BEIJING), (2385, XIAN), (21_420, BEIJING), (4796, NEW_BEIJING)] {
            let error = crs(&[[1024, 0, 1, 1], [3072, 0, 1, code]]).expect_err("old").to_string();
            assert!(error.contains(name) && error.contains(&code.to_string()), "{error}");
        }
        let utm = [[1024, 0, 1, 1], [2048, 0, 1, 4490], [3072, 0, 1, OWN], [3074, 0, 1, 16_051]];
        assert_eq!(
            crs(&utm).expect("UTM on CGCS2000"),
            GridCrs::Projected(TransverseMercator::utm(51, true))
        );
    }
}
