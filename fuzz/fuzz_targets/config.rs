//! Configs: any texts give a config, or errors that each have a place and a drawing. A config whose main file is written anew by
//! a TOML writer is the same config. Form feeds divide the files; see `check_texts` for their order.
#![no_main]

use lintel_fuzz::config::{ConfigErrors, FILES, Loaded, check_texts};
use miette::{Diagnostic as _, GraphicalReportHandler, GraphicalTheme};

/// `file:line:column` of a file that there is, with a line that it has.
fn is_place(place: &str, texts: &[&str]) -> bool {
    let parts: Vec<&str> = place.rsplitn(3, ':').collect();
    let [column, line, file] = parts[..] else { return false };
    let number = |text: &str| text.parse::<usize>().unwrap_or(0);
    let lines = match FILES.iter().position(|name| *name == file) {
        Some(i) => texts[i].matches('\n').count() + 1,
        None if file.starts_with("<built-in ") => usize::MAX,
        None => return false,
    };
    (1..=lines).contains(&number(line)) && number(column) >= 1
}

fn check_errors(errors: &ConfigErrors, texts: &[&str]) {
    assert!(!errors.is_empty(), "refused without an error");
    let shown = errors.to_string();
    for message in errors.messages() {
        assert!(!message.trim().is_empty(), "an error says something: {shown}");
        let at = shown.find(&format!(": error: {message}")).expect("every error is shown with its place");
        let line = shown[..at].rsplit('\n').next().unwrap_or_default();
        assert!(is_place(line, texts), "{line:?} is no place: {shown}");
    }
    let mut drawn = String::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor());
    handler.render_report(&mut drawn, errors).expect("errors can be drawn");
    assert_eq!(errors.related().into_iter().flatten().count(), errors.len());
}

fn check(loaded: &Loaded, texts: &[&str]) {
    for warning in &loaded.warnings {
        let place = warning.split_once(": ").map_or("", |(place, _)| place);
        assert!(is_place(place, texts), "{warning}");
    }
    let config = &loaded.config;
    let cameras = config.cameras.iter().map(|c| c.id.as_str());
    let mut ids: Vec<String> =
        cameras.chain(config.flight_areas.iter().map(|a| a.id.as_str())).map(str::to_lowercase).collect();
    assert!(!ids.is_empty(), "a config has a camera or an area");
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    assert!(ids.iter().all(|id| (1..=64).contains(&id.len()) && id.chars().all(fits)), "{ids:?}");
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all, "ids are unique");
    for camera in &config.cameras {
        assert!(camera.track.low_score <= camera.track.high_score, "{camera:?}");
        for rule in &camera.rules {
            let known = |id| camera.zones.iter().any(|z| z.id == id);
            assert!(rule.zones.iter().all(|z| known(z.id.clone())), "{rule:?}");
            assert!(1 <= rule.hysteresis.0 && rule.hysteresis.0 <= rule.hysteresis.1, "{rule:?}");
        }
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let mut parts = text.splitn(FILES.len(), '\u{c}');
    let texts = [(); FILES.len()].map(|()| parts.next().unwrap_or_default());
    let loaded = match check_texts(texts) {
        Ok(loaded) => loaded,
        Err(errors) => return check_errors(&errors, &texts),
    };
    check(&loaded, &texts);
    let main: toml::Table = texts[0].parse().expect("it was read");
    let written = main.to_string();
    let again =
        check_texts([&written, texts[1], texts[2], texts[3], texts[4]]).expect("what was written is read");
    assert_eq!(again.config, loaded.config);
});
