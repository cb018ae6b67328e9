//! The frame of a subtitle file: records with their number and time. Takes what players take: any line ends,
//! a byte order mark, HTML tags, missing or doubled empty lines, missing times.

use crate::base::MediaTime;

/// One subtitle.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Record {
    /// As counted here, from 1; the file's own numbers may repeat.
    pub number: usize,
    pub begins: Option<MediaTime>,
    /// Its lines without tags, each ended by a line feed.
    pub body: String,
}

/// All records; one without any text is none.
pub(super) fn records(text: &str) -> Vec<Record> {
    let mut found: Vec<Record> = Vec::new();
    let mut open: Option<Record> = None;
    let mut count = 0;
    let mut begin = |found: &mut Vec<Record>, open: &mut Option<Record>| {
        found.extend(open.take().filter(|r| !r.body.is_empty() || r.begins.is_some()));
        count += 1;
        *open = Some(Record { number: count, begins: None, body: String::new() });
    };
    for line in text.trim_start_matches('\u{feff}').lines() {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        if line.bytes().all(|b| b.is_ascii_digit()) {
            begin(&mut found, &mut open);
            continue;
        }
        if let Some((from, _)) = line.split_once("-->") {
            if open.as_ref().is_none_or(|r| r.begins.is_some() || !r.body.is_empty()) {
                begin(&mut found, &mut open);
            }
            if let Some(record) = &mut open {
                record.begins = time(from.trim());
            }
            continue;
        }
        if open.is_none() {
            begin(&mut found, &mut open);
        }
        if let Some(record) = &mut open {
            record.body.push_str(&without_tags(line));
            record.body.push('\n');
        }
    }
    found.extend(open.filter(|r| !r.body.is_empty() || r.begins.is_some()));
    // Numbers of records that were nothing are not counted.
    for (i, record) in found.iter_mut().enumerate() {
        record.number = i + 1;
    }
    found
}

/// `00:15:04,904`, also with a point; `None` if it is no time.
fn time(text: &str) -> Option<MediaTime> {
    let mut parts = text.splitn(3, ':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    let (seconds, fraction) = seconds.split_once([',', '.']).unwrap_or((seconds, "0"));
    let number = |s: &str| s.trim().parse::<u32>().ok().map(i64::from);
    let whole = number(hours)? * 3600 + number(minutes)? * 60 + number(seconds)?;
    let digits = fraction.get(..fraction.len().min(6))?;
    let micros = number(digits)? * 10i64.pow(6 - u32::try_from(digits.len()).ok()?);
    Some(MediaTime(whole * 1_000_000 + micros))
}

/// Without `<...>`; a tag that does not end is text.
fn without_tags(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(open) = rest.find('<') {
        let Some(close) = rest[open..].find('>') else { break };
        out.push_str(&rest[..open]);
        rest = &rest[open + close + 1..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds_or_none() {
        assert_eq!(time("00:15:04,904"), Some(MediaTime(904_904_000)));
        assert_eq!(time("01:00:00.5"), Some(MediaTime(3_600_500_000)));
        assert_eq!(time("00:00:07"), Some(MediaTime(7_000_000)));
        for wrong in ["", "7", "00:00", "aa:bb:cc", "00:00:-1,0", "0:0:1,\u{e9}\u{e9}\u{e9}\u{e9}"] {
            assert_eq!(time(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn missing_empty_lines_and_missing_times_still_make_records() {
        let text = "\u{feff}1\r\n00:00:00,000 --> 00:00:01,000\r\n<b>one</b>\r\n2\r\n00:00:01,000 --> 00:00:02,000\r\ntwo\r\n\r\n\r\n3\r\nthree\r\n00:00:05,000 --> 00:00:06,000\r\nfour";
        let found = records(text);
        let shown: Vec<_> =
            found.iter().map(|r| (r.number, r.begins.map(|b| b.0), r.body.as_str())).collect();
        let expected = [
            (1, Some(0), "one\n"),
            (2, Some(1_000_000), "two\n"),
            (3, None, "three\n"),
            (4, Some(5_000_000), "four\n"),
        ];
        assert_eq!(shown, expected);
        assert!(records("").is_empty() && records("1\n\n2\n").is_empty());
    }
}
