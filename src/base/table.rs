//! Lines and fields of the CSV files that people write.

use std::borrow::Cow;

use super::full_width::narrow;

/// The lines with content, each with its number from 1. Empty lines, lines that begin with `#` and a byte
/// order mark are skipped.
pub fn content_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let has_content = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let lines = text.trim_start_matches('\u{feff}').lines();
    lines.enumerate().map(|(i, line)| (i + 1, line)).filter(move |(_, line)| has_content(line))
}

/// The fields of one line (RFC 4180), without the white space around them. A field does not continue on the
/// next line.
pub fn csv_fields(line: &str, delimiter: u8) -> Vec<String> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(line.as_bytes());
    let mut fields = csv::StringRecord::new();
    // Reading from memory cannot fail, and the line is UTF-8.
    let _ = reader.read_record(&mut fields);
    // Some programs put a space before the quotation mark.
    fields.iter().map(|field| field.trim().trim_matches('"').trim().to_owned()).collect()
}

/// The fields of a line from a spreadsheet or a person: separated by commas, semicolons or tabs, also
/// full-width ones. Empty fields at the end, which spreadsheets add, are left out.
pub fn table_fields(line: &str) -> Vec<String> {
    let line = narrow_outside(line);
    // Spreadsheets write semicolons or tabs where the comma is the decimal sign.
    let delimiter = [b'\t', b';'].into_iter().find(|d| line.as_bytes().contains(d)).unwrap_or(b',');
    let mut fields = csv_fields(&line, delimiter);
    while fields.len() > 1 && fields.last().is_some_and(String::is_empty) {
        fields.pop();
    }
    fields
}

/// With separators, quotation marks and spaces in ASCII, but for what stands in quotation marks.
fn narrow_outside(line: &str) -> Cow<'_, str> {
    let wide = |c: char| matches!(c, '，' | '；' | '“' | '”' | '\u{3000}');
    if !line.contains(wide) {
        return Cow::Borrowed(line);
    }
    let mut quoted = false;
    let narrowed = line.chars().map(|c| match c {
        '"' | '“' | '”' => {
            quoted = !quoted;
            '"'
        }
        '，' if !quoted => ',',
        '；' if !quoted => ';',
        '\u{3000}' if !quoted => ' ',
        other => other,
    });
    Cow::Owned(narrowed.collect())
}

/// A finite number as people write it: full-width digits, a decimal comma, and the sign of its unit behind it
/// (`12.5米`, `30°`).
pub fn table_number(text: &str) -> Option<f64> {
    let text = narrow(text);
    let text = text.trim().trim_end_matches(['米', '度', '°', 'm']).trim_end();
    let plain = text.parse().ok().or_else(|| text.replacen(',', ".", 1).parse().ok());
    plain.filter(|v: &f64| v.is_finite())
}

/// An angle as [`table_number`], or in degrees, minutes and seconds: `120°37′15.2″E`, `29度42分48秒`. South and
/// west are negative.
pub fn table_degrees(text: &str) -> Option<f64> {
    if let Some(degrees) = table_number(text) {
        return Some(degrees);
    }
    let text = narrow(text);
    let is_negative = |c: char| matches!(c, 'S' | 's' | 'W' | 'w' | '南' | '西');
    let is_side =
        |c: char| is_negative(c) || matches!(c, 'N' | 'n' | 'E' | 'e' | '北' | '东' | '纬' | '经' | ' ');
    let bare = text.trim_matches(is_side);
    let sign = if text.contains(is_negative) || bare.starts_with('-') { -1.0 } else { 1.0 };
    let bare = bare.trim_start_matches('-');
    let marks = ['°', 'º', '度', '\'', '′', '’', '分', '"', '″', '”', '秒', ' '];
    let parts: Option<Vec<f64>> =
        bare.split(marks).filter(|part| !part.is_empty()).map(|part| part.parse().ok()).collect();
    let in_range = |parts: &[f64]| parts.iter().skip(1).all(|part| (0.0..60.0).contains(part));
    match parts?.as_slice() {
        parts @ [degrees, rest @ ..]
            if rest.len() <= 2 && (0.0..=360.0).contains(degrees) && in_range(parts) =>
        {
            let share = |i: usize| rest.get(i).copied().unwrap_or(0.0);
            Some(sign * (degrees + share(0) / 60.0 + share(1) / 3600.0))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn angles_may_be_in_degrees_minutes_and_seconds() {
        let seconds = 120.0 + 37.0 / 60.0 + 15.25 / 3600.0;
        for text in
            ["120°37′15.25″", "120°37'15.25\"E", "E120º37’15.25”", "东经120度37分15.25秒", "120 37 15.25"]
        {
            assert!(table_degrees(text).is_some_and(|d| (d - seconds).abs() < 1e-9), "{text}");
        }
        assert_eq!(table_degrees("29°30′S"), Some(-29.5));
        assert_eq!(table_degrees("-29°30′"), Some(-29.5));
        assert_eq!(table_degrees("29.5"), Some(29.5));
        for text in ["", "120°67′", "120°3′4″5", "north", "1e400", "120°-3′"] {
            assert_eq!(table_degrees(text), None, "{text}");
        }
    }

    #[test]
    fn lines_keep_their_numbers() {
        let text = "\u{feff}x,y\r\n\n# a note\n  # another\n1,2\n   \n3,4";
        assert_eq!(content_lines(text).collect::<Vec<_>>(), [(1, "x,y"), (5, "1,2"), (7, "3,4")]);
    }

    #[test]
    fn fields_are_separated_quoted_and_trimmed() {
        assert_eq!(csv_fields("a, b ,\"c, d\", \"e\"", b','), ["a", "b", "c, d", "e"]);
        assert_eq!(csv_fields("1;2,5;\"a \"\"b\"\" c\"", b';'), ["1", "2,5", "a \"b\" c"]);
        assert_eq!(csv_fields("1\t2\t\t", b'\t'), ["1", "2", "", ""]);
        assert_eq!(csv_fields("one", b','), ["one"]);
        assert_eq!(csv_fields("\"open, and more", b','), ["open, and more"]);
    }

    #[test]
    fn tables_of_people_have_any_separator() {
        for line in ["a.jpg,1,2", "a.jpg; 1;2;", "a.jpg\t1\t2\t\t", "a.jpg，1，　2", "a.jpg，1,2,,"] {
            assert_eq!(table_fields(line), ["a.jpg", "1", "2"], "{line}");
        }
        assert_eq!(table_fields("“一，二”，3"), ["一，二", "3"]);
    }

    #[test]
    fn numbers_of_people_may_be_wide_and_have_a_unit() {
        for text in ["12.5", "12,5", "１２．５", "12.5米", "12.5 m", " 12.5° "] {
            assert_eq!(table_number(text), Some(12.5), "{text}");
        }
        for text in ["", "NaN", "high", "1,2,3", "12..5", "米"] {
            assert_eq!(table_number(text), None, "{text}");
        }
    }
}
