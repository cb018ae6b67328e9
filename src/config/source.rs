//! The files of a config in memory, so that any value can be traced to its line.
//!
//! All files share one space of byte offsets, as compilers do it: a value keeps its origin through every
//! merge of defaults, profiles and cameras, and no value has to name its file.

use std::ops::Range;
use std::path::{Path, PathBuf};

/// Bytes in the space of all files of a [`Sources`].
pub(crate) type Span = Range<usize>;

#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    files: Vec<SourceFile>,
    /// Folders that a pattern of `include` looks into.
    folders: Vec<PathBuf>,
}

#[derive(Clone, Debug)]
pub(crate) struct SourceFile {
    /// As the operator would write it.
    pub(crate) path: PathBuf,
    /// Written into the program, so that no path of it leads anywhere.
    pub(crate) built_in: bool,
    text: String,
    base: usize,
}

/// A location in a file; lines and columns count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location<'a> {
    pub(crate) path: &'a Path,
    pub(crate) line: usize,
    pub(crate) column: usize,
    /// The whole line without its end.
    pub(crate) text: &'a str,
    /// Bytes of `text` that the span covers; it ends with the line.
    pub(crate) within: Range<usize>,
}

impl Sources {
    /// Takes a file in and gives the offset of its first byte.
    pub(crate) fn add(&mut self, path: &Path, text: &str, built_in: bool) -> usize {
        // One byte between two files, so that the end of one is not the start of the next.
        let base = self.files.last().map_or(0, |f| f.base + f.text.len() + 1);
        self.files.push(SourceFile { path: path.to_owned(), built_in, text: hide_secrets(text), base });
        base
    }

    pub(crate) fn add_folder(&mut self, folder: &Path) {
        self.folders.push(folder.to_owned());
    }

    /// Files and folders of the operator that were read.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        let files = self.files.iter().filter(|f| !f.built_in).map(|f| f.path.as_path());
        files.chain(self.folders.iter().map(PathBuf::as_path))
    }

    pub(crate) fn file(&self, offset: usize) -> &SourceFile {
        let after = self.files.partition_point(|f| f.base <= offset);
        &self.files[after.saturating_sub(1)]
    }

    pub(crate) fn location(&self, span: &Span) -> Location<'_> {
        let file = self.file(span.start);
        let start = floor_boundary(&file.text, span.start - file.base);
        let end = floor_boundary(&file.text, span.end.max(span.start) - file.base);
        let line_start = file.text[..start].rfind('\n').map_or(0, |i| i + 1);
        let line_end = file.text[start..].find('\n').map_or(file.text.len(), |i| start + i);
        let text = file.text[line_start..line_end].trim_end_matches('\r');
        Location {
            path: &file.path,
            line: file.text[..start].matches('\n').count() + 1,
            column: file.text[line_start..start].chars().count() + 1,
            text,
            within: (start - line_start).min(text.len())..(end.min(line_end) - line_start).min(text.len()),
        }
    }

    /// Relative paths stand relative to the file that they stand in; those of built-in files to the main
    /// file.
    pub(crate) fn resolve(&self, path: &str, span: &Span) -> PathBuf {
        let stated = self.file(span.start);
        let file = if stated.built_in { self.main() } else { stated };
        file.path.parent().unwrap_or(Path::new("")).join(path)
    }

    /// `file:line:column`.
    pub(crate) fn locate(&self, span: &Span) -> String {
        let location = self.location(span);
        format!("{}:{}:{}", location.path.display(), location.line, location.column)
    }

    /// The text of the file that holds the span, and the span within it.
    pub(crate) fn text_around(&self, span: &Span) -> (&SourceFile, &str, Span) {
        let file = self.file(span.start);
        let end = (span.end - file.base).min(file.text.len());
        (file, &file.text, (span.start - file.base).min(end)..end)
    }

    fn main(&self) -> &SourceFile {
        self.files.iter().find(|f| !f.built_in).unwrap_or(&self.files[0])
    }
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Stars over what may be a password, byte for byte, so that offsets stay true and no message can show it.
///
/// Works on the text and not on the parsed tree: a line with a syntax error may hold a password too.
fn hide_secrets(text: &str) -> String {
    text.split_inclusive('\n').map(hide_in_line).collect()
}

fn hide_in_line(line: &str) -> String {
    let mut bytes = line.as_bytes().to_vec();
    let lower = line.to_ascii_lowercase();
    for (sign, _) in lower.match_indices('=') {
        if names_secret(&lower[..sign]) {
            let from = sign + 1;
            // Up to the end of the string where there is one, else the rest of the line.
            let value = &lower[from..];
            let to = match value.trim_start().chars().next() {
                Some(q @ ('"' | '\'')) => {
                    let open = value.find(q).unwrap_or(0) + 1;
                    value[open..].find(q).map_or(value.len(), |i| open + i + 1)
                }
                _ => value.find([',', '}']).unwrap_or(value.len()),
            };
            star(&mut bytes[from..from + to]);
        }
    }
    for (at, _) in lower.match_indices("://") {
        let from = at + 3;
        let authority = lower[from..].find(['/', '"', '\'', ' ', '\n']).unwrap_or(lower.len() - from);
        // A password may hold a slash, which is wrong in a URL and no reason to show it.
        let end = lower[from..].find(['"', '\'', ' ', '\n']).unwrap_or(lower.len() - from);
        let reach = if lower[from..from + authority].contains('@') { authority } else { end };
        if let Some(sign) = lower[from..from + reach].rfind('@') {
            star(&mut bytes[from..from + sign]);
        }
    }
    // What is left of a URL whose beginning somebody deleted.
    for (sign, _) in lower.match_indices('@') {
        let from = lower[..sign].rfind(['"', '\'', ' ', '=']).map_or(0, |i| i + 1);
        let before = &lower[from..sign];
        if before.contains(':') && !before.contains("://") {
            star(&mut bytes[from..sign]);
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| "*".repeat(line.len()))
}

/// Is the key before an equals sign one for a password, well spelled or not?
fn names_secret(before: &str) -> bool {
    let before = before.trim_end().trim_end_matches(['"', '\'']);
    let start =
        before.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-').map_or(0, |i| i + 1);
    let key = before.get(start..).unwrap_or_default();
    let place = ["_env", "_file", "_credential"].iter().any(|end| key.ends_with(end));
    let named = ["pass", "pwd", "secret", "token"].iter().any(|word| key.contains(word));
    !place && (named || strsim::damerau_levenshtein(key, "password") <= 3)
}

fn star(bytes: &mut [u8]) {
    for byte in bytes.iter_mut().filter(|b| !matches!(b, b'\n' | b'\r' | b'"' | b'\'' | b' ')) {
        *byte = b'*';
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_starred_wherever_they_stand() {
        for (line, shown) in [
            ("password = \"geheim\"\n", "password = \"******\"\n"),
            ("password = \"offen\n", "password = \"*****\n"),
            (
                "rtsp = { password = 'a b', transport = \"udp\" }",
                "rtsp = { password = '* *', transport = \"udp\" }",
            ),
            ("url = \"rtsp://u:p@10.0.0.1/s\"", "url = \"rtsp://***@10.0.0.1/s\""),
            ("url = \"rtsp://u:a/b@10.0.0.1/s\"", "url = \"rtsp://*****@10.0.0.1/s\""),
            ("url = \"rtsp://10.0.0.1/s\" # 中文", "url = \"rtsp://10.0.0.1/s\" # 中文"),
            ("u:geheim@10.0.0.1/s\"", "********@10.0.0.1/s\""),
            ("pasword = \"geheim\"", "pasword = \"******\""),
            ("\"rtsp.pwd\" = 'geheim' # x", "\"rtsp.pwd\" = '******' # x"),
            ("password_env = \"GATE\"", "password_env = \"GATE\""),
            ("password = \"密码\"", "password = \"******\""),
        ] {
            assert_eq!(hide_in_line(line), shown);
        }
    }

    #[test]
    fn a_span_finds_its_file_line_and_column() {
        let mut sources = Sources::default();
        sources.add(Path::new("a.toml"), "x = 1\n", false);
        let base = sources.add(Path::new("b.toml"), "# 中文\nname = \"中\" # tail\n", false);
        let at = base + "# 中文\nname = \"中\" ".len();
        let location = sources.location(&(at..at + 6));
        assert_eq!((location.path, location.line, location.column), (Path::new("b.toml"), 2, 12));
        assert_eq!(&location.text[location.within.clone()], "# tail");
    }
}
