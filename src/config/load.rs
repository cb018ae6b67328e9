//! From files to the checked config: read, parse, check the structure, lay the layers over each other, build.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use jiff::tz::TimeZone;
use serde_json::Value;
use toml::de::{DeTable, DeValue};

use super::build::{Builder, Secrets};
use super::built_in::{CATALOGUE, DEFAULTS};
use super::catalogue::Catalogue;
use super::files::{self, FileText, Files};
use super::loaded::Loaded;
use super::problem::{ConfigErrors, Problem, suggest};
use super::raw::{RawCamera, RawFlightArea, RawSections, RawSettings};
use super::schema;
use super::source::{Sources, Span};
use super::structure::Structure;
use super::tree::{merge, read, take_table, take_tables, text_at};
use crate::base::{Syntax, strays};

/// Reads a config and all that it includes.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn load(path: &Path) -> Result<Loaded, ConfigErrors> {
    load_with(path, Secrets::Fetch)
}

/// As [`load`], but passwords are not fetched, so that footage can be replayed away from the node.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn load_without_secrets(path: &Path) -> Result<Loaded, ConfigErrors> {
    load_with(path, Secrets::Leave)
}

fn load_with(path: &Path, secrets: Secrets) -> Result<Loaded, ConfigErrors> {
    let mut sources = Sources::default();
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    let built_in = BuiltIn::of(&mut sources);
    match files::read_all(path, &mut sources, &mut problems, &mut warnings) {
        Some(files) => check(&built_in, &files, sources, secrets, problems, warnings),
        None => Err(ConfigErrors::new(problems, &Arc::new(sources))),
    }
}

/// By kind of file. Made once: that takes longer than checking a file.
struct Schemas {
    main: Value,
    cameras: Value,
    catalogue: Value,
}

static SCHEMAS: LazyLock<Schemas> = LazyLock::new(|| Schemas {
    main: schema::main_file(),
    cameras: schema::camera_file(),
    catalogue: schema::catalogue_file(),
});

/// The files that are built into the program. They come first in [`Sources`].
pub(crate) struct BuiltIn {
    defaults: FileText,
    catalogue: FileText,
}

impl BuiltIn {
    pub(crate) fn of(sources: &mut Sources) -> Self {
        let mut file =
            |name, text: &str| FileText { text: text.into(), base: sources.add(Path::new(name), text, true) };
        Self {
            defaults: file("<built-in defaults>", DEFAULTS),
            catalogue: file("<built-in catalogue>", CATALOGUE),
        }
    }
}

/// From texts to the config. Reads no file but those of passwords, and these only if `secrets` says so.
pub(crate) fn check(
    built_in: &BuiltIn,
    files: &Files,
    sources: Sources,
    secrets: Secrets,
    mut problems: Vec<Problem>,
    warnings: Vec<(Span, String)>,
) -> Result<Loaded, ConfigErrors> {
    let sources = Arc::new(sources);
    // What a file cannot be parsed to is not guessed at: its other errors would be follow-ons.
    let main = parse(&files.main, &SCHEMAS.main, &mut problems);
    let mut cameras = Vec::new();
    for file in &files.cameras {
        cameras.extend(parse_cameras(file, &mut problems));
    }
    let catalogue = match &files.catalogue {
        Some(file) => parse(file, &SCHEMAS.catalogue, &mut problems),
        None => parse(&built_in.catalogue, &SCHEMAS.catalogue, &mut problems),
    };
    let defaults = parse(&built_in.defaults, &SCHEMAS.main, &mut Vec::new());
    let (Some(mut main), Some(catalogue), Some(defaults)) = (main, catalogue, defaults) else {
        return Err(ConfigErrors::new(problems, &sources));
    };
    let mut own = take_tables(&mut main, "camera");
    own.append(&mut cameras);
    let shared = take_tables(&mut main, "rule");
    let areas = take_tables(&mut main, "flight_area");
    let layers = Layers::new(defaults, &mut main);
    let main_span = files.main.base..files.main.base;

    let mut layered = layers.root.clone();
    merge(&mut layered, main);
    let mut places = BTreeMap::new();
    note_places(&layered, "", &sources, &mut places);
    let sections: Option<RawSections> = read(layered, &main_span, &mut problems);
    let codes = sections.as_ref().map(|s| s.codes.clone()).unwrap_or_default();
    let catalogue = Catalogue::build(catalogue, &codes, &mut problems);
    // One that does not exist is reported with its section.
    let zone = sections.as_ref().and_then(|s| TimeZone::get(&s.node.time_zone).ok()).unwrap_or(TimeZone::UTC);
    let classes = catalogue.needs();
    let mut builder = Builder::new(&sources, secrets, zone, catalogue);
    (builder.problems, builder.warnings) = (problems, warnings);
    if let Some(sections) = &sections {
        builder.map(&sections.map, files.zones.as_ref(), files.permits.as_ref());
    }
    builder.shared_rules(shared, &layers.profile_names(), &own);
    if own.is_empty() && areas.is_empty() {
        builder.no_camera(&main_span);
    }
    for (span, mut table) in own {
        let rules = take_tables(&mut table, "rule");
        let settings = layers.settings(&table, &mut builder.problems);
        let settings: Option<RawSettings> = read(settings, &span, &mut builder.problems);
        if let Some((id, _)) = text_at(&table, "id") {
            note_places(&table, &format!("camera.{id}"), &sources, &mut places);
        }
        let camera: Option<RawCamera> = read(table, &span, &mut builder.problems);
        if let (Some(camera), Some(settings)) = (camera, settings) {
            builder.camera(&span, camera, &settings, rules);
        }
    }
    for (span, mut table) in areas {
        let rules = take_tables(&mut table, "rule");
        if let Some((id, _)) = text_at(&table, "id") {
            note_places(&table, &format!("flight_area.{id}"), &sources, &mut places);
        }
        let area: Option<RawFlightArea> = read(table, &span, &mut builder.problems);
        if let Some(area) = area {
            builder.flight_area(&span, &area, rules);
        }
    }
    let config = sections.and_then(|sections| builder.config(&sections));
    let Builder { problems, warnings, objects, secret_files, .. } = builder;
    let warnings = warnings.iter().map(|(span, w)| format!("{}: {w}", sources.locate(span))).collect();
    match config {
        Some(config) if problems.is_empty() => {
            Ok(Loaded { config, warnings, objects, classes, places, secret_files, sources })
        }
        _ => Err(ConfigErrors::new(problems, &sources)),
    }
}

/// Values that the operator wrote, down to tables within tables; lists and built-in values are left out.
fn note_places(table: &DeTable<'_>, prefix: &str, sources: &Sources, places: &mut BTreeMap<String, Span>) {
    for (key, value) in table {
        let name =
            if prefix.is_empty() { key.get_ref().to_string() } else { format!("{prefix}.{}", key.get_ref()) };
        match value.get_ref() {
            DeValue::Table(inner) => note_places(inner, &name, sources, places),
            _ if sources.file(value.span().start).built_in => {}
            _ => drop(places.insert(name, value.span())),
        }
    }
}

/// What lies under each camera.
struct Layers<'i> {
    /// The defaults of the sections.
    root: DeTable<'i>,
    camera_defaults: DeTable<'i>,
    /// Built-in ones with the operator's over them.
    profiles: DeTable<'i>,
}

impl<'i> Layers<'i> {
    fn new(mut defaults: DeTable<'i>, main: &mut DeTable<'i>) -> Self {
        let mut layer = |key| {
            let mut below = take_table(&mut defaults, key);
            merge(&mut below, take_table(main, key));
            below
        };
        let (camera_defaults, profiles) = (layer("camera_defaults"), layer("profiles"));
        Self { root: defaults, camera_defaults, profiles }
    }

    fn profile_names(&self) -> Vec<String> {
        self.profiles.keys().map(|k| k.get_ref().to_string()).collect()
    }

    /// Everything that is set for the camera; reports a profile that is not there.
    fn settings(&self, camera: &DeTable<'i>, problems: &mut Vec<Problem>) -> DeTable<'i> {
        let mut settings = self.camera_defaults.clone();
        if let Some((name, span)) = text_at(camera, "profile") {
            match self.profiles.get(name) {
                Some(_) => merge(&mut settings, take_table(&mut self.profiles.clone(), name)),
                None => {
                    let names = self.profile_names();
                    let help = suggest(name, "profiles", names.iter().map(String::as_str));
                    problems.push(Problem::new(&span, format!("there is no profile `{name}`")).help(help));
                }
            }
        }
        merge(&mut settings, camera.clone());
        settings
    }
}

fn parse<'t>(file: &'t FileText, schema: &Value, problems: &mut Vec<Problem>) -> Option<DeTable<'t>> {
    let (root, errors) = DeTable::parse_recoverable(&file.text);
    if errors.is_empty() {
        return Some(Structure::new(problems, file.base).file(root, schema));
    }
    syntax(file, &errors, problems);
    None
}

/// The cameras of an included file, by the schemas of the main file and of an included one.
fn parse_cameras<'t>(file: &'t FileText, problems: &mut Vec<Problem>) -> Vec<(Span, DeTable<'t>)> {
    let (root, errors) = DeTable::parse_recoverable(&file.text);
    if !errors.is_empty() {
        syntax(file, &errors, problems);
        return Vec::new();
    }
    const ADVICE: &str = "an included file holds [[camera]] only; move this to the main file";
    let mut structure = Structure::new(problems, file.base).known_elsewhere(&SCHEMAS.main, ADVICE);
    take_tables(&mut structure.file(root, &SCHEMAS.cameras), "camera")
}

fn syntax(file: &FileText, errors: &[toml::de::Error], problems: &mut Vec<Problem>) {
    // What a Chinese input method wrote explains the errors of its line better than TOML can.
    let strays = strays(&file.text, Syntax::Toml);
    for stray in &strays {
        let at = stray.at.start + file.base..stray.at.end + file.base;
        problems.push(Problem::new(&at, stray.what()).label("not TOML").help(stray.advice()));
    }
    let line = |at: usize| file.text.bytes().take(at).filter(|b| *b == b'\n').count() + 1;
    for error in errors {
        let at = error.span().unwrap_or(0..0);
        if strays.iter().any(|stray| stray.line == line(at.start)) {
            continue;
        }
        problems.push(
            Problem::new(&(at.start + file.base..at.end + file.base), error.message())
                .label("not TOML")
                .help("TOML: `key = value` on a line, text in \"quotes\", a section as [name], a list entry as [[name]]"),
        );
    }
}
