//! A log line stays one line: control characters in it are written as escapes.

use std::borrow::Cow;
use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

/// Makes writers to standard error that escape control characters. The log gives each of its lines in one call.
#[derive(Clone, Copy, Debug)]
pub struct OneLine {
    /// Colours of a terminal pass: the log itself writes them, and escapes those in what it is given.
    pub colours: bool,
}

impl MakeWriter<'_> for OneLine {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        *self
    }
}

impl Write for OneLine {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        io::stderr().lock().write_all(escape(line, self.colours).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Only the end of the line stays as it is.
fn escape(line: &[u8], colours: bool) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(line);
    let body = text.strip_suffix('\n').unwrap_or(&text);
    let passes = |c: char| !c.is_control() || (colours && c == '\u{1b}');
    if body.chars().all(passes) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in body.chars() {
        if passes(c) {
            out.push(c);
        } else {
            out.extend(c.escape_default());
        }
    }
    out.push_str(&text[body.len()..]);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_text_makes_no_line_of_its_own() {
        let hostile = "<4>refused: x\n<0>KERNEL: deleted by admin\r\u{1b}[2J\u{9b}1m\n";
        let line = escape(hostile.as_bytes(), false);
        assert_eq!(line, "<4>refused: x\\n<0>KERNEL: deleted by admin\\r\\u{1b}[2J\\u{9b}1m\n");
        assert_eq!(escape("乱堆物料\n".as_bytes(), false), "乱堆物料\n");
        assert_eq!(escape(b"\x1b[31mred\x1b[0m\n", true), "\u{1b}[31mred\u{1b}[0m\n");
    }
}
