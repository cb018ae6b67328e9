//! Values with their place, and durations.

use std::borrow::Cow;
use std::ops::Deref;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use crate::base::narrow;
use crate::config::source::Span;

/// A value and where it stands.
#[derive(Clone)]
pub(crate) struct At<T> {
    pub(crate) span: Span,
    value: T,
}

impl<T> Deref for At<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> At<T> {
    pub(crate) fn into_inner(self) -> T {
        self.value
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = toml::Spanned::<T>::deserialize(deserializer)?;
        Ok(Self { span: spanned.span(), value: spanned.into_inner() })
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// A duration above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Positive(pub(crate) Duration);

/// A duration that may be zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wait(pub(crate) Duration);

/// `30s`, `5m`, `1h30m`, `250ms`, `7d`, and as `30秒`, `5分钟`, `1小时30分`, `7天`.
///
/// # Errors
/// What is wrong with it, as a sentence without a capital.
pub(crate) fn parse_duration(text: &str, zero: bool) -> Result<Duration, String> {
    const EXAMPLES: &str = "a duration is a number and a unit: \"500ms\", \"30s\", \"5m\", \"72h\", \"7d\"";
    let text = narrow(text);
    let mut rest = text.trim();
    if rest.starts_with('-') {
        return Err(format!("a duration cannot be negative; {EXAMPLES}"));
    }
    if rest.is_empty() {
        return Err(EXAMPLES.into());
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let tail = tail.trim_start();
        let letters = tail.find(|c: char| !c.is_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let seconds = match unit {
            "ms" | "毫秒" => 0.001,
            "s" | "秒" | "秒钟" => 1.0,
            "m" | "分" | "分钟" => 60.0,
            "h" | "时" | "小时" | "个小时" => 3_600.0,
            "d" | "天" | "日" => 86_400.0,
            "" => return Err(format!("the unit is missing; {EXAMPLES}")),
            _ if number.is_empty() && !unit.is_ascii() => {
                return Err(format!("`{unit}`: write the number in digits, as in 5分钟; {EXAMPLES}"));
            }
            _ => return Err(format!("`{unit}` is no unit of time; {EXAMPLES}")),
        };
        let count: f64 = number.parse().map_err(|_| EXAMPLES.to_owned())?;
        // Ten years: beyond it arithmetic on capture times would have to be watched everywhere.
        let part = Duration::try_from_secs_f64(count * seconds).ok().filter(|d| d.as_secs() <= 315_360_000);
        total += part.ok_or("a duration of more than ten years")?;
        rest = tail.trim_start();
    }
    if total.is_zero() && !zero { Err("a duration above zero is needed here".into()) } else { Ok(total) }
}

/// `format` of a duration in the schema: [`Positive`] and [`Wait`].
pub(crate) const POSITIVE: &str = "duration above zero";
pub(crate) const WAIT: &str = "duration";

macro_rules! duration {
    ($name:ident, $zero:expr, $format:expr) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                parse_duration(&text, $zero).map($name).map_err(serde::de::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "format": $format,
                    "pattern": "^([0-9.]+ *(ms|s|m|h|d|毫秒|秒钟?|分钟?|时|个?小时|天|日) *)+$",
                })
            }
        }
    };
}

duration!(Positive, false, POSITIVE);
duration!(Wait, true, WAIT);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_numbers_with_units() {
        let ok = |text| parse_duration(text, true).expect(text);
        assert_eq!(ok("30s"), Duration::from_secs(30));
        assert_eq!(ok("1h30m"), Duration::from_secs(5400));
        assert_eq!(ok("1.5s"), Duration::from_millis(1500));
        assert_eq!(ok("168h"), ok("7d"));
        for (chinese, same) in [
            ("500毫秒", "500ms"),
            ("30秒", "30s"),
            ("5分钟", "5m"),
            ("2小时", "2h"),
            ("1小时30分", "1h30m"),
            ("７天", "7d"),
        ] {
            assert_eq!(ok(chinese), ok(same), "{chinese}");
        }
        let why = parse_duration("五分钟", true).expect_err("in words");
        assert!(why.contains("digits"), "{why}");
        for bad in ["", "30", "s", "-5s", "5 weeks", "5m x", "1..2s", "99999d", "1e9d", "五分"] {
            assert!(parse_duration(bad, true).is_err(), "{bad}");
        }
        assert!(parse_duration("0s", false).is_err());
    }
}
