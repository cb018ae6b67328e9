//! A camera that pans over a street: what stands there must stay one thing, and its dwell must count.
//! The pan is cut from a real picture, so every position is known exactly.

use std::collections::BTreeMap;
use std::time::Duration;

use lintel::base::{Capture, FrameSeq, Rect, TimeSource, WallTime};
use lintel::config::{Config, Rule, RuleKind, TrackConfig};
use lintel::decode::{Picture, Pixels};
use lintel::detect::Detection;
use lintel::motion::Registrar;
use lintel::rules::{CameraRules, Transition, Violation};
use lintel::track::Tracker;

use crate::support::root;

/// Pictures of the pan, half a second apart.
const STEPS: u32 = 60;
const SIZE: (u32, u32) = (320, 240);

/// Where the window's upper left corner is: it swings over more than the thing's size within a few seconds,
/// 13 pixels a step at most.
fn corner(step: u32) -> (u32, u32) {
    let t = f64::from(step) / f64::from(STEPS) * 2.0 * std::f64::consts::TAU;
    ((200.0 - 60.0 * t.cos()) as u32, (150.0 - 50.0 * (1.3 * t).cos()) as u32)
}

/// The window of the street, and where a thing that stands at `thing` (pixels of the street) is in it.
fn window(street: &image::RgbImage, step: u32, thing: [u32; 4]) -> (Picture, Option<Rect>) {
    let (x, y) = corner(step);
    let cut = image::imageops::crop_imm(street, x, y, SIZE.0, SIZE.1).to_image();
    let at = WallTime(1_700_000_000_000_000) + Duration::from_millis(500) * step;
    let picture = Picture {
        camera: "patrol".into(),
        seq: FrameSeq(u64::from(step)),
        stream: 1,
        capture: Capture { at, source: TimeSource::Footage, offset_ms: None, clock: None },
        width: SIZE.0,
        height: SIZE.1,
        series: None,
        pixels: Pixels::Rgb(cut.into_raw().into()),
    };
    let [x0, y0, x1, y1] = thing;
    let along = |v: u32, from: u32, size: u32| (f64::from(v) - f64::from(from)) as f32 / size as f32;
    let rect =
        Rect::new(along(x0, x, SIZE.0), along(y0, y, SIZE.1), along(x1, x, SIZE.0), along(y1, y, SIZE.1));
    let inside = rect.x0 >= 0.0 && rect.y0 >= 0.0 && rect.x1 <= 1.0 && rect.y1 <= 1.0;
    (picture, inside.then_some(rect))
}

fn parking() -> Rule {
    let config: Config =
        lintel::config::load(&root().join("config/lintel.example.toml")).expect("the example").config;
    let mut rules = config.cameras.iter().flat_map(|c| &c.rules);
    let mut rule = rules
        .find(|r| matches!(r.kind, RuleKind::Presence { still: true, .. }))
        .expect("the example has a parking rule")
        .clone();
    rule.kind = RuleKind::Presence { dwell: Duration::from_secs(15), still: true };
    (rule.zones, rule.schedule) = (Vec::new(), None);
    rule.objects = vec!["car".into()];
    rule
}

struct Seen {
    ids: Vec<u64>,
    events: Vec<Violation>,
}

/// The whole pan through tracker and rules, with compensation or without.
fn pan(compensate: bool) -> Seen {
    let street = image::open(root().join("testdata/frames/street_000.jpg")).expect("a picture").to_rgb8();
    // A box of a parked car's size near the middle of the way; the detector's part is not what is tested.
    let thing = [330, 250, 390, 290];
    let mut tracker =
        Tracker::new(TrackConfig { high_score: 0.5, low_score: 0.1, max_gap: Duration::from_secs(5) });
    let mut rules = CameraRules::new("node", "patrol".into(), vec![parking()], BTreeMap::new(), 100);
    let mut registrar = Registrar::new().expect("OpenCV");
    let mut seen = Seen { ids: Vec::new(), events: Vec::new() };
    for step in 0..STEPS {
        let (picture, truth) = window(&street, step, thing);
        if compensate {
            let motion = registrar.register(&picture).expect("OpenCV");
            assert!(step == 0 || motion.is_some(), "step {step}: the pictures have enough in common");
            if let Some(motion) = motion {
                tracker.compensate(&motion);
                rules.follow(Some(&motion));
            }
        }
        let items: Vec<Detection> = truth
            .iter()
            .map(|rect| Detection {
                class: "car".into(),
                score: 0.8,
                rect: *rect,
                scale: 1.0,
                there_since: None,
            })
            .collect();
        let tracks = tracker.update(picture.capture.at, &items);
        for track in tracks.iter().filter(|t| t.seen_now) {
            if !seen.ids.contains(&track.id.0) {
                seen.ids.push(track.id.0);
            }
        }
        seen.events.extend(rules.step(picture.capture.at, &tracks));
    }
    seen
}

#[test]
fn a_parked_car_stays_one_track_under_a_panning_camera_and_its_dwell_counts() {
    let with = pan(true);
    assert_eq!(with.ids.len(), 1, "one car, one track: {:?}", with.ids);
    let opened: Vec<_> = with.events.iter().filter(|e| e.transition == Transition::Opened).collect();
    assert_eq!(opened.len(), 1, "{:?}", with.events);
    let without = pan(false);
    assert!(
        without.events.iter().all(|e| e.transition != Transition::Opened),
        "without compensation nothing ever stands still: {:?}",
        without.events
    );
}
