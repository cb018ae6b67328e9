//! Lines and fields of the CSV files that people write.

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
