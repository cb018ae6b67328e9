//! The XMP of DJI stills (namespace drone-dji): where the picture was taken and where the gimbal looked.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::{Angles, Fault, LonLat};
use crate::base::WallTime;

#[derive(Debug, thiserror::Error, PartialEq)]
pub enum XmpError {
    #[error("its XMP is damaged near byte {at}: {what}")]
    Damaged { at: u64, what: String },
    #[error("its XMP cannot be right")]
    Fault(#[from] Fault),
}

/// In front of the XMP in its APP1 segment (XMP specification part 3, 1.1.3).
pub(super) const HEADER: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";

/// What the XMP of a still says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Xmp {
    lat: Option<f64>,
    lon: Option<f64>,
    pub(super) alt_abs: Option<f64>,
    pub(super) alt_rel: Option<f64>,
    pub(super) flight: Angles,
    pub(super) gimbal: Angles,
    /// Of the still as it was taken, pixels.
    pub(super) focal_px: Option<f64>,
    centre: (Option<f64>, Option<f64>),
    pub(super) at: Option<WallTime>,
}

/// Reads an XMP packet. Names count without their prefix, as attributes or as elements.
///
/// # Errors
/// Damaged XMP, or a number that is none.
pub fn parse(xmp: &[u8]) -> Result<Xmp, XmpError> {
    let text = String::from_utf8_lossy(xmp);
    // Cameras pad the packet with zeros.
    let mut reader = Reader::from_str(text.trim_end_matches('\0'));
    let mut found = Xmp::default();
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
    Ok(found)
}

impl Xmp {
    pub(super) fn position(&self) -> Option<LonLat> {
        Some(LonLat { lon: self.lon?, lat: self.lat? })
    }

    /// Where the axis meets the still as it was taken, pixels across and down: about its middle.
    pub(super) fn centre(&self) -> (Option<f64>, Option<f64>) {
        let known = |v: Option<f64>| v.filter(|v| *v > 1.0);
        (known(self.centre.0), known(self.centre.1))
    }

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
            "CalibratedOpticalCenterX" => (&mut self.centre.0, "optical centre"),
            "CalibratedOpticalCenterY" => (&mut self.centre.1, "optical centre"),
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
}

/// `2024-05-06T07:08:09.123456`, which is UTC without saying so.
fn utc(text: &str) -> Option<WallTime> {
    let zoned = if text.ends_with('Z') { text.to_owned() } else { format!("{text}Z") };
    zoned.parse::<jiff::Timestamp>().ok().map(WallTime::from)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::drone) const GOOD: &str = r#"<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
 <rdf:Description rdf:about="DJI" xmlns:drone-dji="http://www.dji.com/drone-dji/1.0/"
   drone-dji:GpsLatitude="+30.2931234" drone-dji:GpsLongtitude="+120.1614567" drone-dji:AbsoluteAltitude="+62.30"
   drone-dji:RelativeAltitude="+55.50" drone-dji:GimbalRollDegree="+0.00" drone-dji:GimbalYawDegree="-45.10"
   drone-dji:GimbalPitchDegree="-60.00" drone-dji:FlightYawDegree="-44.00" drone-dji:UTCAtExposure="2024-05-06T07:08:09.123456">
  <drone-dji:CalibratedFocalLength>3666.66</drone-dji:CalibratedFocalLength>
 </rdf:Description></rdf:RDF></x:xmpmeta>"#;

    #[test]
    fn attributes_and_elements_are_read() {
        let xmp = parse(GOOD.as_bytes()).expect("XMP of a DJI still");
        assert_eq!(xmp.position(), Some(LonLat { lon: 120.1614567, lat: 30.2931234 }));
        assert_eq!((xmp.alt_rel, xmp.alt_abs, xmp.focal_px), (Some(55.5), Some(62.3), Some(3666.66)));
        assert_eq!(xmp.gimbal, Angles { heading: Some(-45.1), pitch: Some(-60.0), roll: Some(0.0) });
        assert_eq!(xmp.at.map(|t| t.to_string()).as_deref(), Some("2024-05-06T07:08:09.123Z"));
        assert_eq!(parse(GOOD.replace("GpsLatitude", "Other").as_bytes()).expect("XMP").position(), None);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let check = |xmp: &str| crate::base::error_chain(&parse(xmp.as_bytes()).expect_err("refused"));
        assert!(check(&GOOD.replace("</rdf:RDF>", "</rdf:XYZ>")).contains("damaged near byte"));
        assert!(check(&GOOD.replace("+30.2931234", "NaN")).contains("latitude is no number: `NaN`"));
        assert!(parse(b"<x").is_err());
    }
}
