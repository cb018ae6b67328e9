//! One violation with everything around it, the same in every run.

use std::time::Duration;

use lintel::base::{CameraId, Capture, Polygon, Rect, TimeSource, TrackId, WallTime, ZoneId};
use lintel::config::{
    CameraConfig, ChangeConfig, FileConfig, Group, NodeConfig, Pace, Position, Priority, RingConfig,
    Sampling, Severity, SourceConfig, Tiling, TrackConfig, ViolationClass, Zone,
};
use lintel::geo::{Accuracy, CalibrationState, Coordinates, EventPlace, Method};
use lintel::outbox::OutMessage;
use lintel::rules::{Transition, Violation, ViolationObject};
use lintel::wire::Topics;
use lintel::wire::{EventFacts, EvidenceState, MissingEvidence, event_message};
use uuid::Uuid;

pub fn topics() -> Topics {
    Topics::new("lintel", "node-1")
}

/// 2026-11-22T04:30:00.120Z, and `n` for the random part.
pub fn event_id(n: u8) -> Uuid {
    uuid::Builder::from_unix_timestamp_millis(1_795_321_800_120, &[n; 10]).into_uuid()
}

pub fn camera() -> CameraConfig {
    CameraConfig {
        id: CameraId::new("gate"),
        name: "东门高杆".to_owned(),
        source: SourceConfig::File(FileConfig {
            path: "x.mp4".into(),
            pace: Pace::Speed(1.0),
            repeat: false,
            start: None,
        }),
        drone: None,
        position: Some(Position { lon: 120.1551, lat: 30.2741, alt: Some(38.0) }),
        calibration: None,
        gb_id: Some("33010600081326000001".to_owned()),
        sampling: Sampling::Keyframes,
        priority: Priority::Normal,
        interval: Duration::from_secs(2),
        tiling: Tiling { columns: 1, rows: 1, overlap: 0.0, per_picture: 0 },
        ring: RingConfig { max_bytes: 1 << 20, max_duration: Duration::from_secs(60), quiet: Duration::MAX },
        track: TrackConfig { high_score: 0.5, low_score: 0.1, max_gap: Duration::from_secs(30) },
        change: ChangeConfig {
            interval: Duration::from_secs(10),
            learn: Duration::from_secs(86_400),
            min_share: 0.0005,
        },
        zones: vec![Zone::new(ZoneId::new("kerb"), "路缘".to_owned(), Polygon::full())],
        rules: Vec::new(),
        max_events_per_hour: 60,
    }
}

pub fn violation(event: Uuid, transition: Transition, revision: u32) -> Violation {
    let started = WallTime(1_795_321_800_120_000);
    let at = started + Duration::from_secs(95 + 300 * u64::from(revision));
    let rect = Rect::new(0.412, 0.538, 0.498, 0.611);
    Violation {
        id: event,
        transition,
        revision,
        camera: CameraId::new("gate"),
        rule: "motor_vehicle_parking".to_owned(),
        class: "motor_vehicle_parking".to_owned(),
        zone: Some(ZoneId::new("kerb")),
        severity: Severity::Medium,
        started,
        shown: None,
        watched: Some(Duration::from_secs(95)),
        at,
        last_seen: at,
        confidence: 0.873,
        rect,
        objects: vec![ViolationObject {
            class: "car".into(),
            track: TrackId(17),
            score: 0.873,
            rect,
            ground: None,
            second_look: None,
        }],
        permit: None,
        rejected: false,
        reason: "car has stood in zone '路缘' since 04:30:00 (95 s, limit 90 s)".to_owned(),
        change: None,
    }
}

pub fn message(event: Uuid, transition: Transition, revision: u32) -> OutMessage {
    let camera = camera();
    let node = NodeConfig {
        id: "node-1".to_owned(),
        name: "县城一号".to_owned(),
        data_dir: "data".into(),
        time_zone: jiff::tz::TimeZone::UTC,
        area_code: "33".to_owned(),
    };
    let class = ViolationClass {
        id: "motor_vehicle_parking".to_owned(),
        zh: "机动车违停".to_owned(),
        en: "Motor vehicle parking".to_owned(),
        group: Group::Street,
        code: "0505".to_owned(),
    };
    let violation = violation(event, transition, revision);
    let seen = transition != Transition::Expired;
    let evidence = match transition {
        Transition::Opened => EvidenceState {
            expected: ["still", "annotated", "clip", "manifest"].map(str::to_owned).to_vec(),
            missing: Vec::new(),
        },
        Transition::Closed => EvidenceState {
            expected: Vec::new(),
            missing: vec![MissingEvidence { kind: "closed".to_owned(), reason: "disk full".to_owned() }],
        },
        Transition::Updated | Transition::Expired => EvidenceState::default(),
    };
    let place = place();
    let facts = EventFacts {
        decision: None,
        node: &node,
        camera: (&camera).into(),
        class: &class,
        violation: &violation,
        capture: seen.then_some(Capture {
            at: violation.at,
            source: TimeSource::Rtcp,
            offset_ms: Some(-40),
            clock: None,
        }),
        picture: seen.then_some((1920, 1080)),
        place: Some(&place),
        seen_by: &[],
        evidence: &evidence,
    };
    event_message(&topics(), &facts)
}

fn place() -> EventPlace {
    let position = Coordinates { lon: 120.15583412, lat: 30.27471877, alt: Some(6.31) };
    let ring = vec![
        [120.15581922, 30.27471301],
        [120.15584903, 30.27471301],
        [120.15584903, 30.27474012],
        [120.15581922, 30.27474012],
        [120.15581922, 30.27471301],
    ];
    EventPlace {
        position,
        accuracy: Some(Accuracy { semi_major_m: 1.83, semi_minor_m: 0.41, azimuth_deg: 38.4 }),
        method: Method::PoseDem,
        calibration: CalibrationState::Valid,
        footprint: Some(ring),
        gcj02: Some([120.16051873, 30.27231244]),
        objects: vec![Some(position)],
    }
}
