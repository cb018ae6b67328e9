//! Each wrong clock alone.

use super::*;

/// 55 s ahead, and a new connection every 20 s.
#[test]
fn a_camera_that_is_ahead_and_reconnects_adds_no_time() {
    let mut world = World::new(55_000_000);
    for _ in 0..15 {
        world.stream(20);
        world.reconnect(1_000_000);
    }
    world.check();
    let capture = world.last().timed.capture;
    assert_eq!(capture.source, TimeSource::Arrival);
    assert!(capture.offset_ms.is_some_and(|ms| (54_500..=55_000).contains(&ms)), "{capture:?}");
    let lasted = capture.at.since(world.frames[0].timed.capture.at).as_secs_f64();
    assert!((lasted - (15.0 * 21.0 - 1.0)).abs() < 3.0, "{lasted} s");
    let said: Vec<_> = world.notes.iter().collect();
    assert!(matches!(said[..], [Note::FarOff { .. }]), "said once, and it was no step: {said:?}");
}

#[test]
fn a_camera_near_the_node_is_followed_over_its_connections() {
    let mut world = World::new(1_500_000);
    world.stream(60);
    let settled = world.last();
    assert_eq!(settled.timed.capture.source, TimeSource::Rtcp);
    assert!((world.ahead(&settled) - 1_500_000).abs() < 10_000, "the camera's clock, not the arrival");
    world.reconnect(2_000_000);
    world.frames(10);
    let next = world.last();
    assert_eq!(next.timed.capture.source, TimeSource::Rtcp, "remembered until its first report");
    assert!((world.ahead(&next) - 1_500_000).abs() < JITTER_US);
    world.frames(60);
    assert_eq!(world.last().timed.capture.offset_ms, None, "but not for ever");
    world.check();
}

#[test]
fn nothing_is_worked_off_before_somebody_has_a_frame() {
    let mut world = World::new(1_500_000);
    world.report(0);
    world.frame();
    let capture = world.last().timed.capture;
    assert_eq!(capture.source, TimeSource::Rtcp);
    assert_eq!(capture.at.0, NOON_US + 1_500_000);
}

#[test]
fn a_set_camera_is_counted_once_and_confirmed_first() {
    let mut world = World::new(0);
    world.stream(60);
    world.camera_off = 900_000_000;
    world.report(0);
    world.camera_off = 0;
    world.stream(30);
    assert_eq!(world.notes, [], "one wrong report is none");
    world.camera_off = 900_000_000;
    world.stream(60);
    world.check();
    let [Note::CameraStepped { from_us, to_us }, Note::FarOff { .. }] = world.notes[..] else {
        panic!("{:?}", world.notes);
    };
    assert!(from_us.abs() < JITTER_US && (to_us - 900_000_000).abs() < JITTER_US);
    assert_eq!(world.last().timed.capture.source, TimeSource::Arrival);
    world.camera_off = 0;
    world.stream(60);
    world.check();
    assert_eq!(world.notes.len(), 3, "{:?}", world.notes);
    assert_eq!(world.last().timed.capture.source, TimeSource::Rtcp, "set right, it is followed again");
}

/// The node jumps ahead by 15 minutes beside a camera whose clock is right.
#[test]
fn a_camera_that_is_right_is_not_overruled_by_a_node_that_was_set() {
    let mut world = World::new(0);
    world.stream(60);
    assert!(!world.waits());
    world.node_off = 900_000_000;
    world.stream(60);
    world.check();
    let [Note::NodeStepped { by_us, too_far: false, witness: Witness::Contradicts }] = world.notes[..] else {
        panic!("{:?}", world.notes);
    };
    assert!((by_us - 900_000_000).abs() < 1_000);
    let during = world.last();
    assert!(world.waits() && world.ahead(&during).abs() < JITTER_US, "{during:?}");
    assert_eq!(during.timed.capture.source, TimeSource::Rtcp);
    assert!(during.timed.capture.offset_ms.is_some_and(|ms| ms < -899_000), "{during:?}");
    world.node_off = 0;
    world.stream(10);
    world.check();
    assert!(!world.waits(), "in step again");
    assert!(matches!(world.notes.last(), Some(Note::WaitEnded { in_step: true, .. })), "{:?}", world.notes);
}

#[test]
fn the_wait_is_bounded_and_a_time_service_decides_who_was_right() {
    for kept in [false, true] {
        let mut world = World::new(0);
        world.kept = kept;
        world.stream(60);
        world.node_off = 30_000_000;
        world.stream(595);
        assert!(world.waits());
        world.stream(10);
        world.check();
        assert!(!world.waits(), "it took too long");
        let [Note::NodeStepped { .. }, Note::WaitEnded { in_step: false, waited }, ..] = world.notes[..]
        else {
            panic!("{:?}", world.notes);
        };
        assert!(waited < PATIENCE + Duration::from_secs(1), "{waited:?}");
        world.stream(900);
        world.check();
        let after = world.last();
        let expected = if kept { 30_000_000 } else { 0 };
        assert!((world.ahead(&after) - expected).abs() < JITTER_US, "kept: {kept}: {after:?}");
    }
}

#[test]
fn a_set_node_is_followed_slowly_where_no_camera_speaks() {
    let mut world = World::new(0);
    world.frames(60);
    world.node_off = 30_000_000;
    world.kept = true;
    world.frames(8);
    assert!(world.waits());
    world.frames(52);
    world.check();
    let [
        Note::NodeStepped { by_us, too_far: false, witness: Witness::Silent },
        Note::WaitEnded { in_step, waited },
    ] = world.notes[..]
    else {
        panic!("{:?}", world.notes);
    };
    assert!((by_us - 30_000_000).abs() < 1_000);
    assert!(in_step && waited < CALM + Duration::from_secs(1) && !world.waits());
    let during = world.last();
    assert!((world.ahead(&during) - 3_000_000).abs() < JITTER_US, "50 ms a second");
    assert!((during.timed.error_ms + 27_000).abs() < 300, "{during:?}");
    world.reconnect(60_000_000);
    world.frames(570);
    world.check();
    let after = world.last();
    assert!((world.ahead(&after) - 30_000_000).abs() < JITTER_US, "there");
    assert!(after.timed.error_ms.abs() < 300, "{after:?}");
}

/// The box starts two days behind.
#[test]
fn a_node_that_was_days_behind_is_believed_with_the_next_connection() {
    const DAYS_US: i64 = 2 * 86_400_000_000;
    let mut world = World::new(DAYS_US);
    world.stream(10);
    assert!(!world.clock.wants_new_connection());
    world.node_off = DAYS_US;
    world.stream(5);
    world.check();
    let stepped = |n: &Note| matches!(n, Note::NodeStepped { too_far: true, witness: Witness::Agrees, .. });
    assert!(world.notes.iter().any(stepped), "{:?}", world.notes);
    assert!(!world.waits() && world.clock.wants_new_connection());
    world.reconnect(1_000_000);
    assert!(matches!(world.notes.last(), Some(Note::Rebased { .. })), "{:?}", world.notes);
    world.frames(1);
    assert!((world.ahead(&world.last()) - DAYS_US).abs() < JITTER_US);
    let moved = world.last().timed.capture.clock.expect("clocks").moved_us;
    assert!((moved - DAYS_US).abs() < 1_000_000, "{moved}");
    assert!(!world.clock.wants_new_connection());
}

#[test]
fn a_report_of_another_stream_is_ignored() {
    let mut world = World::new(0);
    world.stream(10);
    world.report(3_000_000_000);
    world.report(-11_000_000);
    world.stream(10);
    let [Note::StrayReport { by_us }, Note::StrayReport { .. }] = world.notes[..] else {
        panic!("{:?}", world.notes);
    };
    assert!((by_us - 3_000_000_000).abs() < 1_000_000);
    world.check();
}

#[test]
fn a_stream_that_runs_at_the_wrong_speed_is_held_to_the_clock() {
    for pace in [2_000_000, 500_000] {
        let mut world = World::new(0);
        world.pace = pace;
        world.stream(300);
        assert!(world.frames.iter().any(|f| f.timed.held));
        assert!(world.frames.windows(2).all(|w| w[0].timed.capture.at <= w[1].timed.capture.at));
        let ahead = world.ahead(&world.last());
        assert!((-31_000_000..=6_000_000).contains(&ahead), "{ahead} us after 5 min");
    }
}

#[test]
fn frames_that_were_held_up_keep_their_pace() {
    let mut world = World::new(0);
    world.stream(20);
    // Nothing arrives for 12 s, then everything at once.
    world.arrived += 12_000_000;
    world.stream(40);
    world.check();
}

/// Some cameras begin with the GOP that they hold: it arrives at once, and so does a report of the present.
#[test]
fn a_report_between_held_back_frames_is_no_step() {
    let mut world = World::new(0);
    world.arrived = 4_000_000;
    world.frames(1);
    let reading = world.deliver();
    world.clock.report(MediaTime(world.base + 4_000_000), WallTime(NOON_US + 4_000_000), reading);
    world.frames(9);
    world.stream(60);
    assert_eq!(world.notes, []);
    let capture = world.last().timed.capture;
    assert_eq!(capture.source, TimeSource::Rtcp);
    assert!(capture.offset_ms.is_some_and(|ms| ms.abs() < 300), "{capture:?}");
}

#[test]
fn a_drones_telemetry_has_the_times_of_its_pictures() {
    let mut world = World::new(-20_000_000);
    world.clock.reports_as(TimeSource::Telemetry);
    for _ in 0..30 {
        world.frames(1);
        world.report(0);
    }
    let shown = world.last();
    let drone = WallTime(NOON_US + shown.captured - 20_000_000);
    let beside = world.clock.telemetry_time(None, Some(drone), world.reading());
    let apart = (beside.0 - shown.timed.capture.at.0).abs();
    assert!(apart < 2_000, "{apart} us");
    assert_eq!(shown.timed.capture.source, TimeSource::Arrival, "not there yet");
    (0..400).for_each(|_| {
        world.frames(1);
        world.report(0);
    });
    assert_eq!(world.last().timed.capture.source, TimeSource::Telemetry);
    world.check();
}
