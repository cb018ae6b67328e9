//! What the pure stages cost: one picture of 50 things through the tracker, and one picture each of 134
//! cameras through their rules.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use lintel::base::{CameraId, ClassName, Polygon, Rect, TrackId, WallTime, ZoneId};
use lintel::config::{Group, Rule, RuleKind, Severity, TrackConfig, ViolationClass, Zone};
use lintel::detect::Detection;
use lintel::rules::CameraRules;
use lintel::track::{Track, Tracker};

const CAMERAS: usize = 134;
const OBJECTS: usize = 50;

fn at(second: f64) -> WallTime {
    WallTime(1_795_321_800_000_000 + (second * 1e6) as i64)
}

/// Half of them stand, half walk; boxes jitter by a fixed pattern.
fn picture(n: usize) -> Vec<Detection> {
    (0..OBJECTS)
        .map(|i| {
            let walk = if i % 2 == 0 { 0.0 } else { 0.001 * (n % 100) as f32 };
            let jitter = 0.001 * ((i * 7 + n * 3) % 5) as f32;
            let (x, y) = (0.09 * (i % 10) as f32 + walk + jitter, 0.2 + 0.15 * (i / 10) as f32);
            let class: ClassName = if i % 2 == 0 { "car" } else { "person" }.into();
            Detection {
                class,
                score: 0.5 + 0.005 * (i % 50) as f32,
                rect: Rect::new(x, y - 0.1, x + 0.06, y),
                scale: 1.0,
                there_since: None,
            }
        })
        .collect()
}

fn tracker(c: &mut Criterion) {
    let config = TrackConfig { high_score: 0.4, low_score: 0.1, max_gap: Duration::from_secs(30) };
    for (label, step) in [("10 fps", 0.1), ("every 2 s", 2.0)] {
        let mut tracker = Tracker::new(config);
        let pictures: Vec<_> = (0..100).map(picture).collect();
        let mut n = 0;
        c.bench_function(&format!("tracker, {OBJECTS} things, {label}"), |b| {
            b.iter(|| {
                n += 1;
                black_box(tracker.update(at(n as f64 * step), &pictures[n % pictures.len()]))
            });
        });
    }
}

fn tracks(n: usize, second: f64) -> Vec<Track> {
    picture(n)
        .into_iter()
        .enumerate()
        .map(|(i, d)| Track {
            id: TrackId(i as u64),
            class: d.class,
            rect: d.rect,
            score: d.score,
            first_seen: at(0.0),
            last_seen: at(second),
            still_since: if i % 2 == 0 { at(0.0) } else { at(second) },
            found_since: if i % 2 == 0 { at(0.0) } else { at(second) },
            hits: n as u32,
            seen_now: true,
            scale: 1.0,
            ground: None,
        })
        .collect()
}

fn rule(id: &str, kind: RuleKind, objects: &[&str]) -> Rule {
    Rule {
        id: id.into(),
        class: ViolationClass {
            id: id.into(),
            zh: String::new(),
            en: String::new(),
            group: Group::Street,
            code: String::new(),
        },
        zones: vec![Zone::new(ZoneId::new("z"), "z".into(), Polygon::full())],
        kind,
        shows: Vec::new(),
        objects: objects.iter().map(|o| ClassName::from(*o)).collect(),
        min_score: None,
        companions: vec!["person".into()],
        schedule: None,
        present_at_start: Default::default(),
        hysteresis: (3, 4),
        update_every: Duration::from_secs(600),
        cool_down: Duration::from_secs(1800),
        merge_distance: 0.0,
        merge_m: None,
        area_m2: (None, None),
        expire_after: Duration::from_secs(1800),
        severity: Severity::Medium,
    }
}

/// The picture after an event of each kind has opened: the usual work of a busy street.
fn rules(c: &mut Criterion) {
    let five_minutes = Duration::from_secs(300);
    let rules = vec![
        rule("parking", RuleKind::Presence { dwell: five_minutes, still: true }, &["car", "truck"]),
        rule("work", RuleKind::Presence { dwell: five_minutes, still: false }, &["excavator"]),
        rule("entry", RuleKind::Entry, &["dump_truck"]),
        rule("crowd", RuleKind::Count { limit: 40, dwell: five_minutes }, &["person"]),
        rule("abandoned", RuleKind::LongDwell { dwell: five_minutes * 288 }, &["car"]),
    ];
    let mut cameras: Vec<CameraRules> = (0..CAMERAS)
        .map(|i| {
            let camera = CameraId::new(format!("c{i}"));
            CameraRules::new("node", camera, rules.clone(), Default::default(), 100)
        })
        .collect();
    let mut n = 0;
    for camera in &mut cameras {
        for n in 0..200 {
            camera.step(at(n as f64 * 2.0), &tracks(n, n as f64 * 2.0));
        }
    }
    c.bench_function(
        &format!("rules, a picture each of {CAMERAS} cameras, {OBJECTS} things, 5 rules"),
        |b| {
            b.iter_batched(
                || {
                    n += 1;
                    let second = (200 + n) as f64 * 2.0;
                    (at(second), tracks(n, second))
                },
                |(at, tracks)| {
                    for camera in &mut cameras {
                        black_box(camera.step(at, &tracks));
                    }
                },
                BatchSize::SmallInput,
            );
        },
    );
}

criterion_group!(benches, tracker, rules);
criterion_main!(benches);
