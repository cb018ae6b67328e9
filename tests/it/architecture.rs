//! The import rules of ARCHITECTURE.md, read from the source itself: the order of `pub mod` in src/lib.rs is
//! the order in which the data flows, and a stage knows only what stands above it.
#![allow(clippy::unwrap_used, reason = "helpers of tests too")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::root;

/// These wire everything together, so they may import everything.
const WIRING: [&str; 3] = ["app::node", "cli", "main"];

/// A crate, or a part of the standard library, and the modules that may name it.
const DOORS: &[(&str, &[&str])] = &[
    ("gstreamer", &["ingest", "decode", "evidence"]),
    ("gstreamer_app", &["ingest", "decode", "evidence"]),
    ("gstreamer_video", &["ingest", "decode", "evidence"]),
    ("retina", &["ingest"]),
    ("ort", &["detect"]),
    ("opencv", &["draw", "calibration", "motion", "compare::vision"]),
    ("rusqlite", &["outbox"]),
    ("rumqttc", &["publish", "receive", "cli::receive", "cli::check"]),
];

/// What a stage that replays bit for bit must not know.
const PURE: [&str; 11] = [
    "observation",
    "track",
    "change",
    "geo",
    "rules",
    "wire",
    "scene::camera",
    "scene::drone",
    "scene::drone_log",
    "scene::placing",
    "scene::tamper",
];
const IMPURE: [&str; 9] = [
    "std::fs",
    "std::net",
    "std::thread",
    "std::process",
    "std::env",
    "std::time::Instant",
    "std::time::SystemTime",
    "tokio",
    "rand",
];

/// Lines of one file, its tests left out.
const MAX_LINES: usize = 500;

/// One file of src without its comments and tests.
struct Source {
    path: PathBuf,
    /// `ring::buffer` for src/ring/buffer.rs.
    module: String,
    lines: usize,
    /// Everything that it names by a path, written out: `std::fs::File` for `use std::{fs::File}`.
    names: BTreeSet<String>,
    /// Of these, what it hands on by `pub use`.
    handed_on: BTreeSet<String>,
}

impl Source {
    fn read(path: &Path) -> Self {
        let within = path.strip_prefix(root().join("src")).unwrap().with_extension("");
        let module = within.to_str().unwrap().replace('/', "::");
        let module = module.trim_end_matches("::mod").to_owned();
        let text = without_tests(&fs::read_to_string(path).unwrap());
        let (names, handed_on) = (names(&text), handed_on(&text));
        Self { path: path.to_path_buf(), module, lines: text.lines().count(), names, handed_on }
    }

    fn stage(&self) -> &str {
        self.module.split("::").next().unwrap()
    }

    fn names_any(&self, wanted: &str) -> bool {
        self.names.iter().any(|n| is_within(n, wanted))
    }
}

fn is_within(name: &str, module: &str) -> bool {
    name.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// All files of src but those of tests.
fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() && name != "tests" {
                folders.push(path);
            } else if name.ends_with(".rs") && name != "tests.rs" {
                found.push(Source::read(&path));
            }
        }
    }
    assert!(found.len() > 20, "the sources are found");
    found
}

/// In this house tests come last in a file.
fn without_tests(text: &str) -> String {
    let tests = text.find("\n#[cfg(test)]\nmod ").unwrap_or(text.len());
    text[..tests].to_owned()
}

/// Paths of `use` declarations, and paths named in the code; comments do not count.
fn names(text: &str) -> BTreeSet<String> {
    let code: Vec<&str> = text.lines().map(|l| l.split("//").next().unwrap_or("")).collect();
    let code = code.join("\n");
    let mut found = BTreeSet::new();
    for statement in code.split(';') {
        // A `use` may follow an attribute, a brace or a visibility.
        if let Some(start) =
            statement.rfind("use ").filter(|&i| i == 0 || statement[..i].ends_with([' ', '\n']))
        {
            let tree: String = statement[start + 4..].split_whitespace().collect::<Vec<_>>().join(" ");
            expand("", &tree, &mut found);
        }
    }
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    for word in code.split(|c| !is_path(c)).filter(|w| w.contains("::")) {
        found.insert(word.trim_matches(':').to_owned());
    }
    found
}

/// `a::{b::c, d as e}` names `a::b::c` and `a::d`.
fn expand(prefix: &str, tree: &str, found: &mut BTreeSet<String>) {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        let name = tree.split(" as ").next().unwrap_or(tree).trim();
        found.insert(format!("{prefix}{name}").trim_end_matches("::self").to_owned());
        return;
    };
    let prefix = format!("{prefix}{}", tree[..open].trim());
    let inner = tree[open + 1..].trim_end().strip_suffix('}').unwrap_or(&tree[open + 1..]);
    let (mut depth, mut start) = (0, 0);
    for (i, c) in inner.char_indices().chain([(inner.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !inner[start..i].trim().is_empty() {
                    expand(&prefix, &inner[start..i], found);
                }
                start = i + 1;
            }
            _ => {}
        }
    }
}

/// Paths of `pub use` and `pub(...) use` declarations.
fn handed_on(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for statement in text.split(';') {
        let Some(line) = statement.lines().find(|l| l.starts_with("pub") && l.contains("use ")) else {
            continue;
        };
        let Some(start) = statement.find(line).map(|i| i + line.find("use ").unwrap_or(0)) else { continue };
        let tree: String = statement[start + 4..].split_whitespace().collect::<Vec<_>>().join(" ");
        expand("", &tree, &mut found);
    }
    found
}

/// Which file imports which, by module. What a folder's face (`mod.rs`) hands on counts as an import of the
/// file that defines it, and handing on is no import.
struct Imports {
    of: BTreeMap<String, BTreeSet<String>>,
}

impl Imports {
    fn of(sources: &[Source]) -> Self {
        let faces: BTreeMap<&str, &Source> = sources.iter().map(|s| (s.module.as_str(), s)).collect();
        let of = |source: &Source| {
            // A tree of `pub use` names its root too.
            let taken = source.names.iter().filter(|n| !source.handed_on.iter().any(|h| is_within(h, n)));
            let files = taken.filter_map(|name| resolve(&faces, absolute(&faces, &source.module, name), 8));
            files.filter(|m| *m != source.module && m != "lib" && m != "main").collect()
        };
        Self { of: sources.iter().map(|s| (s.module.clone(), of(s))).collect() }
    }

    /// Everything that a file reaches by its imports and by theirs.
    fn reached(&self, from: &str) -> BTreeSet<&str> {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(module) = open.pop() {
            for next in self.of.get(module).into_iter().flatten() {
                if seen.insert(next.as_str()) {
                    open.push(next);
                }
            }
        }
        seen
    }

    /// Groups of files that all reach each other.
    fn circles(&self) -> Vec<Vec<&str>> {
        let reached: BTreeMap<&str, BTreeSet<&str>> =
            self.of.keys().map(|m| (m.as_str(), self.reached(m))).collect();
        let mut circles = BTreeSet::new();
        for (module, all) in reached.iter().filter(|(module, all)| all.contains(*module)) {
            circles.insert(all.iter().filter(|m| reached[*m].contains(module)).copied().collect::<Vec<_>>());
        }
        circles.into_iter().collect()
    }
}

/// A path from the crate's root, for one that is named in `module`.
fn absolute(faces: &BTreeMap<&str, &Source>, module: &str, name: &str) -> Vec<String> {
    let mut own: Vec<&str> = module.split("::").collect();
    let mut parts: Vec<&str> = name.split("::").collect();
    match parts[0] {
        "crate" => own.clear(),
        "self" => {}
        "super" => {
            while parts.first() == Some(&"super") {
                own.pop();
                parts.remove(0);
            }
            return own.into_iter().chain(parts).map(str::to_owned).collect();
        }
        first if faces.contains_key(format!("{module}::{first}").as_str()) => {
            return own.into_iter().chain(parts).map(str::to_owned).collect();
        }
        _ => return parts.into_iter().map(str::to_owned).collect(),
    }
    own.into_iter().chain(parts.into_iter().skip(1)).map(str::to_owned).collect()
}

/// The file that defines what a path names; `None`: it is none of ours.
fn resolve(faces: &BTreeMap<&str, &Source>, path: Vec<String>, depth: u32) -> Option<String> {
    for n in (1..=path.len()).rev() {
        let module = path[..n].join("::");
        let Some(face) = faces.get(module.as_str()) else { continue };
        let wanted = path.get(n).filter(|_| depth > 0);
        let handed_on = wanted.and_then(|w| face.handed_on.iter().find(|h| h.rsplit("::").next() == Some(w)));
        if let Some(handed_on) = handed_on {
            let mut further = absolute(faces, &module, handed_on);
            further.extend_from_slice(&path[n + 1..]);
            if let Some(found) = resolve(faces, further, depth - 1) {
                return Some(found);
            }
        }
        return Some(module);
    }
    None
}

/// The stages of src/lib.rs, from the first to the last.
fn stages() -> Vec<String> {
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let stage = |l: &str| Some(l.strip_prefix("pub mod ")?.strip_suffix(';')?.to_owned());
    lib.lines().filter_map(stage).collect()
}

fn assert_none(broken: Vec<String>) {
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn a_stage_imports_only_what_stands_above_it() {
    let stages = stages();
    let place = |name: &str| stages.iter().position(|s| s == name);
    let mut broken = Vec::new();
    let wires = |s: &Source| WIRING.iter().any(|wiring| is_within(&s.module, wiring));
    for source in sources().iter().filter(|s| s.module != "lib" && !wires(s)) {
        let own = place(source.stage()).unwrap_or_else(|| panic!("{} is not in lib.rs", source.module));
        for name in &source.names {
            let Some(other) = name.strip_prefix("crate::").and_then(|n| n.split("::").next()) else {
                continue;
            };
            if place(other).is_some_and(|p| p > own) {
                broken.push(format!(
                    "{}: {name}: {other} stands below {}",
                    source.path.display(),
                    source.stage()
                ));
            }
        }
    }
    assert_none(broken);
}

#[test]
fn each_foreign_library_is_named_only_behind_its_door() {
    let mut broken = Vec::new();
    for source in sources() {
        for (library, doors) in DOORS {
            if source.names_any(library) && !doors.iter().any(|d| is_within(&source.module, d)) {
                broken.push(format!("{}: {library} belongs to {doors:?}", source.path.display()));
            }
        }
    }
    assert_none(broken);
}

#[test]
fn the_inference_library_and_opencv_have_one_file_a_stage() {
    for (library, doors) in DOORS.iter().filter(|(library, _)| ["ort", "opencv"].contains(library)) {
        for door in *doors {
            let sources = sources();
            let inside = sources.iter().filter(|s| is_within(&s.module, door) && s.names_any(library));
            let files: Vec<_> = inside.map(|s| &s.path).collect();
            assert!(files.len() <= 1, "{library} is named in {files:?}");
        }
    }
}

#[test]
fn tracks_places_and_rules_touch_nothing_but_their_input() {
    let mut broken = Vec::new();
    for source in sources().iter().filter(|s| PURE.iter().any(|pure| is_within(&s.module, pure))) {
        let clocks = ["crate::base::wall_now", "crate::base::monotonic"];
        for name in IMPURE.iter().chain(&clocks).filter(|n| source.names_any(n)) {
            broken.push(format!("{}: {name} in a pure stage", source.path.display()));
        }
    }
    assert_none(broken);
}

#[test]
fn no_file_is_too_long_to_read() {
    let long = sources().into_iter().filter(|s| s.lines > MAX_LINES);
    assert_none(
        long.map(|s| format!("{}: {} lines, {MAX_LINES} at most", s.path.display(), s.lines)).collect(),
    );
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let sources = sources();
    let imports = Imports::of(&sources);
    assert!(imports.of.values().map(BTreeSet::len).sum::<usize>() > 500, "the imports are found");
    assert_none(imports.circles().into_iter().map(|circle| circle.join(" <-> ")).collect());
}

#[test]
fn a_circle_is_seen_through_what_a_folder_hands_on() {
    let source = |module: &str, text: &str| Source {
        path: PathBuf::new(),
        module: module.to_owned(),
        lines: 0,
        names: names(text),
        handed_on: handed_on(text),
    };
    let sources = [
        source("a", "mod x;\nmod y;\npub use x::X;\n"),
        source("a::x", "use super::y::Y;\npub struct X;\n"),
        source("a::y", "use crate::b::B;\n"),
        source("b", "use crate::a::X;\n"),
    ];
    assert_eq!(Imports::of(&sources).circles(), [["a::x", "a::y", "b"]]);
}

#[test]
fn the_reader_of_imports_sees_what_it_must() {
    let found = names(
        "//! crate::above::Comment\nuse std::{fs::{self, File}, io as other};\npub(crate) use crate::ring::{Ring,\n    \
         RingClip};\nfn f() { std::thread::sleep(crate::base::wall_now()) } // crate::app::X\n#[cfg(unix)]\nuse ort;\n",
    );
    for wanted in [
        "std::fs",
        "std::fs::File",
        "std::io",
        "crate::ring::Ring",
        "crate::ring::RingClip",
        "std::thread::sleep",
        "crate::base::wall_now",
        "ort",
    ] {
        assert!(found.contains(wanted), "{wanted} is not in {found:?}");
    }
    assert!(
        !found.iter().any(|n| n.contains("above") || n.contains("app")),
        "comments do not count: {found:?}"
    );
    assert_eq!(without_tests("a\n#[cfg(test)]\nmod tests {}\n"), "a");
}
