//! GDAL's metadata of bands, an XML in a tag of its own.

use quick_xml::Reader;
use quick_xml::events::Event;

pub(super) const GDAL_METADATA: u16 = 42_112;

/// From stored values to metres: `value * scale + offset`, in a unit.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::calibration) struct BandScale {
    pub scale: f64,
    pub offset: f64,
    /// As written, such as `ft`; empty without one.
    pub unit: String,
}

impl Default for BandScale {
    fn default() -> Self {
        Self { scale: 1.0, offset: 0.0, unit: String::new() }
    }
}

impl BandScale {
    /// Of the first band. What cannot be read is as if it were not there.
    pub(super) fn parse(xml: &str) -> Self {
        let mut found = Self::default();
        let mut reader = Reader::from_str(xml.trim_end_matches('\0'));
        let mut role: Option<String> = None;
        loop {
            match reader.read_event() {
                Ok(Event::Start(tag)) => {
                    let value = |name: &str| {
                        let of = |a: &quick_xml::events::attributes::Attribute<'_>| a.key.as_ref() == name;
                        tag.attributes().flatten().find(of).map(|a| a.value.to_string())
                    };
                    let first = value("sample").is_none_or(|sample| sample == "0");
                    role = value("role").filter(|_| first).map(|role| role.to_lowercase());
                }
                Ok(Event::Text(text)) => {
                    let text = text.trim();
                    match role.as_deref() {
                        Some("scale") => found.scale = number(text).unwrap_or(found.scale),
                        Some("offset") => found.offset = number(text).unwrap_or(found.offset),
                        Some("unittype") => found.unit = text.to_owned(),
                        _ => {}
                    }
                }
                Ok(Event::End(_)) => role = None,
                Ok(Event::Eof) | Err(_) => return found,
                Ok(_) => {}
            }
        }
    }
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|v: &f64| v.is_finite())
}
