//! The EXIF of stills (CIPA DC-008): lens, size, and where the picture was taken.

use super::LonLat;
use crate::base::WallTime;

/// What the picture says of itself; `None` where it says nothing that can be.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Exif {
    pub model: String,
    pub position: Option<LonLat>,
    /// Above the sea, metres.
    pub altitude: Option<f64>,
    /// Of the optical axis, clockwise from true north, degrees.
    pub heading: Option<f64>,
    pub at: Option<WallTime>,
    pub focal_mm: Option<f64>,
    /// On film of 36 by 24 mm.
    pub focal_35mm: Option<f64>,
    pub digital_zoom: Option<f64>,
    /// Width of the sensor by its pixels' pitch, millimetres.
    pub sensor_mm: Option<f64>,
    /// Width and height of the picture as it was taken, pixels.
    pub size: Option<[f64; 2]>,
}

/// In front of the EXIF in its APP1 segment.
pub(super) const HEADER: &[u8] = b"Exif\0\0";

mod tag {
    pub const MODEL: u16 = 0x0110;
    pub const EXIF: u16 = 0x8769;
    pub const GPS: u16 = 0x8825;
    pub const FOCAL: u16 = 0x920a;
    pub const WIDTH: u16 = 0xa002;
    pub const HEIGHT: u16 = 0xa003;
    pub const PLANE_RESOLUTION: u16 = 0xa20e;
    pub const PLANE_UNIT: u16 = 0xa210;
    pub const ZOOM: u16 = 0xa404;
    pub const FOCAL_35MM: u16 = 0xa405;
}

/// Reads the TIFF structure behind [`HEADER`]. What is damaged is left out.
pub(super) fn parse(tiff: &[u8]) -> Exif {
    let mut exif = Exif::default();
    let Some(reader) = Reader::new(tiff) else { return exif };
    let main = reader.directory(reader.u32(4));
    exif.model = main.text(tag::MODEL).unwrap_or_default();
    let shot = reader.directory(main.number(tag::EXIF).map(|at| at as u32));
    let above_zero = |v: &f64| *v > 0.0 && v.is_finite();
    exif.focal_mm = shot.number(tag::FOCAL).filter(above_zero);
    exif.focal_35mm = shot.number(tag::FOCAL_35MM).filter(above_zero);
    exif.digital_zoom = shot.number(tag::ZOOM).filter(above_zero);
    let size = (shot.number(tag::WIDTH).filter(above_zero), shot.number(tag::HEIGHT).filter(above_zero));
    exif.size = size.0.zip(size.1).map(|(width, height)| [width, height]);
    exif.sensor_mm = exif.size.and_then(|[width, _]| {
        let millimetres = match shot.number(tag::PLANE_UNIT).map_or(2, |unit| unit as u32) {
            3 => 10.0,
            4 => 1.0,
            _ => 25.4,
        };
        let a_unit = shot.number(tag::PLANE_RESOLUTION).filter(above_zero)?;
        Some(width / a_unit * millimetres).filter(|mm| (2.0..=60.0).contains(mm))
    });
    let gps = reader.directory(main.number(tag::GPS).map(|at| at as u32));
    exif.position = position(&gps);
    let below = gps.number(5) == Some(1.0);
    exif.altitude = gps.number(6).filter(|a| a.is_finite()).map(|a| if below { -a } else { a });
    let magnetic = gps.text(0x10).is_some_and(|r| r.starts_with('M'));
    exif.heading = gps.number(0x11).filter(|h| !magnetic && (0.0..=360.0).contains(h));
    exif.at = moment(&gps);
    exif
}

fn position(gps: &Directory<'_>) -> Option<LonLat> {
    let angle = |letter: u16, value: u16, negative: char| {
        let &[degrees, minutes, seconds] = &gps.numbers(value)[..] else { return None };
        let degrees = degrees + minutes / 60.0 + seconds / 3600.0;
        let turned = gps.text(letter)?.to_ascii_uppercase().starts_with(negative);
        degrees.is_finite().then_some(if turned { -degrees } else { degrees })
    };
    Some(LonLat { lat: angle(1, 2, 'S')?, lon: angle(3, 4, 'W')? })
}

/// GPSDateStamp and GPSTimeStamp, which are UTC.
fn moment(gps: &Directory<'_>) -> Option<WallTime> {
    let date = gps.text(0x1d)?.replacen(':', "-", 2);
    let &[hour, minute, second] = &gps.numbers(7)[..] else { return None };
    let text = format!("{date}T{:02}:{:02}:{:06.3}Z", hour as u32, minute as u32, second);
    text.parse::<jiff::Timestamp>().ok().map(WallTime::from)
}

/// Bytes in the order of the file.
#[derive(Clone, Copy)]
struct Reader<'a> {
    bytes: &'a [u8],
    little: bool,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Option<Self> {
        match bytes.get(..4)? {
            b"II*\0" => Some(Self { bytes, little: true }),
            b"MM\0*" => Some(Self { bytes, little: false }),
            _ => None,
        }
    }

    fn u16(&self, at: usize) -> Option<u16> {
        let two = self.bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if self.little { u16::from_le_bytes(two) } else { u16::from_be_bytes(two) })
    }

    fn u32(&self, at: usize) -> Option<u32> {
        let four = self.bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if self.little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) })
    }

    fn f64(&self, at: usize) -> Option<f64> {
        let eight = self.bytes.get(at..at.checked_add(8)?)?.try_into().ok()?;
        Some(if self.little { f64::from_le_bytes(eight) } else { f64::from_be_bytes(eight) })
    }

    /// Empty where there is none.
    fn directory(self, at: Option<u32>) -> Directory<'a> {
        let at = at.map_or(usize::MAX, |at| at as usize);
        Directory { reader: self, at, count: usize::from(self.u16(at).unwrap_or(0)) }
    }
}

struct Directory<'a> {
    reader: Reader<'a>,
    at: usize,
    count: usize,
}

/// Values of one tag, at most: no tag that counts here has more.
const MOST_VALUES: usize = 64;

impl Directory<'_> {
    /// Type, count and place of a tag's values.
    fn find(&self, tag: u16) -> Option<(u16, usize, usize)> {
        let mut entries = (0..self.count).map(|i| self.at + 2 + 12 * i);
        let entry = entries.find(|at| self.reader.u16(*at) == Some(tag))?;
        let (kind, count) = (self.reader.u16(entry + 2)?, self.reader.u32(entry + 4)? as usize);
        let count = count.min(MOST_VALUES);
        let inside = count * width(kind) <= 4;
        let at = if inside { entry + 8 } else { self.reader.u32(entry + 8)? as usize };
        Some((kind, count, at))
    }

    fn number(&self, tag: u16) -> Option<f64> {
        self.numbers(tag).first().copied()
    }

    fn numbers(&self, tag: u16) -> Vec<f64> {
        let Some((kind, count, at)) = self.find(tag) else { return Vec::new() };
        let value = |i: usize| {
            let (reader, at) = (&self.reader, at.checked_add(i * width(kind))?);
            let ratio = |a: f64, b: f64| (b != 0.0).then_some(a / b);
            match kind {
                1 | 7 => reader.bytes.get(at).copied().map(f64::from),
                3 => reader.u16(at).map(f64::from),
                4 => reader.u32(at).map(f64::from),
                5 => ratio(reader.u32(at)?.into(), reader.u32(at + 4)?.into()),
                9 => reader.u32(at).map(|v| f64::from(v as i32)),
                10 => ratio((reader.u32(at)? as i32).into(), (reader.u32(at + 4)? as i32).into()),
                12 => reader.f64(at),
                _ => None,
            }
        };
        (0..count).map_while(value).collect()
    }

    fn text(&self, tag: u16) -> Option<String> {
        let (2, count, at) = self.find(tag)? else { return None };
        let bytes = self.reader.bytes.get(at..at.checked_add(count)?)?;
        Some(String::from_utf8_lossy(bytes).trim_end_matches(['\0', ' ']).to_owned())
    }
}

/// Bytes of one value of a type.
fn width(kind: u16) -> usize {
    match kind {
        3 | 8 => 2,
        4 | 9 | 11 => 4,
        5 | 10 | 12 => 8,
        _ => 1,
    }
}

/// Width in millimetres of the sensor of a camera, from data sheets; `None` for a camera that is not known.
pub(super) fn sensor_width_mm(model: &str) -> Option<f64> {
    const SENSORS: [(&str, f64); 30] = [
        // 1/2.3 inch: Phantom 3 and 4, Inspire 1, Mavic Pro, Air and Mini.
        ("FC200", 6.17),
        ("FC220", 6.17),
        ("FC230", 6.17),
        ("FC300C", 6.17),
        ("FC300S", 6.17),
        ("FC300X", 6.17),
        ("FC330", 6.17),
        ("FC350", 6.17),
        ("FC2103", 6.17),
        ("FC2403", 6.17),
        ("FC7203", 6.17),
        ("FC7303", 6.17),
        ("FC2204", 6.17),
        // 1/2 inch: Air 2, and the wide cameras of Mavic 3 Thermal and Matrice 30.
        ("FC3170", 6.4),
        ("M3T", 6.4),
        ("M30T", 6.4),
        ("M30", 6.4),
        // 1/1.3 inch: Mini 3 Pro, Mini 4 Pro, Air 3.
        ("FC3582", 9.7),
        ("FC8482", 9.7),
        ("FC8282", 9.7),
        // 1 inch: Phantom 4 Pro and RTK, Mavic 2 Pro, Air 2S.
        ("FC6310", 13.2),
        ("FC6310R", 13.2),
        ("FC6310S", 13.2),
        ("L1D-20C", 13.2),
        ("FC3411", 13.2),
        // 4/3 inch: Mavic 3, Zenmuse X5S.
        ("L2D-20C", 17.3),
        ("M3E", 17.3),
        ("FC6520", 17.3),
        ("FC550", 17.3),
        // Full frame.
        ("ZENMUSEP1", 35.9),
    ];
    let model = model.trim().to_uppercase();
    SENSORS.iter().find(|(name, _)| *name == model).map(|(_, width)| *width)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// One value of a tag: its type, and its bytes in big-endian order.
    type Entry = (u16, u16, Vec<u8>);

    fn rational(values: &[(u32, u32)]) -> Vec<u8> {
        values.iter().flat_map(|(a, b)| [a.to_be_bytes(), b.to_be_bytes()].concat()).collect()
    }

    fn directory(entries: &[Entry], at: usize) -> Vec<u8> {
        let (mut head, mut tail) =
            (u16::try_from(entries.len()).expect("few").to_be_bytes().to_vec(), Vec::new());
        let after = at + 2 + 12 * entries.len() + 4;
        for (tag, kind, value) in entries {
            let count = u32::try_from(value.len() / width(*kind)).expect("few");
            head.extend([&tag.to_be_bytes()[..], &kind.to_be_bytes(), &count.to_be_bytes()].concat());
            if value.len() <= 4 {
                head.extend(value.iter().copied().chain([0; 4]).take(4));
            } else {
                head.extend(u32::try_from(after + tail.len()).expect("short").to_be_bytes());
                tail.extend(value);
            }
        }
        [head, vec![0; 4], tail].concat()
    }

    /// EXIF of a still at 30.2747 N 120.156 E, 96 m above the sea.
    pub(in crate::drone) fn sample(model: &str, shot: &[Entry]) -> Vec<u8> {
        let gps = [
            (1, 2, b"N\0".to_vec()),
            (2, 5, rational(&[(30, 1), (16, 1), (2892, 100)])),
            (3, 2, b"E\0".to_vec()),
            (4, 5, rational(&[(120, 1), (9, 1), (216, 10)])),
            (5, 1, vec![0]),
            (6, 5, rational(&[(96, 1)])),
        ];
        let pointer = |at: usize| u32::try_from(at).expect("short").to_be_bytes().to_vec();
        let name = [model.as_bytes(), b"\0\0\0\0\0"].concat();
        let main = |shot_at, gps_at| {
            directory(
                &[(0x110, 2, name.clone()), (tag::EXIF, 4, pointer(shot_at)), (tag::GPS, 4, pointer(gps_at))],
                8,
            )
        };
        let shot_at = 8 + main(0, 0).len();
        let shot = directory(shot, shot_at);
        let gps_at = shot_at + shot.len();
        [b"MM\0*\0\0\0\x08".to_vec(), main(shot_at, gps_at), shot, directory(&gps, gps_at)].concat()
    }

    #[test]
    fn place_and_lens_are_read() {
        let shot = [
            (tag::FOCAL, 5, rational(&[(361, 100)])),
            (tag::WIDTH, 4, 4000u32.to_be_bytes().to_vec()),
            (tag::HEIGHT, 4, 3000u32.to_be_bytes().to_vec()),
            (tag::FOCAL_35MM, 3, 20u16.to_be_bytes().to_vec()),
        ];
        let exif = parse(&sample("FC330", &shot));
        let at = exif.position.expect("a position");
        assert!((at.lat - 30.2747).abs() < 1e-7 && (at.lon - 120.156).abs() < 1e-7, "{at:?}");
        assert_eq!(
            (exif.altitude, exif.focal_35mm, exif.size),
            (Some(96.0), Some(20.0), Some([4000.0, 3000.0]))
        );
        assert_eq!(sensor_width_mm(&exif.model), Some(6.17));
        assert!((exif.focal_mm.expect("a focal length") - 3.61).abs() < 1e-9);
    }

    #[test]
    fn damaged_exif_says_nothing_and_panics_nowhere() {
        let whole = sample("FC330", &[(tag::FOCAL_35MM, 3, vec![0, 20])]);
        for length in 0..whole.len() {
            let _ = parse(&whole[..length]);
        }
        for i in 0..whole.len() {
            let mut bent = whole.clone();
            bent[i] = 0xff;
            let _ = parse(&bent);
        }
        assert_eq!(parse(b"no TIFF"), Exif::default());
    }
}
