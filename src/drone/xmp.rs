//! The XMP of DJI stills (namespace drone-dji): where the picture was taken and where the gimbal looked.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::check::Checker;
use super::{Angles, Fault, LonLat, Pose};
use crate::base::WallTime;

/// Metadata of a still.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Still {
    pub pose: Pose,
    /// Focal length in pixels of the whole still, where the camera was calibrated.
    pub focal_px: Option<f64>,
}

#[derive(Debug, thiserror::Error, PartialEq)]
pub enum XmpError {
    #[error("it is no JPEG")]
    NotJpeg,
    #[error(
        "it has no XMP; was it edited or sent by a messenger, which strip it? Take the file from the drone's card"
    )]
    None,
    #[error("its XMP is damaged near byte {at}: {what}")]
    Damaged { at: u64, what: String },
    #[error("its XMP has no drone-dji position; it is no still of a DJI drone, or there were no satellites")]
    NoPosition,
    #[error("its XMP cannot be right")]
    Fault(#[from] Fault),
}

/// Reads a JPEG's XMP.
///
/// # Errors
/// No JPEG, no XMP in it, damaged XMP, no position, or one that cannot be.
pub fn still(jpeg: &[u8]) -> Result<Still, XmpError> {
    parse(packet(jpeg)?)
}

/// In front of the XMP in its APP1 segment (XMP specification part 3, 1.1.3).
const HEADER: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";

/// The XMP packet of a JPEG: segments up to the picture itself are walked.
fn packet(jpeg: &[u8]) -> Result<&[u8], XmpError> {
    let Some(mut rest) = jpeg.strip_prefix(&[0xff, 0xd8]) else { return Err(XmpError::NotJpeg) };
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
                if *marker == 0xe1
                    && let Some(xmp) = segment.strip_prefix(HEADER)
                {
                    return Ok(xmp);
                }
                rest = &tail[length..];
            }
        }
    }
    Err(XmpError::None)
}

/// Reads an XMP packet. Names count without their prefix, as attributes or as elements.
///
/// # Errors
/// As [`still`].
pub fn parse(xmp: &[u8]) -> Result<Still, XmpError> {
    let text = String::from_utf8_lossy(xmp);
    // Cameras pad the packet with zeros.
    let mut reader = Reader::from_str(text.trim_end_matches('\0'));
    let mut found = Found::default();
    let mut element: Option<String> = None;
    loop {
        let at = reader.buffer_position();
        let damaged = |what: String| XmpError::Damaged { at, what };
        match reader.read_event().map_err(|e| damaged(e.to_string()))? {
            Event::Start(tag) => {
                found.attributes(&tag, at)?;
                element = Some(tag.local_name().as_ref().to_owned());
            }
            Event::Empty(tag) => found.attributes(&tag, at)?,
            Event::Text(text) => {
                if let Some(name) = &element {
                    found.set(name, &text)?;
                }
            }
            Event::End(_) => element = None,
            Event::Eof => break,
            _ => {}
        }
    }
    found.still()
}

#[derive(Default)]
struct Found {
    lat: Option<f64>,
    lon: Option<f64>,
    alt_abs: Option<f64>,
    alt_rel: Option<f64>,
    flight: Angles,
    gimbal: Angles,
    focal_px: Option<f64>,
    at: Option<WallTime>,
}

impl Found {
    /// `at` is where the tag begins, in bytes.
    fn attributes(&mut self, tag: &BytesStart, at: u64) -> Result<(), XmpError> {
        for attribute in tag.attributes() {
            let attribute = attribute.map_err(|e| XmpError::Damaged { at, what: e.to_string() })?;
            self.set(attribute.key.local_name().as_ref(), &attribute.value)?;
        }
        Ok(())
    }

    fn set(&mut self, name: &str, text: &str) -> Result<(), XmpError> {
        let slot: (&mut Option<f64>, &'static str) = match name {
            "GpsLatitude" => (&mut self.lat, "latitude"),
            // So it is spelt in older firmware.
            "GpsLongitude" | "GpsLongtitude" => (&mut self.lon, "longitude"),
            "AbsoluteAltitude" => (&mut self.alt_abs, "absolute altitude"),
            "RelativeAltitude" => (&mut self.alt_rel, "relative altitude"),
            "GimbalYawDegree" => (&mut self.gimbal.heading, "gimbal heading"),
            "GimbalPitchDegree" => (&mut self.gimbal.pitch, "gimbal pitch"),
            "GimbalRollDegree" => (&mut self.gimbal.roll, "gimbal roll"),
            "FlightYawDegree" => (&mut self.flight.heading, "heading"),
            "FlightPitchDegree" => (&mut self.flight.pitch, "pitch"),
            "FlightRollDegree" => (&mut self.flight.roll, "roll"),
            "CalibratedFocalLength" => (&mut self.focal_px, "focal length"),
            "UTCAtExposure" => {
                self.at = utc(text.trim());
                return Ok(());
            }
            _ => return Ok(()),
        };
        let text = text.trim();
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => *slot.0 = Some(value),
            _ if text.is_empty() => {}
            _ => {
                let text = text.chars().take(20).collect();
                return Err(Fault::NotANumber { field: slot.1, text }.into());
            }
        }
        Ok(())
    }

    fn still(self) -> Result<Still, XmpError> {
        let position =
            LonLat { lon: self.lon.ok_or(XmpError::NoPosition)?, lat: self.lat.ok_or(XmpError::NoPosition)? };
        let pose = Pose {
            at: self.at,
            alt_abs: self.alt_abs,
            alt_rel: self.alt_rel,
            platform: self.flight,
            gimbal: self.gimbal,
            step: 1e-7,
            ..Pose::at(position)
        };
        match Checker::new(None).check(&pose)? {
            true => Ok(Still { pose, focal_px: self.focal_px.filter(|f| *f > 0.0) }),
            false => Err(XmpError::NoPosition),
        }
    }
}

/// `2024-05-06T07:08:09.123456`, which is UTC without saying so.
fn utc(text: &str) -> Option<WallTime> {
    let zoned = if text.ends_with('Z') { text.to_owned() } else { format!("{text}Z") };
    zoned.parse::<jiff::Timestamp>().ok().map(WallTime::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
 <rdf:Description rdf:about="DJI" xmlns:drone-dji="http://www.dji.com/drone-dji/1.0/"
   drone-dji:GpsLatitude="+30.2931234" drone-dji:GpsLongtitude="+120.1614567" drone-dji:AbsoluteAltitude="+62.30"
   drone-dji:RelativeAltitude="+55.50" drone-dji:GimbalRollDegree="+0.00" drone-dji:GimbalYawDegree="-45.10"
   drone-dji:GimbalPitchDegree="-60.00" drone-dji:FlightYawDegree="-44.00" drone-dji:UTCAtExposure="2024-05-06T07:08:09.123456">
  <drone-dji:CalibratedFocalLength>3666.66</drone-dji:CalibratedFocalLength>
 </rdf:Description></rdf:RDF></x:xmpmeta>"#;

    fn jpeg(xmp: &[u8]) -> Vec<u8> {
        let segment = [HEADER, xmp].concat();
        let length = u16::try_from(segment.len() + 2).expect("short").to_be_bytes();
        [&[0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2, 0xff, 0xe1][..], &length, &segment, &[0xff, 0xda, 0, 2]]
            .concat()
    }

    #[test]
    fn attributes_and_elements_of_a_jpeg_are_read() {
        let still = still(&jpeg(GOOD.as_bytes())).expect("a DJI still");
        let pose = still.pose;
        assert_eq!(pose.position, LonLat { lon: 120.1614567, lat: 30.2931234 });
        assert_eq!((pose.alt_rel, pose.alt_abs, still.focal_px), (Some(55.5), Some(62.3), Some(3666.66)));
        assert_eq!(pose.gimbal, Angles { heading: Some(-45.1), pitch: Some(-60.0), roll: Some(0.0) });
        assert_eq!(pose.at.map(|t| t.to_string()).as_deref(), Some("2024-05-06T07:08:09.123Z"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let check = |xmp: &str| crate::base::error_chain(&parse(xmp.as_bytes()).expect_err("refused"));
        assert!(check(&GOOD.replace("</rdf:RDF>", "</rdf:XYZ>")).contains("damaged near byte"));
        assert!(check(&GOOD.replace("+30.2931234", "NaN")).contains("latitude is no number: `NaN`"));
        assert!(check(&GOOD.replace("+30.2931234", "+99.5")).contains("outside -90 to 90"));
        assert!(check(&GOOD.replace("GpsLatitude", "Other")).contains("no drone-dji position"));
        assert!(
            check(&GOOD.replace("+30.2931234", "0.0").replace("+120.1614567", "0.0")).contains("satellites")
        );
        assert_eq!(still(b"GIF89a").expect_err("no JPEG"), XmpError::NotJpeg);
        assert_eq!(still(&[0xff, 0xd8, 0xff, 0xe1, 0xff]).expect_err("cut off"), XmpError::None);
        assert!(still(&jpeg(b"<x")).is_err());
    }
}
