//! docs/mqtt.md and docs/schema against real messages. `LINTEL_BLESS=1` writes both anew.

use std::fmt::Write;

use lintel::base::WallTime;
use lintel::geo::CalibrationState;
use lintel::outbox::{MediaChunk, OutMedia};
use lintel::rules::Transition;
use lintel::tamper::TamperKind;
use lintel::wire::{
    CalibrationCommand, CameraAnswer, CameraBehind, CameraRef, CameraState, CameraSuppressed, ChunkHeader,
    CloudEvent, Confirmation, EventData, EvidenceData, FeedbackCommand, FileConfirmed, FlightNotTaken,
    FoundObject, HealthStatus, IgnoredCommand, LeadCommand, LostData, MessageConfirmed, NodeHealth, NodeLoad,
    NodeState, NodeStatus, Outcome, ReplyData, ReplyError, ResendCommand, RingsFull, TamperData, Trouble,
    TroubleKind, Verdict, decode_chunk, encode_chunk, evidence_message, reply_message, tamper_message,
};
use lintel::wire::{Topics, subscriptions};
use serde_json::{Value, json};

use super::facts::{event_id, message, topics};
use super::{Node, Observer};
use crate::support::mqtt::{Mosquitto, wait_for};
use crate::support::root;

fn bless() -> bool {
    std::env::var_os("LINTEL_BLESS").is_some()
}

/// File name and content of each schema.
fn schemas() -> Vec<(&'static str, Value)> {
    macro_rules! schema {
        ($type:ty) => {
            serde_json::to_value(schemars::schema_for!($type)).expect("schemas are JSON")
        };
    }
    vec![
        ("violation", schema!(CloudEvent<EventData>)),
        ("evidence", schema!(CloudEvent<EvidenceData>)),
        ("evidence-lost", schema!(CloudEvent<LostData>)),
        ("reply", schema!(CloudEvent<ReplyData>)),
        ("tamper", schema!(CloudEvent<TamperData>)),
        ("command-lead", schema!(LeadCommand)),
        ("command-feedback", schema!(FeedbackCommand)),
        ("command-calibration", schema!(CalibrationCommand)),
        ("command-resend", schema!(ResendCommand)),
        ("command-ignored", schema!(IgnoredCommand)),
        ("chunk-header", schema!(ChunkHeader)),
        ("confirmation", schema!(Confirmation)),
        ("node-state", schema!(NodeState)),
        ("camera-state", schema!(CameraState)),
        ("node-health", schema!(NodeHealth)),
    ]
}

/// Against the file that other people use.
#[track_caller]
pub fn validate(schema: &str, message: &Value) {
    let path = root().join(format!("docs/schema/{schema}.schema.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let schema = serde_json::from_str(&text).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a valid schema");
    let errors: Vec<String> =
        validator.iter_errors(message).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?} in {message:#}");
}

#[test]
fn the_schemas_are_those_of_the_types() {
    for (name, schema) in schemas() {
        let path = root().join(format!("docs/schema/{name}.schema.json"));
        let text = format!("{}\n", serde_json::to_string_pretty(&schema).expect("JSON"));
        if bless() {
            std::fs::create_dir_all(path.parent().expect("folder")).expect("folder");
            std::fs::write(&path, &text).expect("write");
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(found == text, "{} is old: run this test with LINTEL_BLESS=1", path.display());
    }
}

#[test]
fn a_schema_refuses_what_is_not_a_violation() {
    let message: Value =
        serde_json::from_slice(&message(event_id(1), Transition::Opened, 0).payload).expect("JSON");
    let schema = serde_json::from_str(
        &std::fs::read_to_string(root().join("docs/schema/violation.schema.json")).expect("schema"),
    )
    .expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a valid schema");
    assert!(validator.is_valid(&message));
    for (pointer, wrong) in [
        ("/specversion", json!("0.3")),
        ("/subject", json!("../../etc")),
        ("/data/confidence", json!(1.5)),
        ("/data/crs", json!("GCJ-02")),
        ("/data/severity", json!("urgent")),
        ("/data/geometry/coordinates", json!([120.0])),
    ] {
        let mut bad = message.clone();
        *bad.pointer_mut(pointer).expect(pointer) = wrong;
        assert!(!validator.is_valid(&bad), "{pointer} is not checked");
    }
}

fn sample_media() -> Vec<OutMedia> {
    [("still", "still.jpg", "image/jpeg", 182_044), ("clip", "clip.mp4", "video/mp4", 3_145_728)]
        .into_iter()
        .map(|(kind, file, media_type, bytes)| OutMedia {
            event: event_id(1),
            kind: kind.to_owned(),
            path: format!("/var/lib/lintel/{file}").into(),
            media_type: media_type.to_owned(),
            bytes,
            sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned(),
        })
        .collect()
}

/// Through its own type, which keeps the order of the fields.
fn pretty<T: serde::Serialize + serde::de::DeserializeOwned>(payload: &[u8]) -> String {
    let message: T = serde_json::from_slice(payload).expect("our own message");
    assert_eq!(serde_json::to_vec(&message).expect("JSON"), payload);
    serde_json::to_string_pretty(&message).expect("JSON")
}

/// Name, topic and text of each example in docs/mqtt.md, made by the functions that the node uses.
fn examples() -> Vec<(&'static str, String, String)> {
    let event = event_id(1);
    let mut all: Vec<(&'static str, String, String)> = [
        ("opened", Transition::Opened),
        ("updated", Transition::Updated),
        ("closed", Transition::Closed),
        ("expired", Transition::Expired),
    ]
    .into_iter()
    .zip(0..)
    .map(|((name, transition), revision)| {
        let m = message(event, transition, revision);
        (name, m.topic, pretty::<CloudEvent<EventData>>(&m.payload))
    })
    .collect();
    let manifest = json!({ "event": event.to_string(), "camera": "gate", "missing": [] });
    let at = WallTime(1_795_321_910_000_000);
    let media = sample_media().iter().map(Into::into).collect();
    let evidence = evidence_message(&topics(), "node-1", &"gate".into(), event, at, manifest, media);
    all.push(("evidence", evidence.topic, pretty::<CloudEvent<EvidenceData>>(&evidence.payload)));

    let dir = tempfile::TempDir::new().expect("temp dir");
    let outbox = super::open(dir.path());
    let media = sample_media().remove(1);
    outbox.append(&lintel::outbox::Batch { media: vec![media], ..Default::default() }).expect("append");
    let Some(lintel::outbox::Next::Lost(lost)) = outbox.next(true, 1000).expect("outbox") else {
        panic!("the file does not exist")
    };
    let lost = lintel::wire::lost_message(&topics(), "node-1", at, &lost);
    all.push(("lost", lost.topic, pretty::<CloudEvent<LostData>>(&lost.payload)));

    let tamper = TamperData {
        incident: event_id(8),
        camera: CameraRef { id: "gate".to_owned(), name: "东门高杆".to_owned(), gb_id: None },
        kind: TamperKind::Moved,
        at: at.to_string(),
        calibration: Some(CalibrationState::Stale),
        shift_px: Some([152.8, 31.4]),
        turn_deg: Some(2.9),
        reason: "the picture has shifted by 156 pixels and turned by 2.9 degrees".to_owned(),
    };
    let m = tamper_message(&topics(), "node-1", at, tamper);
    all.push(("tamper", m.topic, pretty::<CloudEvent<TamperData>>(&m.payload)));
    for (name, data) in answers() {
        let m = reply_message("node-1", event_id(9), at, topics().reply(), Vec::new(), data);
        all.push((name, m.topic, pretty::<CloudEvent<ReplyData>>(&m.payload)));
    }

    let chunk = MediaChunk {
        event,
        kind: "clip".to_owned(),
        file: "clip.mp4".to_owned(),
        media_type: "video/mp4".to_owned(),
        index: 1,
        count: 12,
        offset: 262_144,
        total: 3_145_728,
        sha256: sample_media()[1].sha256.clone(),
        data: vec![0; 262_144].into(),
    };
    let payload = encode_chunk(&chunk);
    let (header, _) = decode_chunk(&payload).expect("our own");
    let length = u32::from_be_bytes([payload[4], payload[5], payload[6], payload[7]]);
    let head: String = payload[..8].iter().fold(String::new(), |mut s, b| {
        write!(s, "{b:02x} ").expect("string");
        s
    });
    let text = format!(
        "{head}  \"LTC1\", header of {length} bytes\n{}\n... 262144 bytes of the file",
        serde_json::to_string_pretty(&header).expect("JSON")
    );
    all.push(("chunk", topics().media(event, "clip", 1), text));

    let confirmation = Confirmation {
        by: "lintel-receive".to_owned(),
        messages: vec![MessageConfirmed {
            sha256: sample_media()[0].sha256.clone(),
            outcome: Outcome::Stored,
        }],
        files: vec![FileConfirmed {
            event,
            kind: "clip".to_owned(),
            sha256: sample_media()[1].sha256.clone(),
            outcome: Outcome::Stored,
        }],
    };
    validate("confirmation", &serde_json::to_value(&confirmation).expect("JSON"));
    let text = serde_json::to_string_pretty(&confirmation).expect("JSON");
    all.push(("confirmation", topics().confirm(), text));

    let since = WallTime(1_795_320_000_000_000);
    let state = NodeState::new("node-1", NodeStatus::Online, since);
    all.push(("node", topics().node_state(), serde_json::to_string_pretty(&state).expect("JSON")));
    let camera = camera_state();
    all.push((
        "camera",
        topics().camera_state(&"gate".into()),
        serde_json::to_string_pretty(&camera).expect("JSON"),
    ));
    let health = NodeHealth {
        node: "node-1".to_owned(),
        status: HealthStatus::Degraded,
        at: WallTime(1_795_321_800_000_000).to_string(),
        load: NodeLoad { cores: 1.96, budget: 2.0, stretch: 1.8 },
        behind: vec![CameraBehind { camera: "gate".to_owned(), interval_s: 7.4, promised_s: 4.0 }],
        suppressed: vec![CameraSuppressed { camera: "yard".to_owned(), events: 12 }],
        flights: vec![FlightNotTaken {
            area: "east-village".into(),
            flight: "june".into(),
            reason: "none of its pictures can be used: DJI_0042.JPG: it is no picture that can be read"
                .into(),
            at: "2026-10-05T08:15:00.000Z".into(),
        }],
        rings: Some(RingsFull { budget_mb: 2048, dropped_mb: 310 }),
        troubles: vec![Trouble {
            kind: TroubleKind::NobodySubscribed,
            reason: "nobody has subscribed to 12 records; they wait here".into(),
        }],
    };
    all.push(("health", topics().health(), serde_json::to_string_pretty(&health).expect("JSON")));
    all
}

fn answers() -> Vec<(&'static str, ReplyData)> {
    let answer = CameraAnswer {
        camera: "gate".to_owned(),
        name: "东门高杆".to_owned(),
        evidence: Some(event_id(5)),
        expected: ["still", "annotated", "manifest"].map(str::to_owned).to_vec(),
        missing: Vec::new(),
        time: Some(WallTime(1_795_321_905_000_000).to_string()),
        pixel: None,
        distance_m: None,
        metres_per_pixel: None,
        hidden: None,
        objects: vec![FoundObject {
            class: "person".to_owned(),
            score: 0.71,
            rect: [0.2, 0.3, 0.25, 0.5],
            distance_m: None,
            still_since: WallTime(1_795_321_905_000_000).to_string(),
        }],
    };
    let mut rectified = ReplyData::done("rectified", Some("case-4711"));
    rectified.event = Some(event_id(1));
    rectified.verdict = Some(Verdict::Gone);
    rectified.cameras = vec![answer.clone()];
    let error = ReplyError {
        reason: "the command cannot be read: missing field `lat` at line 1 column 15".to_owned(),
        help: "a JSON object with the fields that docs/mqtt.md names for it".to_owned(),
    };
    let mut lead = ReplyData::done("lead", Some("report-12"));
    lead.cameras = vec![CameraAnswer {
        expected: ["still", "annotated", "clip", "manifest"].map(str::to_owned).to_vec(),
        pixel: Some([0.4312, 0.6127]),
        distance_m: Some(312.4),
        metres_per_pixel: Some(0.087),
        hidden: Some(false),
        ..answer
    }];
    lead.cameras[0].objects[0].distance_m = Some(4.2);
    let refused = ReplyData::refused("lead", None, error);
    vec![("rectified", rectified), ("lead", lead), ("refused", refused)]
}

fn camera_state() -> CameraState {
    CameraState {
        node: "node-1".to_owned(),
        camera: "gate".to_owned(),
        name: "东门高杆".to_owned(),
        status: "streaming".to_owned(),
        at: WallTime(1_795_321_800_000_000).to_string(),
        fps: 25.0,
        last_frame: Some(WallTime(1_795_321_799_960_000).to_string()),
        view: Some("clear".to_owned()),
        client: None,
        reason: None,
    }
}

#[test]
fn the_examples_in_the_documentation_are_what_the_program_writes() {
    let path = root().join("docs/mqtt.md");
    let mut text = std::fs::read_to_string(&path).expect("docs/mqtt.md");
    for (name, topic, body) in examples() {
        let (open, close) = (format!("<!-- example {name} -->\n"), "<!-- end -->");
        let start = text.find(&open).unwrap_or_else(|| panic!("no example {name}")) + open.len();
        let end = start + text[start..].find(close).expect("an end");
        let language = if name == "chunk" { "text" } else { "json" };
        let block = format!("`{topic}`\n\n```{language}\n{body}\n```\n");
        if bless() {
            text.replace_range(start..end, &block);
        } else {
            assert_eq!(&text[start..end], block, "{name} is old: run this test with LINTEL_BLESS=1");
        }
    }
    if bless() {
        std::fs::write(&path, text).expect("write");
    }
}

#[test]
fn real_messages_hold_to_the_schemas_and_reach_who_subscribes_as_documented() {
    let broker = Mosquitto::plain();
    let filters = subscriptions("lintel");
    let names: Vec<&str> = filters.iter().map(String::as_str).collect();
    let mut observer = Observer::new(broker.config("observer"), &names);
    let mut node = Node::new(&broker.config("node-1"));
    observer.until(|seen| seen.topic == "lintel/v1/node-1/state");
    let topics = Topics::new("lintel", "node-1");
    let publisher = node.publisher.as_ref().expect("running");
    publisher.publish_state(&topics.camera_state(&"gate".into()), &camera_state());
    let still = node.media(event_id(1), "still", "still.jpg", 1000);
    let transitions = [Transition::Opened, Transition::Updated, Transition::Closed, Transition::Expired]
        .into_iter()
        .zip(0..);
    let mut messages: Vec<_> = transitions.map(|(t, revision)| message(event_id(1), t, revision)).collect();
    let manifest = json!({ "files": 1 });
    let at = WallTime(1_795_321_910_000_000);
    messages.push(evidence_message(
        &topics,
        "node-1",
        &"gate".into(),
        event_id(1),
        at,
        manifest,
        vec![(&still).into()],
    ));
    node.append(messages, vec![still]);
    let mut seen = Vec::new();
    while seen.len() < 7 {
        let message = observer.next();
        let schema = match message.topic.rsplit('/').next() {
            Some("event") => "violation",
            Some("evidence") => "evidence",
            Some("state") if message.topic.contains("/camera/") => "camera-state",
            Some("state") => "node-state",
            _ => {
                let (header, data) = decode_chunk(&message.payload.clone().into()).expect("a piece");
                assert_eq!(data.len(), 1000);
                validate("chunk-header", &serde_json::to_value(header).expect("JSON"));
                seen.push("chunk");
                continue;
            }
        };
        validate(schema, &serde_json::from_slice(&message.payload).expect("JSON"));
        seen.push(schema);
    }
    seen.sort_unstable();
    assert_eq!(
        seen,
        ["camera-state", "chunk", "evidence", "violation", "violation", "violation", "violation"]
    );
    wait_for("the last acknowledgement", || node.drained());
    node.stop();
    let mut late = Observer::new(broker.config("late"), &["lintel/v1/#"]);
    let mut retained = [late.next(), late.next()];
    retained.sort_by(|a, b| a.topic.cmp(&b.topic));
    assert!(retained.iter().all(|m| m.retained), "events are not retained, states are");
    assert_eq!(retained[0].topic, "lintel/v1/node-1/camera/gate/state");
}
