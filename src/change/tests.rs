use std::time::Duration;

use super::bank::INFRARED;
use super::grid::Grid;
use super::region::Region;
use super::vote::Verdict;
use super::watcher::ChangeInput;
use super::*;
use crate::base::{Rect, WallTime};

const SIZE: (u32, u32) = (200, 120);
const HOUR: Duration = Duration::from_secs(3600);
const SETTINGS: Settings = Settings { learn: HOUR, min_share: 0.0005 };
/// 20 x 20 cells.
const GRID: Grid = Grid { factor: 1, width: 40, height: 40 };

/// A picture of blocks and stripes, with what is done to it.
#[derive(Clone, Copy)]
struct Scene {
    gain: f32,
    offset: (i32, i32),
    grey: bool,
    thing: Option<(u32, u32, u32, u32)>,
    haze: f32,
    noise: u32,
}

const PLAIN: Scene = Scene { gain: 1.0, offset: (0, 0), grey: false, thing: None, haze: 0.0, noise: 0 };

fn hash(mut v: u32) -> u32 {
    v = (v ^ (v >> 16)).wrapping_mul(0x045d_9f3b);
    v = (v ^ (v >> 16)).wrapping_mul(0x045d_9f3b);
    v ^ (v >> 16)
}

fn picture(scene: &Scene) -> Vec<u8> {
    let mut rgb = Vec::with_capacity((SIZE.0 * SIZE.1 * 3) as usize);
    for y in 0..SIZE.1 as i32 {
        for x in 0..SIZE.0 as i32 {
            let (u, v) = (x - scene.offset.0 + 4096, y - scene.offset.1 + 4096);
            let block = hash(((u / 13) * 7919 + v / 9) as u32);
            let base = 60.0 + (block % 100) as f32 + (hash((u / 3 * 131 + v / 3) as u32) % 12) as f32;
            let mut colour = [base, base + 10.0, base * 0.8];
            if let Some((x0, y0, x1, y1)) = scene.thing
                && (x0 as i32..x1 as i32).contains(&x)
                && (y0 as i32..y1 as i32).contains(&y)
            {
                let rib = if x % 6 < 2 { 30.0 } else { 0.0 };
                colour = [70.0 + rib, 90.0 + rib, 190.0];
            }
            let noise = (hash((x * 7 + y * 13) as u32 ^ hash(scene.noise)) % 9) as f32 - 4.0;
            if scene.grey {
                colour = [colour[1]; 3];
            }
            rgb.extend(
                colour.map(|c| ((c * scene.gain) * (1.0 - scene.haze) + 170.0 * scene.haze + noise) as u8),
            );
        }
    }
    rgb
}

/// A camera that is inspected every ten minutes, from midnight on.
struct Mast {
    watcher: ChangeWatcher,
    bench: Workbench,
    inspections: u64,
}

impl Mast {
    fn new() -> Self {
        Self { watcher: ChangeWatcher::new(SETTINGS), bench: Workbench::default(), inspections: 0 }
    }

    fn see_covered(&mut self, scene: Scene, moving: &[Rect]) -> Inspection {
        self.inspections += 1;
        let minutes = self.inspections * 10;
        let scene = Scene { noise: self.inspections as u32, ..scene };
        let rgb = picture(&scene);
        let input = ChangeInput {
            rgb: &rgb,
            width: SIZE.0,
            height: SIZE.1,
            at: WallTime(0) + Duration::from_secs(minutes * 60),
            hour: (9.0 + minutes as f32 / 60.0) % 24.0,
            moving,
        };
        self.watcher.inspect(&mut self.bench, &input)
    }

    fn see(&mut self, scene: Scene) -> Inspection {
        self.see_covered(scene, &[])
    }

    fn times(&mut self, n: usize, scene: Scene) -> Inspection {
        (1..n).for_each(|_| drop(self.see(scene)));
        self.see(scene)
    }

    fn learnt() -> Self {
        let mut mast = Self::new();
        let inspection = mast.times(14, PLAIN);
        assert!(inspection.judged && inspection.regions.is_empty(), "{inspection:?}");
        mast
    }
}

const SHED: Scene = Scene { thing: Some((70, 40, 102, 62)), ..PLAIN };

#[test]
fn a_thing_that_comes_and_stays_is_one_region_where_it_stands_and_its_end_is_seen() {
    let mut mast = Mast::learnt();
    assert!(mast.times(2, SHED).regions.is_empty(), "two inspections are not enough");
    let inspection = mast.times(2, SHED);
    let [region] = &inspection.regions[..] else { panic!("{inspection:?}") };
    let truth = Rect::new(70.0 / 200.0, 40.0 / 120.0, 102.0 / 200.0, 62.0 / 120.0);
    assert!(region.rect.iou(&truth) > 0.6, "{:?} for {truth:?}", region.rect);
    assert_eq!(region.seen, Seen::Yes);
    assert_eq!(region.first_seen, WallTime(0) + Duration::from_secs(15 * 600));
    let inspection = mast.times(5, PLAIN);
    assert!(inspection.regions.is_empty(), "{inspection:?}");
}

#[test]
fn of_what_the_edge_of_the_picture_leaves_only_a_rim_the_rim_is_found() {
    for thing in [(194, 40, 200, 70), (0, 40, 6, 70), (70, 0, 100, 6), (70, 114, 100, 120)] {
        let mut mast = Mast::learnt();
        // Shake brings in what lies outside, and takes out what lies at the edge.
        for offset in [(1, 0), (-1, 1), (0, -1)] {
            mast.see(Scene { offset, ..PLAIN });
        }
        assert!(mast.see(PLAIN).regions.is_empty());
        let inspection = mast.times(4, Scene { thing: Some(thing), ..PLAIN });
        let [region] = &inspection.regions[..] else { panic!("{thing:?}: {inspection:?}") };
        let [x0, y0, x1, y1] = [thing.0, thing.1, thing.2, thing.3].map(|v| v as f32);
        let truth = Rect::new(x0 / 200.0, y0 / 120.0, x1 / 200.0, y1 / 120.0);
        assert!(region.rect.iou(&truth) > 0.4, "{:?} for {truth:?}", region.rect);
    }
}

#[test]
fn what_appears_beside_a_thing_and_is_larger_is_its_own_and_what_is_smaller_is_its_growth() {
    let shed = |x1: u32| Scene { thing: Some((70, 40, x1, 62)), ..PLAIN };
    for (wider, regions) in [(90, 1), (150, 2)] {
        let mut mast = Mast::learnt();
        let [first] = &mast.times(16, shed(86)).regions[..] else { panic!("one region") };
        let (id, lights) = (first.id, first.lights);
        assert!(lights >= 2, "seen before and after noon");
        let inspection = mast.times(8, shed(wider));
        assert_eq!(inspection.regions.len(), regions, "to {wider}: {inspection:?}");
        assert!(inspection.regions.iter().any(|r| r.id == id && r.seen == Seen::Yes), "{inspection:?}");
    }
}

#[test]
fn two_things_put_up_side_by_side_are_two_regions_once_a_second_light_shows_them() {
    let at = WallTime(0);
    let block = |x0: u32, x1: u32| (2..8).flat_map(move |y| (x0..x1).map(move |x| y * 20 + x));
    let mut region = Region::new(1, at, at, 4);
    let cells: Vec<u32> = block(2, 8).chain(block(10, 17)).collect();
    region.reshape(at, 4, &[255; 400], &cells, 0, 400);
    assert!(region.split(GRID, 6).is_empty(), "one light may show halves of a thing");
    region.judge(at + HOUR, 5, &[Verdict::Changed; 400]);
    assert!(region.split(GRID, 17).is_empty(), "too small to be a region");
    let given = region.split(GRID, 6);
    let [smaller] = &given[..] else { panic!("{given:?}") };
    let numbers = |r: &Region| r.cells.iter().map(|c| c.number).collect::<Vec<_>>();
    assert_eq!(numbers(&region), block(10, 17).collect::<Vec<_>>());
    assert_eq!(numbers(smaller), block(2, 8).collect::<Vec<_>>());
    assert_eq!((smaller.first_seen, smaller.lights), (region.first_seen, region.lights));
    let mut old = Region::new(2, at, at, 4);
    old.reshape(at, 4, &[255; 400], &cells, 0, 400);
    old.judge(at + 13 * HOUR, 5, &[Verdict::Changed; 400]);
    assert!(old.split(GRID, 6).is_empty(), "an old one is one thing");
}

#[test]
fn what_infrared_shows_or_has_another_colour_is_more_than_edges() {
    let at = WallTime(0);
    let mut region = Region::new(1, at, at, 4);
    let cells: Vec<u32> = (0..25).map(|i| i / 5 * 20 + i % 5).collect();
    region.reshape(at, 4, &[255; 400], &cells, 0, 400);
    assert!(region.report(GRID).edges_only);
    let by_its_colours = Region { tint: [0.4, -0.3], ..region.clone() };
    assert!(!by_its_colours.report(GRID).edges_only);
    for n in 1..4u32 {
        let at = at + HOUR * n;
        assert!(region.judge(at, INFRARED, &[Verdict::Changed; 400]));
        assert_eq!(region.report(GRID).edges_only, n < 3, "{n} inspections");
    }
}

#[test]
fn what_was_denied_before_weather_hid_it_is_denied_until_it_is_seen_again() {
    let mut mast = Mast::learnt();
    mast.times(8, SHED);
    let denied = |inspection: &Inspection| inspection.regions[0].denied;
    let inspection = mast.times(2, PLAIN);
    let at = denied(&inspection).expect("an inspection by day does not show it");
    let inspection = mast.times(3, Scene { haze: 0.97, ..PLAIN });
    assert!(!inspection.judged);
    assert_eq!(denied(&inspection), Some(at + Duration::from_secs(3 * 600)));
    let inspection = mast.times(4, SHED);
    assert_eq!(inspection.regions[0].seen, Seen::Yes, "{inspection:?}");
    let inspection = mast.times(2, Scene { haze: 0.97, ..PLAIN });
    assert!(
        denied(&inspection).expect("still known") < inspection.regions[0].last_confirmed,
        "{inspection:?}"
    );
}

#[test]
fn light_shake_and_a_passer_by_are_no_change() {
    let mut mast = Mast::learnt();
    for (i, gain) in [0.7, 0.5, 1.1, 1.2, 0.8, 0.6, 1.0, 0.9].into_iter().enumerate() {
        let offset = [(0, 0), (1, -1), (-2, 1), (1, 2)][i % 4];
        let inspection = mast.see(Scene { gain, offset, ..PLAIN });
        assert!(inspection.regions.is_empty() && inspection.judged, "gain {gain}: {inspection:?}");
        assert!(matches!(inspection.alignment, Alignment::Steady { .. }), "{:?}", inspection.alignment);
    }
    // What moves is masked, however long it goes on.
    let box_of = Rect::new(0.33, 0.3, 0.57, 0.6);
    (0..6).for_each(|_| assert!(mast.see_covered(SHED, &[box_of]).regions.is_empty()));
}

#[test]
fn haze_and_a_spoilt_picture_hide_and_do_not_change() {
    let mut mast = Mast::learnt();
    mast.times(4, SHED);
    let inspection = mast.times(6, Scene { haze: 0.97, ..SHED });
    assert_eq!(inspection.regions.len(), 1, "hidden is not gone: {inspection:?}");
    assert_ne!(inspection.regions[0].seen, Seen::No);
    let inspection = mast.times(5, SHED);
    assert_eq!((inspection.regions.len(), inspection.regions[0].seen), (1, Seen::Yes));
    assert_eq!(inspection.regions[0].id, 1);
}

#[test]
fn a_camera_that_was_pushed_has_moved_and_nothing_else() {
    let mut mast = Mast::learnt();
    mast.times(4, SHED);
    let inspection = mast.times(4, Scene { offset: (25, 0), thing: None, ..PLAIN });
    let Alignment::Moved { dx, dy, .. } = inspection.alignment else { panic!("{:?}", inspection.alignment) };
    assert!((dx - 25.0).abs() < 2.0 && dy.abs() < 3.0, "{dx} {dy}");
    assert_eq!(inspection.regions.len(), 1, "{inspection:?}");
    assert_eq!(inspection.regions[0].seen, Seen::Unknown);
    assert!(!inspection.judged);
    // And back again.
    let inspection = mast.times(2, SHED);
    assert!(matches!(inspection.alignment, Alignment::Steady { .. }), "{:?}", inspection.alignment);
    assert_eq!(inspection.regions.len(), 1);
}

#[test]
fn a_covered_lens_is_lost_and_another_size_begins_anew() {
    let mut mast = Mast::learnt();
    let inspection = mast.times(4, Scene { gain: 0.0, ..PLAIN });
    assert!(matches!(inspection.alignment, Alignment::Lost { .. }), "{:?}", inspection.alignment);
    let grey = vec![128; 320 * 192 * 3];
    let input = ChangeInput { rgb: &grey, width: 320, height: 192, at: WallTime(0), hour: 1.0, moving: &[] };
    let inspection = mast.watcher.inspect(&mut mast.bench, &input);
    assert!(inspection.began_anew && inspection.alignment == Alignment::Learning, "{inspection:?}");
    let tiny = ChangeInput { rgb: &[0; 12], width: 2, height: 2, ..input };
    assert!(!mast.watcher.inspect(&mut mast.bench, &tiny).judged);
}

#[test]
fn infrared_has_its_own_reference_and_day_is_not_judged_by_it() {
    let night = Scene { grey: true, gain: 0.8, ..PLAIN };
    let mut mast = Mast::new();
    mast.times(20, night);
    // The first days of a camera that began at night: it learns, it does not cry.
    let inspection = mast.times(8, PLAIN);
    assert!(inspection.regions.is_empty(), "{inspection:?}");
    mast.times(4, SHED);
    let inspection = mast.times(3, Scene { thing: SHED.thing, ..night });
    assert_eq!(inspection.regions.len(), 1);
    assert!(inspection.regions[0].lights >= 2, "seen by day and in infrared: {inspection:?}");
}

#[test]
fn what_a_person_allows_is_how_the_place_looks() {
    let mut mast = Mast::learnt();
    mast.times(4, SHED);
    assert_eq!(mast.watcher.accept(1), Some(()));
    assert_eq!(mast.watcher.accept(1), None);
    assert!(mast.times(60, SHED).regions.is_empty());
    let more = Scene { thing: Some((140, 84, 164, 102)), ..PLAIN };
    assert!(!mast.times(6, more).regions.is_empty(), "elsewhere it still sees");
}

#[test]
fn a_restart_changes_nothing_and_a_damaged_file_is_refused() {
    let mut mast = Mast::learnt();
    mast.times(2, SHED);
    let bytes = mast.watcher.to_bytes();
    let again = ChangeWatcher::from_bytes(SETTINGS, &bytes).expect("whole");
    let mut other = Mast { watcher: again, bench: Workbench::default(), inspections: mast.inspections };
    for _ in 0..4 {
        assert_eq!(mast.see(SHED), other.see(SHED));
    }
    assert_eq!(mast.watcher.to_bytes(), other.watcher.to_bytes());
    assert!(matches!(ChangeWatcher::from_bytes(SETTINGS, b"old"), Err(StateError::Version)));
    for cut in [9, 40, bytes.len() / 2, bytes.len() - 1] {
        assert!(ChangeWatcher::from_bytes(SETTINGS, &bytes[..cut]).is_err(), "cut at {cut}");
    }
}

#[test]
fn a_camera_stays_under_six_megabytes() {
    let mut watcher = ChangeWatcher::new(SETTINGS);
    let mut bench = Workbench::default();
    let block = |i: u32| 40 + (hash(i / 3 % 1920 / 31 * 977 + i / 5760 / 29) % 120) as u8;
    let rgb: Vec<u8> = (0..1920 * 1080 * 3).map(block).collect();
    for n in 0..9u64 {
        let at = WallTime(0) + HOUR * (3 * n as u32);
        let mut rgb = rgb.clone();
        if n < 8 {
            rgb.iter_mut().step_by(3).for_each(|v| *v /= 2);
        }
        let hour = (3 * n % 24) as f32;
        watcher.inspect(
            &mut bench,
            &ChangeInput { rgb: &rgb, width: 1920, height: 1080, at, hour, moving: &[] },
        );
    }
    assert!(watcher.banks.iter().all(Option::is_some));
    assert!(watcher.bytes() < 6_000_000, "{}", watcher.bytes());
}
