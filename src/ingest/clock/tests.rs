//! Simulated cameras with wrong clocks: how long things lasted must not depend on any of them.

mod cases;

use proptest::prelude::*;

use super::*;
use crate::base::monotonic;

const NOON_US: i64 = 1_700_000_000_000_000;
/// Longest delay on the way, and how much one differs from the next.
const JITTER_US: i64 = 300_000;

/// A camera at 25 frames a second, its node, and their clocks. Times in microseconds since the start.
struct World {
    clock: CameraClock,
    start: Instant,
    now: i64,
    arrived: i64,
    node_off: i64,
    /// A time service keeps the node's clock.
    kept: bool,
    camera_off: i64,
    /// Media time at time zero, and how fast it runs, in millionths.
    base: i64,
    pace: i64,
    random: u64,
    frames: Vec<Shown>,
    connection: u32,
    notes: Vec<Note>,
}

#[derive(Clone, Copy, Debug)]
struct Shown {
    connection: u32,
    pts: i64,
    captured: i64,
    timed: Timed,
}

impl World {
    fn new(camera_off: i64) -> Self {
        let start = monotonic();
        let clock = CameraClock::new(Reading { mono: start, wall: WallTime(NOON_US), kernel: None });
        Self {
            clock,
            start,
            now: 0,
            arrived: 0,
            node_off: 0,
            kept: false,
            camera_off,
            base: 5_000,
            pace: 1_000_000,
            random: 1,
            frames: Vec::new(),
            connection: 0,
            notes: Vec::new(),
        }
    }

    fn reading(&self) -> Reading {
        let mono = self.start + Duration::from_micros(self.arrived as u64);
        let kernel = KernelClock { synchronised: self.kept, offset_us: 0, max_error_us: 1_000 };
        Reading { mono, wall: WallTime(NOON_US + self.arrived + self.node_off), kernel: Some(kernel) }
    }

    fn pts(&self) -> i64 {
        self.base + (i128::from(self.now) * i128::from(self.pace) / 1_000_000) as i64
    }

    /// What is sent now arrives.
    fn deliver(&mut self) -> Reading {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let delay = 20_000 + (self.random >> 33) as i64 % (JITTER_US - 20_000);
        self.arrived = self.arrived.max(self.now + delay);
        self.reading()
    }

    fn frame(&mut self) {
        let reading = self.deliver();
        let pts = self.pts();
        let timed = self.clock.frame(RepairedPts::AsSent(MediaTime(pts)), reading);
        self.clock.was_given();
        self.frames.push(Shown { connection: self.connection, pts, captured: self.now, timed });
        self.now += 40_000;
        self.notes.extend(self.clock.take_notes());
    }

    fn frames(&mut self, seconds: i64) {
        (0..seconds * 25).for_each(|_| self.frame());
    }

    fn report(&mut self, rtp_off: i64) {
        let reading = self.deliver();
        let camera = WallTime(NOON_US + self.now + self.camera_off);
        self.clock.report(MediaTime(self.pts() + rtp_off), camera, reading);
        self.notes.extend(self.clock.take_notes());
    }

    /// A stream of so many seconds with a report every 5.
    fn stream(&mut self, seconds: i64) {
        for _ in 0..seconds / 5 {
            self.frames(5);
            self.report(0);
        }
    }

    fn reconnect(&mut self, gap_us: i64) {
        self.now = self.now.max(self.arrived) + gap_us;
        self.arrived = self.now;
        self.base = self.base.wrapping_mul(7_919) % 4_000_000_000;
        self.connection += 1;
        self.clock.begin_connection(self.reading());
        self.notes.extend(self.clock.take_notes());
    }

    fn last(&self) -> Shown {
        *self.frames.last().expect("frames")
    }

    /// Whether new events wait.
    fn waits(&self) -> bool {
        self.last().timed.capture.clock.expect("clocks").stepped
    }

    /// Capture time minus the time of capture by the node's first clock.
    fn ahead(&self, shown: &Shown) -> i64 {
        shown.timed.capture.at.0 - NOON_US - shown.captured
    }

    /// What must hold whatever the clocks do.
    fn check(&self) {
        for pair in self.frames.windows(2) {
            let (a, b) = (&pair[0], &pair[1]);
            let passed = b.timed.capture.at.0 - a.timed.capture.at.0;
            assert!(passed >= 0, "back by {passed} us: {a:?} {b:?}");
            if a.connection == b.connection {
                let media = b.pts - a.pts;
                assert!((passed - media).abs() <= media / 20 + 1, "{passed} us in {media}: {a:?} {b:?}");
            }
            assert!(!b.timed.held, "{b:?}");
        }
        let first = self.frames[0];
        for shown in &self.frames {
            let drift = self.ahead(shown) - self.ahead(&first);
            let lasted = shown.captured - first.captured;
            assert!(drift.abs() <= lasted / 20 + 3 * JITTER_US, "{drift} us in {lasted}: {shown:?}");
        }
    }
}

#[derive(Clone, Debug)]
enum Event {
    Frames(u16),
    Report,
    StrayReport(bool),
    Reconnect { gap_ms: i64 },
    NodeStep { by_ms: i64 },
    Kept(bool),
    CameraStep { by_ms: i64 },
}

fn event() -> impl Strategy<Value = Event> {
    let step = || prop_oneof![-3_000_i64..3_000, -3_600_000_i64..3_600_000];
    prop_oneof![
        8 => (1_u16..200).prop_map(Event::Frames),
        6 => Just(Event::Report),
        1 => any::<bool>().prop_map(Event::StrayReport),
        2 => (1_i64..20_000).prop_map(|gap_ms| Event::Reconnect { gap_ms }),
        1 => step().prop_map(|by_ms| Event::NodeStep { by_ms }),
        1 => any::<bool>().prop_map(Event::Kept),
        1 => step().prop_map(|by_ms| Event::CameraStep { by_ms }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_step_of_any_clock_adds_time(
        events in prop::collection::vec(event(), 1..120),
        camera_off_ms in prop_oneof![-2_500_i64..2_500, -100_000_i64..100_000],
        pace in 999_900_i64..1_000_100,
        random: u64,
    ) {
        let mut world = World::new(camera_off_ms * 1_000);
        (world.pace, world.random) = (pace, random);
        world.frame();
        for event in events {
            match event {
                Event::Frames(count) => (0..count).for_each(|_| world.frame()),
                Event::Report => world.report(0),
                Event::StrayReport(ahead) => world.report(if ahead { 20_000_000 } else { -20_000_000 }),
                Event::Reconnect { gap_ms } => world.reconnect(gap_ms * 1_000),
                // Never so far that the next connection begins with the new time.
                Event::NodeStep { by_ms } => {
                    let off = world.node_off + by_ms * 1_000;
                    world.node_off = off.clamp(-2_000_000_000, 2_000_000_000);
                }
                Event::Kept(kept) => world.kept = kept,
                Event::CameraStep { by_ms } => world.camera_off += by_ms * 1_000,
            }
        }
        world.check();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    /// What a hostile camera may send: no panic, and no time that goes back.
    #[test]
    fn any_numbers_are_survived(
        events in prop::collection::vec((-MEDIA_US..MEDIA_US, any::<i64>(), 0_u8..4), 1..100),
    ) {
        let start = monotonic();
        let mut clock = CameraClock::new(Reading { mono: start, wall: WallTime(NOON_US), kernel: None });
        let mut repair = super::super::timing::PtsRepair::default();
        let mut last = WallTime(i64::MIN);
        for (i, (pts, camera, kind)) in events.into_iter().enumerate() {
            let elapsed = Duration::from_millis(40 * i as u64);
            let now = Reading { mono: start + elapsed, wall: WallTime(NOON_US) + elapsed, kernel: None };
            match kind {
                0 => clock.report(MediaTime(pts), WallTime(camera), now),
                1 => clock.begin_connection(now),
                _ => {
                    let at = clock.frame(repair.place(MediaTime(pts), now.mono), now).capture.at;
                    clock.was_given();
                    prop_assert!(at.0 >= last.0.saturating_sub(BACK_US), "{last} to {at}");
                    prop_assert!(at.0 <= now.wall.0 + AHEAD_US, "{at} at {}", now.wall);
                    last = last.max(at);
                }
            }
        }
    }
}

/// Beyond what GStreamer's nanoseconds and RTP's ticks can say.
const MEDIA_US: i64 = 1 << 60;
/// A frame may be shown that much before one that came earlier (B-frames).
const BACK_US: i64 = 2_100_000;
