//! One record's text as numbers.

use jiff::civil::{Date, DateTime, Time};

use crate::drone::{Angles, Fault, LonLat, Pose};

/// Which of two numbers is the longitude.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// First, unless the altitude is marked with an M (Matrice 300).
    ByFamily,
    LongitudeFirst,
    LatitudeFirst,
}

/// The fields of a record.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Fields {
    pub date: Option<DateTime>,
    /// `[latitude: ..] [longitude: ..]`, which need no order.
    named: (Option<f64>, Option<f64>),
    gps: Option<(f64, f64)>,
    home: Option<(f64, f64)>,
    /// `GPS(.., .., 0.0M)`: the third number is an altitude and not a count of satellites.
    pub marked_altitude: Option<bool>,
    alt_abs: Option<f64>,
    alt_rel: Option<f64>,
    flight: Angles,
    gimbal: Angles,
    focal_35mm: Option<f64>,
    zoom: Option<f64>,
    /// Digits behind the point of the position.
    decimals: u32,
}

impl Fields {
    /// # Errors
    /// The record is cut off, has a number that is none, or nothing that is known.
    pub fn read(body: &str) -> Result<Self, Fault> {
        let mut fields = Self { date: date(body), ..Self::default() };
        let mut known = fields.date.is_some();
        let mut rest = body;
        while let Some(open) = rest.find(['[', '(']) {
            let closing = if rest[open..].starts_with('[') { ']' } else { ')' };
            let Some(length) = rest[open + 1..].find(closing) else { return Err(Fault::CutOff) };
            let inner = &rest[open + 1..open + 1 + length];
            // What opens again before it was closed was cut off.
            if inner.contains(['[', '(']) {
                return Err(Fault::CutOff);
            }
            known |= if closing == ']' {
                fields.named(inner)?
            } else {
                fields.called(name_before(&rest[..open]), inner)?
            };
            rest = &rest[open + length + 2..];
        }
        known |= fields.bare(body)?;
        if known { Ok(fields) } else { Err(Fault::Unknown) }
    }

    /// Pairs of coordinates in unknown order.
    pub fn pairs(&self) -> impl Iterator<Item = (f64, f64)> {
        self.gps.into_iter()
    }

    /// `None` if the record has no position.
    pub fn pose(&self, order: Order) -> Option<Pose> {
        let longitude_first = match order {
            Order::ByFamily => self.marked_altitude != Some(true),
            Order::LongitudeFirst => true,
            Order::LatitudeFirst => false,
        };
        let ordered = |(a, b): (f64, f64)| match longitude_first {
            true => LonLat { lon: a, lat: b },
            false => LonLat { lon: b, lat: a },
        };
        let position = match self.named {
            (Some(lat), Some(lon)) => LonLat { lon, lat },
            _ => ordered(self.gps?),
        };
        Some(Pose {
            alt_abs: self.alt_abs,
            alt_rel: self.alt_rel,
            platform: self.flight,
            gimbal: self.gimbal,
            focal_35mm: self.focal_35mm.map(|f| f * self.zoom.unwrap_or(1.0)),
            home: self.home.map(ordered),
            step: 0.1f64.powi(self.decimals.min(9) as i32),
            ..Pose::at(position)
        })
    }

    /// `[rel_alt: 1.5 abs_alt: 20.1]`, `[focal_len : 280]`. True if something of it is known.
    fn named(&mut self, inner: &str) -> Result<bool, Fault> {
        let mut known = false;
        let spaced = inner.replace(':', " : ");
        let words: Vec<&str> = spaced.split([' ', ',', '\t']).filter(|w| !w.is_empty()).collect();
        for i in 1..words.len().saturating_sub(1) {
            if words[i] != ":" {
                continue;
            }
            let (name, text) = (words[i - 1], words[i + 1]);
            known |= self.set(name, text)?;
        }
        Ok(known)
    }

    fn set(&mut self, name: &str, text: &str) -> Result<bool, Fault> {
        match name {
            "latitude" => {
                self.named.0 = number("latitude", text)?;
                self.decimals = decimals(text);
            }
            // So it is spelt in half of the models.
            "longitude" | "longtitude" => self.named.1 = number("longitude", text)?,
            "rel_alt" => self.alt_rel = number("relative altitude", text)?,
            "abs_alt" | "altitude" => self.alt_abs = number("absolute altitude", text)?,
            "gb_yaw" => self.gimbal.heading = number("gimbal heading", text)?,
            "gb_pitch" => self.gimbal.pitch = number("gimbal pitch", text)?,
            "gb_roll" => self.gimbal.roll = number("gimbal roll", text)?,
            "focal_len" => {
                let value = number("focal length", text)?;
                // Without a point it is in tenths of a millimetre.
                self.focal_35mm = value.map(|v| if text.contains('.') { v } else { v / 10.0 });
            }
            "dzoom_ratio" => {
                let value = number("zoom", text)?.filter(|z| *z > 0.0);
                self.zoom = value.map(|z| if z >= 1000.0 { z / 10_000.0 } else { z });
            }
            "dzoom" => self.zoom = number("zoom", text)?.filter(|z| *z > 0.0),
            "iso" | "shutter" | "fnum" | "ev" | "ct" | "color_md" => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// `GPS(149.0251,-20.2533,16)`, `G.PRY (-24.4°, 0.0°, 110.4°)`. True if it is known.
    fn called(&mut self, name: &str, inner: &str) -> Result<bool, Fault> {
        let parts: Vec<&str> = inner.split(',').map(str::trim).collect();
        let pair = || -> Result<Option<(f64, f64)>, Fault> {
            let [a, b, ..] = parts[..] else { return Err(Fault::CutOff) };
            Ok(number("GPS", a)?.zip(number("GPS", b)?))
        };
        match name {
            "GPS" => {
                self.gps = pair()?;
                self.decimals = parts.first().map_or(0, |p| decimals(p));
                let third = parts.get(2).copied().unwrap_or("");
                let marked = third.ends_with(['M', 'm']);
                self.marked_altitude = Some(marked);
                if marked {
                    // A Matrice 300 writes 0.0M where it knows none.
                    self.alt_abs = number("absolute altitude", third)?.filter(|a| *a != 0.0);
                }
            }
            "HOME" => self.home = pair()?,
            "BAROMETER" => {
                self.alt_rel = number("relative altitude", parts.first().copied().unwrap_or(""))?;
            }
            "F.PRY" => self.flight = angles(&parts, ["pitch", "roll", "heading"])?,
            "G.PRY" => self.gimbal = angles(&parts, ["gimbal pitch", "gimbal roll", "gimbal heading"])?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// `BAROMETER:1.9`, `Hb:1.9`, `H 85.80m`; true if there is one.
    fn bare(&mut self, body: &str) -> Result<bool, Fault> {
        let mut known = false;
        for word in body.split_whitespace() {
            if let Some(text) = word.strip_prefix("BAROMETER:").or_else(|| word.strip_prefix("Hb:")) {
                self.alt_rel = number("relative altitude", text)?;
                known = true;
            }
        }
        for part in body.split([',', '\n']) {
            if let Some(text) = part.trim().strip_prefix("H ") {
                self.alt_rel = number("relative altitude", text)?;
                known = true;
            }
        }
        Ok(known)
    }
}

/// `None` where the drone says that it does not know: `N/A`, `n/a`, nothing.
fn number(field: &'static str, text: &str) -> Result<Option<f64>, Fault> {
    let text = text.trim().trim_end_matches(['°', 'M', 'm']).trim();
    if text.is_empty() || text.eq_ignore_ascii_case("n/a") || text.eq_ignore_ascii_case("null") {
        return Ok(None);
    }
    match text.parse::<f64>() {
        // NaN and inf are read as numbers; they are none.
        Ok(value) if value.is_finite() => Ok(Some(value)),
        _ => Err(Fault::NotANumber { field, text: text.chars().take(20).collect() }),
    }
}

fn angles(parts: &[&str], names: [&'static str; 3]) -> Result<Angles, Fault> {
    let [pitch, roll, yaw] = parts[..] else { return Err(Fault::CutOff) };
    Ok(Angles {
        pitch: number(names[0], pitch)?,
        roll: number(names[1], roll)?,
        heading: number(names[2], yaw)?,
    })
}

fn decimals(text: &str) -> u32 {
    let fraction = text.trim().split_once('.').map_or("", |(_, f)| f);
    u32::try_from(fraction.bytes().take_while(u8::is_ascii_digit).count()).unwrap_or(0)
}

/// The word right before a bracket: `GPS` of `EV 0, GPS `.
fn name_before(text: &str) -> &str {
    let text = text.trim_end();
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_';
    let start = text
        .rfind(|c: char| !is_name(c))
        .map_or(0, |i| i + text[i..].chars().next().map_or(1, char::len_utf8));
    &text[start..]
}

/// `2021-12-25 12:27:52.373`, `2022-08-07 13:40:40,774,808`, `2017.8.5 14:11:51`.
fn date(body: &str) -> Option<DateTime> {
    let words: Vec<&str> = body.split_whitespace().collect();
    words.windows(2).find_map(|pair| Some(DateTime::from_parts(day(pair[0])?, clock(pair[1])?)))
}

fn day(text: &str) -> Option<Date> {
    let separator = if text.contains('-') { '-' } else { '.' };
    let parts: Vec<i16> = text.split(separator).map(|p| p.parse().ok()).collect::<Option<_>>()?;
    let [year, month, day] = parts[..] else { return None };
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

fn clock(text: &str) -> Option<Time> {
    let parts: Vec<&str> = text.splitn(3, ':').collect();
    let [hour, minute, rest] = parts[..] else { return None };
    let mut pieces = rest.split([',', '.']);
    let second: i8 = pieces.next()?.parse().ok()?;
    // Milliseconds, then microseconds.
    let part =
        |piece: Option<&str>| piece.filter(|p| p.len() == 3).and_then(|p| p.parse::<i32>().ok()).unwrap_or(0);
    let nanos = part(pieces.next()) * 1_000_000 + part(pieces.next()) * 1_000;
    Time::new(hour.parse().ok()?, minute.parse().ok()?, second, nanos).ok()
}
