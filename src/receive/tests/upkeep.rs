//! Old events go, those that are open or incomplete stay, and a node is asked for what has not come.

use std::time::Duration;

use super::*;
use crate::base::{monotonic, wall_now};
use crate::wire::ResendCommand;

const DAY: Duration = Duration::from_secs(86_400);

/// An event of so many days ago, by its number.
fn event(days: u32, number: u8) -> Uuid {
    let at = (wall_now() - DAY * days).0 / 1000;
    uuid::Builder::from_unix_timestamp_millis(u64::try_from(at).expect("now"), &[number; 10]).into_uuid()
}

fn step(event: Uuid, revision: u32, kind: &str) -> Value {
    let mut message = message(revision);
    message["id"] = json!(format!("{event}/{revision}"));
    message["subject"] = json!(event);
    message["data"]["event"] = json!(event);
    message["type"] = json!(format!("cn.lintel.violation.{kind}"));
    message
}

/// It names a clip of 2500 bytes.
fn evidence(event: Uuid, on_request: bool) -> Value {
    let mut message = step(event, 0, "opened");
    message["id"] = json!(format!("{event}/evidence/1"));
    message["type"] = json!("cn.lintel.evidence.ready");
    let file = json!({ "kind": "clip", "file": "clip.mp4", "media_type": "video/mp4", "bytes": 2500,
        "sha256": chunk(0).sha256, "on_request": on_request });
    message["data"] = json!({ "event": event, "manifest": {}, "media": [file] });
    message
}

fn lost(event: Uuid) -> Value {
    let mut message = step(event, 0, "opened");
    message["id"] = json!(format!("{event}/lost/clip"));
    message["source"] = json!("/lintel/n");
    message["type"] = json!("cn.lintel.evidence.lost");
    message["data"] = json!({ "event": event, "kind": "clip", "file": "clip.mp4", "bytes": 2500,
        "sha256": chunk(0).sha256, "reason": "gone" });
    message
}

fn folder(rig: &Rig, event: Uuid) -> bool {
    let days = fs::read_dir(rig.dir.path().join("out")).expect("out").flatten();
    days.map(|day| day.path().join(event.to_string())).any(|path| path.exists())
}

#[test]
fn old_events_are_deleted_whole_and_never_one_that_is_open_or_waits_for_files() {
    let mut rig = Rig::new();
    let [ended, open, waits, told, held, young] =
        [(9, 1), (9, 2), (9, 3), (9, 4), (9, 5), (1, 6)].map(|(d, n)| event(d, n));
    for id in [ended, open, waits, told, held, young] {
        rig.event(&step(id, 0, "opened")).expect("stored");
        if id != open {
            rig.event(&step(id, 1, "closed")).expect("stored");
        }
    }
    rig.event(&evidence(waits, false)).expect("stored");
    rig.event(&evidence(told, false)).expect("stored");
    rig.push("lintel/v1/n/lost", &Bytes::from(lost(told).to_string())).expect("stored");
    rig.event(&evidence(held, true)).expect("stored");
    let start = monotonic();
    rig.store().look_after(start);
    assert!(folder(&rig, ended), "nobody has said that anything is to go");
    rig.store().keep_for(DAY * 5);
    rig.store().look_after(start);
    let left = [ended, open, waits, told, held, young].map(|id| folder(&rig, id));
    assert_eq!(left, [false, true, true, false, false, true]);
    assert_eq!(rig.stats.deleted.load(Ordering::Relaxed), 3);
    // It is no event that was never seen: what comes late of it is stored.
    rig.event(&step(ended, 2, "closed")).expect("stored");
    assert!(folder(&rig, ended));
}

#[test]
fn a_node_is_asked_for_announced_files_that_do_not_come_also_after_a_restart() {
    let mut rig = Rig::new();
    let [waits, held] = [event(0, 1), event(0, 2)];
    rig.store().ask_after(Duration::from_secs(600));
    for (id, on_request) in [(waits, false), (held, true)] {
        rig.event(&step(id, 0, "opened")).expect("stored");
        rig.event(&evidence(id, on_request)).expect("stored");
    }
    let start = monotonic();
    assert_eq!(rig.store().look_after(start), []);
    rig.restart();
    rig.store().ask_after(Duration::from_secs(600));
    let later = monotonic() + Duration::from_secs(601);
    let asked = rig.store().look_after(later);
    let [(topic, payload)] = &asked[..] else { panic!("one is asked for: {asked:?}") };
    assert_eq!(topic, "lintel/v1/n/command/resend");
    let command: ResendCommand = serde_json::from_slice(payload).expect("a command");
    assert_eq!((command.event, command.kinds), (waits, Some(vec!["clip".to_owned()])));
    for index in 0..3 {
        rig.piece(&MediaChunk { event: waits, ..chunk(index) }).expect("stored");
    }
    assert_eq!(rig.store().look_after(later + DAY), [], "it has come");
    assert_eq!(rig.stats.asked.load(Ordering::Relaxed), 1);
}

#[test]
fn what_a_node_makes_up_does_not_fill_the_disk_and_is_refused_for_good() {
    let mut rig = Rig::new();
    rig.event(&message(0)).expect("stored");
    // As if a stranger had sent a gigabyte of files about this event.
    let dir = rig.dir.path().join("out/quarantine/b");
    fs::create_dir_all(&dir).expect("made");
    let sparse = fs::File::create(dir.join("much")).expect("made");
    sparse.set_len(1 << 30).expect("set");
    let before = rig.files().len();
    let topic = |index: u32| format!("lintel/v1/b/media/{}/clip/{index}", id());
    for index in 0..3 {
        let pushed =
            rig.store().push(&topic(index), &encode_chunk(&chunk(index))).expect("no trouble of the disk");
        if index == 2 {
            assert!(matches!(pushed.refusal, Some(Refusal::Quarantine(_))), "{pushed:?}");
            let Some((_, Confirmed::File(file))) = pushed.confirmed else { panic!("the node is told") };
            assert_eq!(file.outcome, Outcome::Refused);
        }
    }
    assert_eq!(rig.files().len(), before, "nothing is left of it");
    for index in 0..3 {
        rig.piece(&chunk(index)).expect("the owner's own is stored");
    }
}
