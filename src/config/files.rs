//! Reads the main file and all that it includes, before anything is checked.

use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::problem::Problem;
use super::source::{Sources, Span};
use crate::base::read_text;

/// A file of the config with its text as it is; `base` places it in [`Sources`].
pub(crate) struct FileText {
    pub(crate) text: String,
    pub(crate) base: usize,
}

pub(crate) struct Files {
    pub(crate) main: FileText,
    pub(crate) cameras: Vec<FileText>,
    pub(crate) catalogue: Option<FileText>,
    /// GeoJSON: `map.zones` and `map.permits`.
    pub(crate) zones: Option<FileText>,
    pub(crate) permits: Option<FileText>,
}

/// `None`: the main file cannot be read, and the problem says so.
pub(crate) fn read_all(
    main: &Path,
    sources: &mut Sources,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<(Span, String)>,
) -> Option<Files> {
    let text = match read_text(main) {
        Ok(text) => text,
        Err(error) => {
            let message = format!("cannot read {}: {error}", main.display());
            let help = match error.kind() {
                std::io::ErrorKind::InvalidData => "a config is a text file in UTF-8",
                _ => {
                    "give the config file with --config FILE; config/lintel.example.toml is one to start from"
                }
            };
            problems.push(Problem::nowhere(message).help(help));
            return None;
        }
    };
    let base = sources.add(main, &text, false);
    // Mistakes in these two keys are reported with all others, when the structure is checked.
    let (root, _) = DeTable::parse_recoverable(&text);
    let at = |span: Span| span.start + base..span.end + base;
    let root = root.into_inner();

    let mut cameras = Vec::new();
    let mut seen: Vec<(PathBuf, Span)> = vec![(real(main), base..base)];
    if let Some(DeValue::Array(patterns)) = root.get("include").map(|v| v.get_ref()) {
        for pattern in patterns.iter() {
            let Some(name) = pattern.get_ref().as_str() else { continue };
            let span = at(pattern.span());
            let (_, shown, within) = sources.text_around(&span);
            // A list that is not closed includes the lines after it. A password there is no file, and is not
            // shown.
            if shown.get(within) != text.get(pattern.span()) {
                continue;
            }
            for path in matches(name, &span, sources, problems, warnings) {
                if let Some((_, first)) = seen.iter().find(|(p, _)| *p == real(&path)) {
                    let twice = Problem::new(&span, format!("{} is included twice", path.display()))
                        .help("take one of the two away; a pattern may match a file that is named too");
                    let main_file = first.start == first.end;
                    problems.push(if main_file {
                        twice.label("the file itself")
                    } else {
                        twice.also(first, "first included here")
                    });
                    continue;
                }
                seen.push((real(&path), span.clone()));
                cameras.extend(read(&path, &span, sources, problems));
            }
        }
    }
    let mut named = |section: &str, key: &str| {
        let file = root.get(section).and_then(|c| c.get_ref().get(key))?;
        let (text, span) = (file.get_ref().as_str()?, at(file.span()));
        read(&sources.resolve(text, &span), &span, sources, problems)
    };
    let catalogue = named("catalogue", "file");
    let (zones, permits) = (named("map", "zones"), named("map", "permits"));
    drop(root);
    Some(Files { main: FileText { text, base }, cameras, catalogue, zones, permits })
}

fn read(path: &Path, span: &Span, sources: &mut Sources, problems: &mut Vec<Problem>) -> Option<FileText> {
    match read_text(path) {
        Ok(text) => {
            let base = sources.add(path, &text, false);
            Some(FileText { text, base })
        }
        Err(error) => {
            problems.push(
                Problem::new(span, format!("cannot read {}: {error}", path.display()))
                    .help("paths are relative to the file that they stand in"),
            );
            None
        }
    }
}

/// The files of one entry of `include`, in order of their names.
fn matches(
    pattern: &str,
    span: &Span,
    sources: &mut Sources,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<(Span, String)>,
) -> Vec<PathBuf> {
    let path = sources.resolve(pattern, span);
    if !pattern.contains(['*', '?', '[']) {
        return vec![path];
    }
    // A file that comes or goes there changes the folder.
    if let Some(folder) = path.ancestors().find(|part| !part.to_string_lossy().contains(['*', '?', '['])) {
        sources.add_folder(folder);
    }
    match glob::glob(&path.to_string_lossy()) {
        Ok(found) => {
            let found: Vec<PathBuf> = found.filter_map(Result::ok).collect();
            if found.is_empty() {
                warnings.push((span.clone(), format!("no file matches {}", path.display())));
            }
            found
        }
        Err(error) => {
            problems.push(
                Problem::new(span, format!("`{pattern}` is not a pattern: {}", error.msg))
                    .help("`*` stands for any part of a name, for example `cameras/*.toml`"),
            );
            Vec::new()
        }
    }
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
