use super::*;
use crate::decode::{FrameStats, Picture};
use crate::observation::{Poor, Visibility};
use crate::second_look::Bounds;

/// Of the van, which is 0.1 wide and high.
const VAN: Rect = Rect { x0: 0.4, y0: 0.4, x1: 0.5, y1: 0.5 };
const ASPECT: f32 = 16.0 / 9.0;

fn ground(x: usize, y: usize) -> u8 {
    (80 + (x / 6 * 37 + y / 5 * 53) % 60) as u8
}

/// With a van from this column on.
fn van(left: usize) -> impl Fn(usize, usize) -> u8 {
    move |x, y| {
        let inside = (left..left + 32).contains(&x) && (72..90).contains(&y);
        if inside { if y < 80 && x > left + 12 { 30 } else { 230 } } else { ground(x, y) }
    }
}

struct Camera {
    newcomers: Newcomers,
    backdrop: Backdrop,
    second: i64,
}

impl Camera {
    fn new() -> Self {
        let bounds = Bounds { confirm: 0.7, deny: 0.2 };
        let manifest = SecondLookManifest::for_tests(&[("truck", Some(bounds)), ("ground", None)]);
        let empty = GrayCopy::of(&Picture::grey(ground)).expect("pixels");
        let mut backdrop = Backdrop::new(&empty);
        (0..8).for_each(|_| backdrop.learn(&empty, Duration::from_secs(4), &[]));
        Self { newcomers: Newcomers::new(Arc::new(manifest)), backdrop, second: 0 }
    }

    /// Looks after two more seconds. Returns what was found, and answers a question.
    fn look(&mut self, grey: impl Fn(usize, usize) -> u8, truck: f32) -> (Vec<Detection>, bool) {
        self.look_at(grey, truck, |_| {})
    }

    fn look_at(
        &mut self,
        grey: impl Fn(usize, usize) -> u8,
        truck: f32,
        change: impl Fn(&mut Observation),
    ) -> (Vec<Detection>, bool) {
        self.second += 2;
        let at = WallTime(self.second * 1_000_000);
        let picture = Picture::grey(grey);
        let mut observation = Observation::clear(at, Duration::from_secs(2), Vec::new());
        observation.gray = GrayCopy::of(&picture);
        observation.stats = Some(FrameStats::of(&picture));
        change(&mut observation);
        self.newcomers.follow(&mut observation, Some(&self.backdrop), ASPECT, |_| None);
        let question = self.newcomers.question(at, observation.is_new);
        if let Some((track, rect)) = question {
            let answer = CropAnswer { track, rect, at, probabilities: vec![truck, 1.0 - truck] };
            assert!(self.newcomers.answer(&answer));
        }
        (observation.detections, question.is_some())
    }
}

#[test]
fn what_came_and_stays_is_found_once_it_is_recognised() {
    let mut camera = Camera::new();
    let looks: Vec<_> = (0..6).map(|_| camera.look(van(128), 0.9)).collect();
    let asked: Vec<bool> = looks.iter().map(|look| look.1).collect();
    assert_eq!(asked, [false, false, true, false, false, true], "from the third second on, 5 s apart");
    assert!(looks[..3].iter().all(|look| look.0.is_empty()));
    for (found, _) in &looks[3..] {
        let [detection] = &found[..] else { panic!("{found:?}") };
        assert_eq!(detection.class.as_str(), "truck");
        assert!((detection.score - 0.9).abs() < 1e-6 && detection.rect.iou(&VAN) > 0.8, "{detection:?}");
    }
    assert!(camera.look(ground, 0.9).0.is_empty(), "it has left");
}

#[test]
fn what_is_not_recognised_or_moves_is_nothing() {
    let mut camera = Camera::new();
    for _ in 0..20 {
        assert!(camera.look(van(128), 0.1).0.is_empty());
    }
    let mut camera = Camera::new();
    for step in 0..8 {
        let (found, asked) = camera.look(van(20 + step * 36), 0.9);
        assert!(found.is_empty() && !asked, "it passes by");
    }
}

#[test]
fn what_the_detector_sees_needs_no_proposal() {
    let mut camera = Camera::new();
    for _ in 0..10 {
        let (found, asked) = camera.look_at(van(128), 0.9, |observation| {
            observation.detections.push(Detection {
                class: "car".into(),
                score: 0.5,
                rect: VAN,
                scale: 1.0,
                there_since: None,
            });
        });
        assert_eq!((found.len(), asked), (1, false));
    }
}

#[test]
fn in_poor_visibility_nothing_comes() {
    let mut camera = Camera::new();
    for _ in 0..10 {
        let (found, asked) = camera.look_at(van(128), 0.9, |observation| {
            observation.visibility = Visibility::Poor(Poor::Faint);
        });
        assert!(found.is_empty() && !asked);
    }
}

#[test]
fn the_same_picture_is_asked_about_once_only() {
    let mut camera = Camera::new();
    camera.look(van(128), 0.9);
    let again = |observation: &mut Observation| observation.is_new = false;
    let asked = (0..10).filter(|_| camera.look_at(van(128), 0.9, again).1).count();
    assert_eq!(asked, 1);
    let (found, _) = camera.look_at(van(128), 0.9, again);
    assert_eq!(found.len(), 1, "it is still there");
}
