//! A whole scene on a generated week, with a detector that lies.

mod week;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use self::week::{FURNITURE, Random, Stay, Week};
use super::{FlightLogs, PlaceMemoryContext, Scene, Sites, build_all};
use crate::base::{CameraId, Rect, WallTime};
use crate::config::{self, Config};
use crate::decode::Picture;
use crate::detect::{Detection, Detections, Looked, ModelManifest};
use crate::rules::Transition;
use crate::second_look::Models;

/// Time between two pictures.
const STEP: Duration = Duration::from_secs(20);
/// The truth is found by half of the looks, and the furniture is taken for a car by most.
const FINDS: f32 = 0.5;
const LIES: f32 = 0.8;

/// What a run told.
#[derive(Debug, Default)]
struct Told {
    arrivals: usize,
    found: usize,
    /// Events on furniture, with their times.
    on_furniture: Vec<(WallTime, Rect)>,
    /// Events anywhere else where nothing had come.
    elsewhere: Vec<(WallTime, Rect)>,
    /// Second events of one stay.
    again: usize,
    /// Events that were over while their vehicle stood, or that stayed open long after it left.
    closed_wrongly: usize,
}

fn scene(config: &Config) -> Scene {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let detector = ModelManifest::load(&root.join("models/lintel-nano")).expect("a model");
    let models = Models { detector, second_look: None };
    let sites = Sites::load(config).expect("no calibration");
    let memory = PlaceMemoryContext::of_replay(None, Arc::new(|_, _| ())).expect("no thread");
    let scenes = build_all(config, &models, &sites, &FlightLogs::default(), &memory);
    scenes.into_values().next().expect("a camera")
}

fn config(rule: &str) -> Config {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lintel.toml");
    let text = format!(
        "[node]\nid = \"n\"\ndata_dir = \"data\"\n[mqtt]\nurl = \"mqtt://127.0.0.1\"\n[[camera]]\nid = \"mast\"\n\
         url = \"rtsp://127.0.0.1/x\"\ninterval = \"{}s\"\n[[camera.rule]]\nclass = \"motor_vehicle_parking\"\n{rule}\n",
        STEP.as_secs()
    );
    std::fs::write(&path, text).expect("written");
    config::load_without_secrets(&path).expect("a config").config
}

/// A box of the detector: like the thing's, but never the same.
fn detection(random: &mut Random, place: &Rect, score: (f32, f32)) -> Detection {
    let shift = |random: &mut Random, size: f32| (random.share() - 0.5) * 0.08 * size;
    let (dx, dy) = (shift(random, place.width()), shift(random, place.height()));
    let rect = Rect::new(place.x0 + dx, place.y0 + dy, place.x1 + dx, place.y1 + dy);
    Detection {
        class: "car".into(),
        score: score.0 + random.share() * (score.1 - score.0),
        rect,
        scale: 1.0,
        there_since: None,
    }
}

/// What a detector says that takes ten fixed places for cars and misses half of those that stand.
fn lies(random: &mut Random, standing: &[&Stay]) -> Vec<Detection> {
    let mut items = Vec::new();
    for place in &FURNITURE {
        if random.share() < LIES {
            items.push(detection(random, place, (0.4, 0.9)));
        }
    }
    for stay in standing {
        if random.share() < FINDS {
            items.push(detection(random, &stay.place, (0.5, 0.9)));
        }
    }
    items.sort_by(|a, b| b.score.total_cmp(&a.score));
    items
}

/// Watches so many hours of the week from its first day on, after the hours that a new camera learns by.
fn watch(week: &Week, seed: u64, hours: f64, rule: &str) -> Told {
    let config = config(rule);
    let mut scene = scene(&config);
    let mut random = Random(seed);
    let end = week.begin + Duration::from_secs_f64(hours * 3600.0);
    let stays = week.stays(seed, end);
    let mut told = Told { arrivals: stays.len(), ..Told::default() };
    let mut events: Vec<(uuid::Uuid, usize)> = Vec::new();
    let mut at = week.begin;
    while at < end {
        let standing: Vec<&Stay> = stays.iter().filter(|stay| stay.holds(at)).collect();
        let picture: Picture = week.picture(at, &standing, &mut random);
        let items = lies(&mut random, &standing);
        let seen = Detections { picture: Arc::new(picture), items, looked: Looked::everything() };
        let decided = scene.analyse(&config, &seen).decided;
        for step in decided.into_iter().flat_map(|decided| decided.steps) {
            let violation = step.violation;
            let of_event = events.iter().find(|(id, _)| *id == violation.id).map(|(_, stay)| *stay);
            match (violation.transition, of_event) {
                (Transition::Opened, _) => {
                    let stay = stays.iter().position(|s| s.holds(at) && s.place.iou(&violation.rect) >= 0.3);
                    match stay {
                        Some(stay) if events.iter().any(|(_, other)| *other == stay) => told.again += 1,
                        Some(stay) => {
                            told.found += 1;
                            events.push((violation.id, stay));
                        }
                        None if FURNITURE.iter().any(|place| place.iou(&violation.rect) >= 0.1) => {
                            told.on_furniture.push((at, violation.rect));
                        }
                        None => told.elsewhere.push((at, violation.rect)),
                    }
                }
                (Transition::Closed | Transition::Expired, Some(stay)) => {
                    told.closed_wrongly += usize::from(stays[stay].holds(at));
                    events.retain(|(id, _)| *id != violation.id);
                }
                _ => {}
            }
        }
        told.closed_wrongly += late(&mut events, &stays, at);
        at = at + STEP;
    }
    told
}

/// How many events are open for longer than half an hour after their vehicle left. Each counts once.
fn late(events: &mut Vec<(uuid::Uuid, usize)>, stays: &[Stay], at: WallTime) -> usize {
    let before = events.len();
    events.retain(|(_, stay)| at < stays[*stay].to + Duration::from_secs(1800));
    before - events.len()
}

/// `LINTEL_WEEK_HOURS` and `LINTEL_WEEK_SEED` take more of the week; docs/design/observation.md has the
/// figures of all of it.
#[test]
fn a_detector_that_lies_opens_nothing_on_furniture_and_arrivals_are_told() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<f64>().expect("a number"));
    let hours = number("LINTEL_WEEK_HOURS").unwrap_or(4.0);
    let seed = number("LINTEL_WEEK_SEED").unwrap_or(1.0) as u64;
    let week = Week::read(&CameraId::from("mast"), hours);
    let told = watch(&week, seed, hours, "");
    println!("{hours} h, seed {seed}: {told:#?}");
    assert!(told.arrivals >= 8, "{told:?}");
    assert_eq!(told.on_furniture, [], "{told:?}");
    assert_eq!(told.elsewhere, [], "{told:?}");
    assert!(told.found as f64 >= 0.95 * told.arrivals as f64, "{told:?}");
    assert_eq!((told.again, told.closed_wrongly), (0, 0), "{told:?}");
}
