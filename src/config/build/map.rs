//! The ground: zones and permits from GeoJSON files, and whether places are where the node is.

use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use super::Builder;
use crate::base::{WallTime, ZoneId, narrow};
use crate::config::files::FileText;
use crate::config::geojson::{AreaFeature, areas};
use crate::config::problem::{Problem, suggest};
use crate::config::raw::RawMap;
use crate::config::source::Span;
use crate::config::types::{Home, MapConfig, Permit, Zone, ZoneArea};

/// Where things are expected to be if the operator gives the home's place only.
const RADIUS_KM: f64 = 100.0;

impl Builder<'_, '_> {
    /// Reads the files first, because cameras and rules name what is in them.
    pub(crate) fn map(&mut self, raw: &RawMap, zones: Option<&FileText>, permits: Option<&FileText>) {
        let home = raw.home.as_deref().and_then(|home| {
            Some(Home { lon: home.lon?, lat: home.lat?, radius_km: home.radius_km.unwrap_or(RADIUS_KM) })
        });
        self.map = MapConfig {
            dem: self.optional_path(raw.dem.as_ref()),
            gcj02: raw.gcj02,
            home,
            same_place_m: *raw.same_place_m,
            zones: Vec::new(),
            permits: Vec::new(),
        };
        let mut places: Vec<Span> = Vec::new();
        for feature in zones.map(|file| areas(file, &mut self.problems)).unwrap_or_default() {
            if let Some(zone) = self.ground_zone(&feature, &places) {
                self.map.zones.push(zone);
                places.push(feature.span);
            }
        }
        let mut places: Vec<Span> = Vec::new();
        for feature in permits.map(|file| areas(file, &mut self.problems)).unwrap_or_default() {
            if let Some(permit) = self.permit(&feature, &places) {
                self.map.permits.push(permit);
                places.push(feature.span);
            }
        }
    }

    fn ground_zone(&mut self, feature: &AreaFeature, earlier: &[Span]) -> Option<Zone> {
        let span = &feature.span;
        let fits = |id: &String| {
            (1..=64).contains(&id.len())
                && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        };
        let Some(id) = feature.id.clone().filter(fits) else {
            self.report(
                Problem::new(
                    span,
                    "a ground zone needs `id` in its properties: letters, digits, `-` and `_`, at most 64",
                )
                .help("rules name the zone by it; put the name for people into `name`"),
            );
            return None;
        };
        if let Some(first) = self.map.zones.iter().position(|z| z.id.as_str() == id) {
            self.report(duplicate("ground zone", &id, span, &earlier[first]));
            return None;
        }
        let height_m = match feature.properties.get("height_m") {
            None | Some(serde_json::Value::Null) => 0.0,
            Some(value) => match value.as_f64().filter(|h| (-1000.0..=10_000.0).contains(h)) {
                Some(height) => height,
                None => {
                    let message =
                        format!("`height_m` of `{id}` is {value}: metres above the ground are needed");
                    self.report(Problem::new(span, message).help("for a roof at 18 m: `\"height_m\": 18`"));
                    return None;
                }
            },
        };
        self.check_near(feature.area.center(), span, &format!("the zone `{id}`"));
        let area = ZoneArea::Ground { area: Arc::new(feature.area.clone()), drawn: Vec::new() };
        let name = feature.text("name").unwrap_or(&id).to_owned();
        Some(Zone { id: ZoneId::new(id), name, area, height_m })
    }

    fn permit(&mut self, feature: &AreaFeature, earlier: &[Span]) -> Option<Permit> {
        let span = &feature.span;
        let Some(id) = feature.id.clone().filter(|id| (1..=128).contains(&id.len())) else {
            self.report(
                Problem::new(span, "a permit needs `id` in its properties")
                    .help("the number of the permit, at most 128 characters: events that it covers name it"),
            );
            return None;
        };
        if let Some(first) = self.map.permits.iter().position(|p| p.id == id) {
            self.report(duplicate("permit", &id, span, &earlier[first]));
            return None;
        }
        let valid_from = self.validity(feature, "valid_from", false)?;
        let valid_to = self.validity(feature, "valid_to", true)?;
        if let (Some(from), Some(to)) = (valid_from, valid_to)
            && from >= to
        {
            self.report(
                Problem::new(span, format!("permit `{id}` ends before it begins"))
                    .help("`valid_from` comes before `valid_to`"),
            );
            return None;
        }
        let mut classes = Vec::new();
        match feature.properties.get("classes") {
            None | Some(serde_json::Value::Null) => {}
            Some(serde_json::Value::Array(names)) if names.iter().all(serde_json::Value::is_string) => {
                classes.extend(names.iter().filter_map(|n| n.as_str().map(str::to_owned)));
            }
            // QGIS writes lists as text.
            Some(serde_json::Value::String(names)) => {
                classes
                    .extend(narrow(names).split(',').map(|n| n.trim().to_owned()).filter(|n| !n.is_empty()));
            }
            Some(other) => {
                self.report(Problem::new(span, format!("`classes` of permit `{id}` is {other}")).help(
                    "a list of violation classes: `\"classes\": [\"scaffolding\"]`; all classes if left out",
                ));
                return None;
            }
        }
        let known: Vec<String> = self.catalogue.classes().into_iter().map(|c| c.id).collect();
        for class in classes.iter().filter(|c| !known.contains(c)) {
            let help = suggest(class, "classes", known.iter().map(String::as_str));
            let message = format!("permit `{id}` names a violation class `{class}` that is not there");
            self.report(Problem::new(span, message).help(help));
        }
        self.check_near(feature.area.center(), span, &format!("permit `{id}`"));
        let name = feature.text("name").unwrap_or(&id).to_owned();
        Some(Permit { id, name, area: Arc::new(feature.area.clone()), valid_from, valid_to, classes })
    }

    /// The outer `None`: it is wrong, and reported.
    fn validity(&mut self, feature: &AreaFeature, key: &str, end: bool) -> Option<Option<WallTime>> {
        let value = match feature.properties.get(key) {
            None | Some(serde_json::Value::Null) => return Some(None),
            Some(value) => value,
        };
        let time = value.as_str().and_then(|text| moment(text.trim(), end, &self.time_zone));
        if time.is_none() {
            self.report(
                Problem::new(&feature.span, format!("`{key}` is {value}: a date or a time is needed"))
                    .help("\"2026-12-31\" (the whole day, in the node's time zone) or \"2026-12-31T18:00:00+08:00\""),
            );
            return None;
        }
        Some(time)
    }

    /// Reports a place that is far from home, and says so if it would be near with its two numbers swapped.
    pub(super) fn check_near(&mut self, [lon, lat]: [f64; 2], span: &Span, what: &str) {
        let Some(home) = self.map.home else { return };
        let away = kilometres((home.lon, home.lat), (lon, lat));
        if away <= home.radius_km {
            return;
        }
        let help = if kilometres((home.lon, home.lat), (lat, lon)) <= home.radius_km {
            "longitude and latitude are swapped: longitude comes first"
        } else {
            "correct the place, or `map.home` and its `radius_km`"
        };
        let message = format!("{what} is {away:.0} km from `map.home`, more than {} km", home.radius_km);
        self.report(Problem::new(span, message).help(help));
    }
}

fn duplicate(what: &str, id: &str, span: &Span, first: &Span) -> Problem {
    Problem::new(span, format!("the {what} `{id}` is there twice"))
        .also(first, "first here")
        .help("give one of the two another id")
}

/// A time with its offset, or a whole day of the node's time zone; the end of a day is the start of the next.
fn moment(text: &str, end: bool, zone: &TimeZone) -> Option<WallTime> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time.into());
    }
    if text.contains(['T', ':']) {
        return None;
    }
    let day = day(text)?;
    let day = if end { day.checked_add(1.day()).ok()? } else { day };
    Some(day.to_zoned(zone.clone()).ok()?.timestamp().into())
}

/// `2026-12-31`, and as spreadsheets and people write it: `2026/12/31`, `2026年12月31日`.
fn day(text: &str) -> Option<Date> {
    let text = narrow(text).trim().replace(['年', '月', '/'], "-");
    let mut parts = text.trim_end_matches('日').splitn(3, '-');
    let mut number = |digits: std::ops::RangeInclusive<usize>| {
        let part = parts.next()?.trim();
        let fits = digits.contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        part.parse::<i16>().ok().filter(|_| fits)
    };
    let (year, month, day) = (number(4..=4)?, number(1..=2)?, number(1..=2)?);
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// On a sphere: for "is this the right county", not for measuring.
fn kilometres((lon0, lat0): (f64, f64), (lon1, lat1): (f64, f64)) -> f64 {
    let (a, b) = (lat0.to_radians(), lat1.to_radians());
    let (dlat, dlon) = (b - a, (lon1 - lon0).to_radians());
    let h = (dlat / 2.0).sin().powi(2) + a.cos() * b.cos() * (dlon / 2.0).sin().powi(2);
    2.0 * 6371.0 * h.sqrt().min(1.0).asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_whole_in_the_nodes_zone() {
        let zone = TimeZone::get("Asia/Shanghai").expect("bundled");
        let at = |text, end| moment(text, end, &zone).map(|t| t.to_string());
        assert_eq!(at("2026-12-31", false).as_deref(), Some("2026-12-30T16:00:00.000Z"));
        assert_eq!(at("2026-12-31", true).as_deref(), Some("2026-12-31T16:00:00.000Z"));
        assert_eq!(at("2026-12-31T18:00:00+08:00", true).as_deref(), Some("2026-12-31T10:00:00.000Z"));
        for same in ["2026年12月31日", "2026/12/31", "２０２６－１２－３１"] {
            assert_eq!(at(same, true), at("2026-12-31", true), "{same}");
        }
        for bad in ["2026-13-01", "31.12.2026", "", "2026-12-31T18:00", "tomorrow"] {
            assert_eq!(at(bad, false), None, "{bad}");
        }
    }

    #[test]
    fn kilometres_are_about_right() {
        let away = kilometres((120.0, 30.0), (121.0, 30.0));
        assert!((96.0..96.6).contains(&away), "{away}");
    }
}
