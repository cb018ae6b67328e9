//! A still of a drone: where it was taken, where the gimbal looked, and with which lens.
//!
//! DJI's XMP comes first, and EXIF fills what it lacks: older and cheaper models write position and lens there
//! only.

use super::check::Checker;
use super::exif::{self, Exif};
use super::xmp::{self, Xmp, XmpError};
use super::{Angles, Fault, Pose};

/// Metadata of a still.
#[derive(Clone, Debug, PartialEq)]
pub struct Still {
    pub pose: Pose,
    pub lens: StillLens,
}

/// What a still says of its lens; the focal length on film is in the pose.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StillLens {
    /// Focal length in pixels of the still as it was taken, where the camera was calibrated.
    pub focal_px: Option<f64>,
    /// Twice the calibrated optical centre: the size of the still as it was taken, within a few pixels.
    pub calibrated: Option<TakenSize>,
    /// Size as it was taken by EXIF, which some programs keep and others adjust.
    pub taken: Option<TakenSize>,
    /// Focal length as a share of the sensor's width.
    pub share: Option<f64>,
}

/// Size in pixels of a still as it was taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TakenSize {
    pub width: f64,
    pub height: Option<f64>,
}

#[derive(Debug, thiserror::Error, PartialEq)]
pub enum StillError {
    #[error("it is no JPEG")]
    NotJpeg,
    #[error(
        "it has neither XMP nor EXIF; was it edited or sent by a messenger, which strip them? Take the file from the \
         drone's card"
    )]
    None,
    #[error(
        "it has no position, neither in its XMP (drone-dji) nor in its EXIF: there were no satellites, or it is no \
         still of a drone. A table can give it: `lintel compare --telemetry`"
    )]
    NoPosition,
    #[error(transparent)]
    Xmp(#[from] XmpError),
    #[error("its metadata cannot be right")]
    Fault(#[from] Fault),
}

impl Still {
    /// A still whose pose is known from elsewhere.
    pub fn at(pose: Pose) -> Self {
        Self { pose, lens: StillLens::default() }
    }

    /// Reads the metadata of a JPEG.
    ///
    /// # Errors
    /// No JPEG, no metadata in it, damaged XMP, no position, or one that cannot be.
    pub fn read(jpeg: &[u8]) -> Result<Self, StillError> {
        let segments = segments(jpeg)?;
        if segments.xmp.is_none() && segments.exif.is_none() {
            return Err(StillError::None);
        }
        let exif = segments.exif.map(exif::parse).unwrap_or_default();
        let xmp = segments.xmp.map(xmp::parse).transpose()?.unwrap_or_default();
        let position = xmp.position().filter(|p| p.lon != 0.0 || p.lat != 0.0).or(exif.position);
        let set = |angles: Angles| if angles.is_unset() { Angles::default() } else { angles };
        let mut gimbal = set(xmp.gimbal);
        gimbal.heading = gimbal.heading.or(exif.heading);
        let pose = Pose {
            at: xmp.at.or(exif.at),
            alt_abs: xmp.alt_abs.or(exif.altitude),
            alt_rel: xmp.alt_rel,
            platform: set(xmp.flight),
            gimbal,
            focal_35mm: exif.focal_35mm,
            step: 1e-7,
            ..Pose::at(position.ok_or(StillError::NoPosition)?)
        };
        match Checker::new(None).check(&pose)? {
            true => Ok(Self { pose, lens: StillLens::of(&xmp, &exif) }),
            false => Err(StillError::NoPosition),
        }
    }
}

impl StillLens {
    fn of(xmp: &Xmp, exif: &Exif) -> Self {
        let sensor = exif.sensor_mm.or_else(|| exif::sensor_width_mm(&exif.model));
        let (across, down) = xmp.centre();
        let share = exif.focal_mm.zip(sensor).map(|(focal, sensor)| focal / sensor);
        Self {
            focal_px: xmp.focal_px.filter(|f| *f > 0.0),
            calibrated: across.map(|x| TakenSize { width: 2.0 * x, height: down.map(|y| 2.0 * y) }),
            taken: exif.size.map(|[width, height]| TakenSize { width, height: Some(height) }),
            share: share.map(|share| share * exif.digital_zoom.unwrap_or(1.0)),
        }
    }
}

#[derive(Default)]
struct Segments<'a> {
    xmp: Option<&'a [u8]>,
    exif: Option<&'a [u8]>,
}

/// The first XMP and the first EXIF of a JPEG: segments up to the picture itself are walked.
fn segments(jpeg: &[u8]) -> Result<Segments<'_>, StillError> {
    let Some(mut rest) = jpeg.strip_prefix(&[0xff, 0xd8]) else { return Err(StillError::NotJpeg) };
    let mut found = Segments::default();
    while let [0xff, marker, tail @ ..] = rest {
        match marker {
            // Fill bytes.
            0xff => rest = &rest[1..],
            // The picture begins, or the file ends.
            0xda | 0xd9 => break,
            _ => {
                let [high, low, ..] = tail else { break };
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                let Some(segment) = tail.get(2..length) else { break };
                if *marker == 0xe1 {
                    found.xmp = found.xmp.or_else(|| segment.strip_prefix(xmp::HEADER));
                    found.exif = found.exif.or_else(|| segment.strip_prefix(exif::HEADER));
                }
                rest = &tail[length..];
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::LonLat;
    use super::*;

    const XMP: &str = xmp::tests::GOOD;

    fn jpeg(parts: &[(&[u8], &[u8])]) -> Vec<u8> {
        let mut file = vec![0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2];
        for (header, content) in parts {
            let length = u16::try_from(header.len() + content.len() + 2).expect("short").to_be_bytes();
            file.extend([&[0xff, 0xe1][..], &length, header, content].concat());
        }
        file.extend([0xff, 0xda, 0, 2]);
        file
    }

    fn with_xmp(xmp: &str) -> Result<Still, StillError> {
        Still::read(&jpeg(&[(xmp::HEADER, xmp.as_bytes())]))
    }

    #[test]
    fn exif_fills_what_the_xmp_lacks() {
        let exif = exif::tests::sample(
            "FC330",
            &[(0xa405, 3, vec![0, 20]), (0x920a, 5, vec![0, 0, 1, 105, 0, 0, 0, 100])],
        );
        let no_place = XMP.replace("GpsLatitude", "Other").replace("CalibratedFocalLength", "Other");
        let both = Still::read(&jpeg(&[(exif::HEADER, &exif), (xmp::HEADER, no_place.as_bytes())]))
            .expect("a still");
        assert!((both.pose.position.lat - 30.2747).abs() < 1e-7);
        assert_eq!(
            (both.pose.alt_rel, both.pose.focal_35mm, both.lens.focal_px),
            (Some(55.5), Some(20.0), None)
        );
        assert!((both.lens.share.expect("by the sensor table") - 3.61 / 6.17).abs() < 1e-9);
        let alone = Still::read(&jpeg(&[(exif::HEADER, &exif)])).expect("a still");
        assert_eq!((alone.pose.alt_abs, alone.pose.alt_rel), (Some(96.0), None));
        let own = with_xmp(XMP).expect("a still");
        assert_eq!(own.pose.position, LonLat { lon: 120.1614567, lat: 30.2931234 });
        assert_eq!(own.lens.focal_px, Some(3666.66));
    }

    #[test]
    fn angles_of_zero_are_not_known() {
        let zero = XMP.replace("-45.10", "0.0").replace("-60.00", "+0.00");
        let still = with_xmp(&zero).expect("a still");
        assert_eq!(still.pose.gimbal, Angles::default());
        assert_eq!(still.pose.platform.heading, Some(-44.0), "the airframe has a compass");
        let level = with_xmp(&XMP.replace("-60.00", "+0.00")).expect("a still");
        assert_eq!(level.pose.gimbal.pitch, Some(0.0), "a gimbal that points somewhere knows its pitch");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let check = |xmp: &str| crate::base::error_chain(&with_xmp(xmp).expect_err("refused"));
        assert!(check(&XMP.replace("+30.2931234", "+99.5")).contains("outside -90 to 90"));
        assert!(check(&XMP.replace("GpsLatitude", "Other")).contains("no position"));
        assert!(
            check(&XMP.replace("+30.2931234", "0.0").replace("+120.1614567", "0.0")).contains("satellites")
        );
        assert!(check("<x").contains("damaged near byte"));
        assert_eq!(Still::read(b"GIF89a"), Err(StillError::NotJpeg));
        assert_eq!(Still::read(&[0xff, 0xd8, 0xff, 0xe1, 0xff]), Err(StillError::None));
    }
}
