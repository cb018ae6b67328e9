//! An error either says its cause in its message or gives it as its source, never both: whoever prints the
//! chain would print the cause twice.
#![allow(clippy::unwrap_used, reason = "helpers of tests too")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use lintel::base::error_chain;
use lintel::calibration::{load_dem, load_mosaic};
use lintel::detect::ModelManifest;
use lintel::drone::read_still;

use crate::support::root;

/// One `#[error(..)]` with the variant or struct that it belongs to.
struct Declared<'a> {
    message: &'a str,
    item: &'a str,
}

impl Declared<'_> {
    /// How the message would name the source: the field's name, or its place in a tuple. `None` where there
    /// is no source.
    fn source(&self) -> Option<String> {
        let field = |marked: &str| {
            let before = self.item.find(marked)?;
            let rest = self.item[before + marked.len()..].trim_start();
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let named = rest[name.len()..].starts_with(':') && !rest[name.len()..].starts_with("::");
            let place = self.item[..before].matches(',').count();
            Some(if named { name } else { place.to_string() })
        };
        let implicit = || self.item.contains(" source:").then(|| "source".to_owned());
        field("#[source]").or_else(|| field("#[from]")).or_else(implicit)
    }

    fn says_its_source_twice(&self) -> bool {
        let Some(source) = self.source() else { return false };
        let message = self.message;
        let named = |before: &str| {
            let pattern = format!("{before}{source}");
            message.match_indices(&pattern).any(|(at, _)| {
                let next = message[at + pattern.len()..].chars().next();
                next.is_none_or(|c| !c.is_alphanumeric() && c != '_')
            })
        };
        named("{") || named(".") || named(", ")
    }
}

/// Every `#[error(..)]` of a file.
fn declared(text: &str) -> Vec<Declared<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("#[error(") {
        let (message, after) =
            rest[at + "#[error(".len()..].split_at(length(&rest[at + "#[error(".len()..], ')'));
        let after = after.trim_start_matches(")]");
        // The fields, or a struct of its own up to its end.
        let item = &after[..length(after, ',')];
        found.push(Declared { message, item });
        rest = after;
    }
    found
}

/// How much of the text comes before `end` or a closing bracket that nothing opened, strings and brackets
/// skipped.
fn length(text: &str, end: char) -> usize {
    let (mut depth, mut quoted, mut escaped) = (0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            c if depth == 0 && (c == end || c == ';' || ")}]".contains(c)) => return at,
            '(' | '{' | '[' => depth += 1,
            ')' | '}' | ']' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn no_message_repeats_the_source_of_its_error() {
    let mut files = Vec::new();
    rust_files(&root().join("src"), &mut files);
    rust_files(&root().join("tools"), &mut files);
    let mut with_source = 0;
    let mut wrong = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        for error in declared(&text) {
            with_source += usize::from(error.source().is_some());
            if error.says_its_source_twice() {
                wrong.push(format!("{}: {}", path.display(), error.message));
            }
        }
    }
    assert!(with_source > 30, "only {with_source} errors with a source were found");
    assert!(wrong.is_empty(), "the message names what is also the source:\n{}", wrong.join("\n"));
}

#[test]
fn the_check_sees_each_form_of_a_source() {
    let twice = [
        r#"#[error("cannot read {}: {source}", path.display())] Io { path: PathBuf, source: io::Error },"#,
        r#"#[error("no thread: {0}")] Thread(#[source] io::Error),"#,
        r#"#[error("{0}")] Inner(#[from] Inner),"#,
        r#"#[error("OpenCV: {}", .0.message)] pub struct Vision(#[from] opencv::Error);"#,
        r#"#[error("{1} of {0}")] Second(String, #[source] io::Error),"#,
        r#"#[error("it fails: {cause:?}")] Named { #[source] cause: io::Error },"#,
    ];
    for text in twice {
        assert!(declared(text)[0].says_its_source_twice(), "{text}");
    }
    let once = [
        r#"#[error("cannot read {}", path.display())] Io { path: PathBuf, source: io::Error },"#,
        r#"#[error(transparent)] Inner(#[from] Inner),"#,
        r#"#[error("no thread: {0}")] Thread(io::Error),"#,
        r#"#[error("the {sources} of it")] Other { sources: usize, #[source] cause: io::Error },"#,
        r#"#[error("{0} fails")] Second(String, #[source] io::Error),"#,
    ];
    for text in once {
        assert!(!declared(text)[0].says_its_source_twice(), "{text}");
    }
}

/// Each cause stands in the line once.
fn says_each_cause_once(error: impl Error + Send + Sync + 'static, causes: &[&str]) {
    let chain = error_chain(&error);
    let printed = format!("{:#}", anyhow::Error::new(error));
    assert_eq!(chain, printed, "the log and the command line say the same");
    for cause in causes {
        assert_eq!(printed.matches(cause).count(), 1, "{cause} in {printed}");
    }
}

#[test]
fn printed_chains_say_each_cause_once() {
    let place = tempfile::tempdir().unwrap();
    let text = place.path().join("text.tif");
    fs::write(&text, "no picture").unwrap();
    let none = place.path().join("none.tif");
    says_each_cause_once(load_dem(&text).err().unwrap(), &["text.tif", "not a TIFF", "signature"]);
    says_each_cause_once(load_dem(&none).err().unwrap(), &["none.tif", "cannot open", "No such file"]);
    says_each_cause_once(load_mosaic(&text).err().unwrap(), &["text.tif", "not a TIFF", "signature"]);
    says_each_cause_once(load_mosaic(&none).err().unwrap(), &["none.tif", "cannot open", "No such file"]);
    says_each_cause_once(read_still(&text).err().unwrap(), &["text.tif", "no JPEG"]);
    says_each_cause_once(read_still(&none).err().unwrap(), &["none.tif", "No such file"]);
    says_each_cause_once(ModelManifest::load(&none).err().unwrap(), &["cannot be read", "No such file"]);
}
