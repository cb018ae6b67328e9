//! Nothing that is stored is replaced by another content, and no message ends the receiver.

use super::*;

/// What a node says of its event, on its own topic and by its own source.
fn of_node(node: &str, revision: u32, kind: &str) -> (String, Value) {
    let mut message = message(revision);
    message["source"] = json!(format!("/lintel/{node}/c"));
    message["type"] = json!(format!("cn.lintel.violation.{kind}"));
    (format!("lintel/v1/{node}/camera/c/event"), message)
}

fn evidence(number: u32, sha256: &str) -> Value {
    json!({
        "specversion": "1.0", "id": format!("{}/evidence/{number}", id()), "source": "/lintel/n/c",
        "type": "cn.lintel.evidence.ready", "subject": id(), "time": "2026-11-22T04:31:00Z",
        "datacontenttype": "application/json", "dataschema": "urn:lintel:schema:evidence:1",
        "data": { "event": id(), "manifest": {}, "media": [{ "kind": "clip", "file": "clip.mp4",
            "media_type": "video/mp4", "bytes": 2500, "sha256": sha256 }] },
    })
}

/// Another clip of the same size.
fn other(index: u32) -> MediaChunk {
    let all: Vec<u8> = (0..2500u32).map(|n| (n % 13) as u8).collect();
    let offset = index as usize * 1000;
    let data = Bytes::copy_from_slice(&all[offset..(offset + 1000).min(2500)]);
    MediaChunk { sha256: format!("{:x}", sha2::Sha256::digest(&all)), data, ..chunk(index) }
}

fn clip(rig: &Rig) -> String {
    format!("{:x}", sha2::Sha256::digest(fs::read(rig.event_dir().join("clip.mp4")).expect("a clip")))
}

fn state(rig: &Rig) -> Value {
    serde_json::from_slice(&fs::read(rig.event_dir().join("event.json")).expect("file")).expect("JSON")
}

fn quarantined(rig: &Rig) -> Vec<String> {
    rig.files().into_iter().filter(|file| file.starts_with("out/quarantine/")).collect()
}

#[test]
fn a_message_that_names_another_source_than_its_topic_is_refused() {
    let mut rig = Rig::new();
    rig.event(&message(0)).expect("new");
    let mut forged = message(1);
    forged["type"] = json!("cn.lintel.violation.closed");
    for topic in [
        "lintel/v1/b/camera/c/event".to_owned(),
        "lintel/v1/n/camera/other/event".to_owned(),
        "lintel/v1/n/lost".to_owned(),
        format!("lintel/v1/b/media/{}/lintel/v1/n/camera/c/event", id()),
    ] {
        let result = rig.push(&topic, &Bytes::from(forged.to_string()));
        assert!(matches!(result, Err(StoreError::Refused(_))), "{topic}: {result:?}");
    }
    assert_eq!(state(&rig)["type"], "cn.lintel.violation.opened");
    assert!(matches!(rig.event(&message(1)).expect("genuine")[..], [Line::Event { revision: 1, .. }]));
}

#[test]
fn another_node_can_neither_close_an_event_nor_replace_its_files() {
    let mut rig = Rig::new();
    rig.event(&message(0)).expect("new");
    for index in 0..3 {
        rig.piece(&chunk(index)).expect("piece");
    }
    let (topic, closed) = of_node("b", 1, "closed");
    let lines = rig.push(&topic, &Bytes::from(closed.to_string())).expect("kept apart");
    assert!(matches!(&lines[..], [Line::Quarantined { .. }]), "{lines:?}");
    for index in 0..3 {
        rig.piece_of("b", &other(index)).expect("piece");
    }
    assert_eq!(clip(&rig), chunk(0).sha256);
    assert_eq!(state(&rig)["source"], "/lintel/n/c");
    assert!(matches!(rig.event(&message(1)).expect("genuine")[..], [Line::Event { revision: 1, .. }]));
    assert_eq!(quarantined(&rig).len(), 2, "{:?}", quarantined(&rig));
    assert!(quarantined(&rig).iter().all(|file| file.starts_with("out/quarantine/b/")));
    assert_eq!(rig.stats.quarantined.load(Ordering::Relaxed), 2);
}

#[test]
fn pieces_of_another_node_do_not_get_into_a_file_that_is_growing() {
    let mut rig = Rig::new();
    rig.event(&message(0)).expect("new");
    rig.piece(&chunk(0)).expect("piece");
    for index in 1..3 {
        let poison = MediaChunk { data: other(index).data, ..chunk(index) };
        drop(rig.piece_of("b", &poison));
    }
    for index in 1..3 {
        rig.piece(&chunk(index)).expect("piece");
    }
    assert_eq!(clip(&rig), chunk(0).sha256);
}

#[test]
fn a_file_with_another_hash_than_the_evidence_message_completes_nothing() {
    let mut rig = Rig::new();
    rig.event(&evidence(1, &chunk(0).sha256)).expect("evidence");
    for index in 0..3 {
        let lines = rig.piece(&other(index)).expect("piece");
        assert!(!lines.iter().any(|line| matches!(line, Line::Complete { .. })), "{lines:?}");
    }
    assert!(!rig.event_dir().join("clip.mp4").exists());
    assert_eq!(quarantined(&rig).len(), 1);
    let mut complete = 0;
    for index in 0..3 {
        let lines = rig.piece(&chunk(index)).expect("piece");
        complete += lines.iter().filter(|line| matches!(line, Line::Complete { .. })).count();
    }
    assert_eq!((complete, clip(&rig)), (1, chunk(0).sha256));
}

#[test]
fn complete_evidence_is_not_written_over_also_after_a_restart() {
    let mut rig = Rig::new();
    rig.event(&evidence(1, &chunk(0).sha256)).expect("evidence");
    for index in 0..3 {
        rig.piece(&chunk(index)).expect("piece");
    }
    rig.restart();
    for index in 0..3 {
        let lines = rig.piece(&other(index)).expect("piece");
        assert!(!lines.iter().any(|line| matches!(line, Line::Complete { .. })), "{lines:?}");
    }
    assert_eq!(clip(&rig), chunk(0).sha256);
    assert_eq!(quarantined(&rig).len(), 1);
}

#[test]
fn a_file_that_came_before_and_does_not_fit_the_evidence_message_is_taken_away() {
    let mut rig = Rig::new();
    for index in 0..3 {
        rig.piece(&other(index)).expect("piece");
    }
    let lines = rig.event(&evidence(1, &chunk(0).sha256)).expect("evidence");
    assert!(matches!(&lines[..], [Line::Quarantined { .. }]), "{lines:?}");
    assert!(!rig.event_dir().join("clip.mp4").exists());
}

#[test]
fn a_file_that_the_node_announces_anew_takes_the_place_and_the_old_one_is_kept() {
    let mut rig = Rig::new();
    rig.event(&evidence(1, &chunk(0).sha256)).expect("evidence");
    for index in 0..3 {
        rig.piece(&chunk(index)).expect("piece");
    }
    rig.event(&evidence(2, &other(0).sha256)).expect("evidence");
    let mut lines = Vec::new();
    for index in 0..3 {
        lines.extend(rig.piece(&other(index)).expect("piece"));
    }
    assert!(lines.iter().any(|line| matches!(line, Line::Complete { .. })), "{lines:?}");
    assert_eq!(clip(&rig), other(0).sha256);
    let earlier = fs::read_dir(rig.event_dir().join("earlier")).expect("kept").count();
    assert_eq!((earlier, quarantined(&rig).len()), (1, 0));
}

#[test]
fn a_file_that_comes_after_the_one_that_replaced_it_is_kept_beside_it() {
    let mut rig = Rig::new();
    rig.event(&evidence(1, &chunk(0).sha256)).expect("evidence");
    rig.event(&evidence(2, &other(0).sha256)).expect("evidence");
    for index in 0..3 {
        rig.piece(&other(index)).expect("piece");
    }
    for index in 0..3 {
        rig.piece(&chunk(index)).expect("piece");
    }
    let earlier = fs::read_dir(rig.event_dir().join("earlier")).expect("kept").count();
    assert_eq!((clip(&rig), earlier, quarantined(&rig).len()), (other(0).sha256, 1, 0));
}

#[test]
fn a_file_that_was_deleted_here_is_taken_in_again() {
    let mut rig = Rig::new();
    for index in 0..3 {
        rig.piece(&chunk(index)).expect("piece");
    }
    fs::remove_file(rig.event_dir().join("clip.mp4")).expect("deleted");
    for index in 0..3 {
        rig.piece(&chunk(index)).expect("piece");
    }
    assert_eq!(clip(&rig), chunk(0).sha256);
}

#[test]
fn a_file_that_waits_in_quarantine_is_taken_out_by_the_message_that_announces_it() {
    let mut rig = Rig::new();
    rig.event(&evidence(1, &chunk(0).sha256)).expect("evidence");
    for index in 0..3 {
        rig.piece(&chunk(index)).expect("piece");
        rig.piece(&other(index)).expect("piece");
    }
    assert_eq!(quarantined(&rig).len(), 1);
    let lines = rig.event(&evidence(2, &other(0).sha256)).expect("evidence");
    assert!(matches!(&lines[..], [Line::Complete { .. }]), "{lines:?}");
    assert_eq!((clip(&rig), quarantined(&rig).len()), (other(0).sha256, 0));
}

#[test]
fn a_revision_far_ahead_does_not_pin_the_state_of_an_event() {
    let mut rig = Rig::new();
    rig.event(&message(0)).expect("new");
    let lines = rig.event(&message(u32::MAX)).expect("stored");
    assert!(matches!(&lines[..], [Line::Quarantined { .. }, Line::Event { .. }]), "{lines:?}");
    assert_eq!(state(&rig)["data"]["revision"], 0);
    rig.event(&message(1)).expect("new");
    assert_eq!(state(&rig)["data"]["revision"], 1);
    rig.restart();
    rig.event(&message(2)).expect("new");
    assert_eq!(state(&rig)["data"]["revision"], 2);
}

#[test]
fn another_content_under_a_known_id_is_kept_apart() {
    let mut rig = Rig::new();
    rig.event(&message(0)).expect("new");
    let mut changed = message(0);
    changed["data"]["reason"] = json!("something else");
    let lines = rig.event(&changed).expect("kept apart");
    assert!(matches!(&lines[..], [Line::Quarantined { .. }]), "{lines:?}");
    assert_eq!(rig.event(&changed).expect("known"), [Line::Repeat]);
    assert_eq!(state(&rig)["data"]["reason"], "r");
    assert_eq!(fs::read_to_string(rig.event_dir().join("events.jsonl")).expect("log").lines().count(), 1);
}

#[test]
fn a_piece_that_contradicts_the_others_of_its_file_ends_nothing() {
    let mut rig = Rig::new();
    rig.piece(&chunk(0)).expect("piece");
    // Same event, kind, hash and piece size, but another size of the whole.
    let far = MediaChunk {
        index: 15,
        count: 20,
        offset: 15_000,
        total: 19_500,
        data: Bytes::from(vec![7; 1000]),
        ..chunk(0)
    };
    drop(rig.piece(&far));
    rig.piece(&chunk(1)).expect("piece");
    let lines = rig.piece(&chunk(2)).expect("piece");
    assert!(matches!(&lines[..], [Line::File { .. }]), "{lines:?}");
}

#[test]
fn files_that_come_interleaved_are_not_read_again_for_each_piece() {
    let mut rig = Rig::new();
    let second = |index| MediaChunk {
        event: uuid::Builder::from_unix_timestamp_millis(1_795_321_800_120, &[2; 10]).into_uuid(),
        ..chunk(index)
    };
    rig.piece(&chunk(0)).expect("piece");
    rig.piece_of("b", &second(0)).expect("piece");
    rig.piece(&chunk(1)).expect("piece");
    // Reading the file again would show that this piece is missing.
    let part = rig.files().into_iter().find(|file| file.starts_with("out/.parts/n/")).expect("a part");
    let part = rig.dir.path().join(part);
    let mut content = fs::read(&part).expect("part");
    content[500] ^= 1;
    fs::write(&part, content).expect("changed");
    rig.piece_of("b", &second(1)).expect("piece");
    let last = rig.piece(&chunk(2));
    assert!(matches!(last, Err(StoreError::Refused(Refusal::Hash { .. }))), "the end is checked: {last:?}");
    let lines = rig.piece_of("b", &second(2)).expect("piece");
    assert!(matches!(lines[..], [Line::File { .. }]), "{lines:?}");
}

#[test]
fn hundreds_of_files_grow_at_a_time() {
    let mut rig = Rig::new();
    let of = |n: u16, index| {
        let [high, low] = n.to_be_bytes();
        let random = [high, low, 0, 0, 0, 0, 0, 0, 0, 0];
        let event = uuid::Builder::from_unix_timestamp_millis(1_795_321_800_120, &random).into_uuid();
        MediaChunk { event, ..chunk(index) }
    };
    for index in 0..3 {
        for n in 0..300 {
            rig.piece(&of(n, index)).expect("piece");
        }
    }
    assert_eq!(rig.stats.files.load(Ordering::Relaxed), 300);
}

#[test]
fn the_log_of_an_event_is_not_read_again_for_each_update() {
    let mut rig = Rig::new();
    for revision in 0..50 {
        rig.event(&message(revision)).expect("new");
    }
    // Reading it again would find none of the messages.
    let log = rig.event_dir().join("events.jsonl");
    let bytes = fs::metadata(&log).expect("log").len();
    fs::write(&log, vec![b'x'; usize::try_from(bytes).expect("small")]).expect("changed");
    assert_eq!(rig.event(&message(7)).expect("known"), [Line::Repeat]);
    rig.event(&message(50)).expect("new");
    assert_eq!(state(&rig)["data"]["revision"], 50);
}

#[test]
fn what_nodes_say_of_themselves_is_stored() {
    let mut rig = Rig::new();
    let tell = |rig: &mut Rig, topic: &str, kind: &str, source: &str| {
        let mut message = message(0);
        message["type"] = json!(kind);
        message["source"] = json!(source);
        rig.push(topic, &Bytes::from(message.to_string()))
    };
    tell(&mut rig, "lintel/v1/n/camera/c/tamper", "cn.lintel.camera.tamper", "/lintel/n/c").expect("tamper");
    tell(&mut rig, "lintel/v1/n/reply", "cn.lintel.command.reply", "/lintel/n").expect("reply");
    assert!(tell(&mut rig, "lintel/v1/n/reply", "cn.lintel.command.reply", "/lintel/b").is_err());
    let state = |node: &str| Bytes::from(json!({ "node": node, "status": "offline" }).to_string());
    rig.push("lintel/v1/n/state", &state("n")).expect("state");
    rig.push("lintel/v1/n/health", &state("n")).expect("health");
    rig.push("lintel/v1/n/camera/c/state", &state("n")).expect("camera");
    assert!(rig.push("lintel/v1/b/state", &state("n")).is_err(), "a node speaks for itself");
    let stored = ["camera-c.json", "health.json", "replies.jsonl", "state.json", "tamper.jsonl"];
    assert_eq!(rig.files(), stored.map(|file| format!("out/nodes/n/{file}")));
    rig.push("lintel/v1/n/camera/c/state", &Bytes::new()).expect("cleared");
    assert_eq!(rig.files().len(), 4);
}

#[test]
fn a_link_in_the_folder_leads_to_no_other_file() {
    let mut rig = Rig::new();
    rig.event(&message(0)).expect("new");
    let precious = rig.dir.path().join("precious");
    fs::write(&precious, "precious").expect("write");
    for name in ["event.json.part", "event.json", "events.jsonl"] {
        let link = rig.event_dir().join(name);
        drop(fs::remove_file(&link));
        std::os::unix::fs::symlink(&precious, &link).expect("link");
        drop(rig.event(&message(1)));
        assert_eq!(fs::read_to_string(&precious).expect("there"), "precious", "{name}");
    }
}

#[test]
fn each_record_is_confirmed_once_it_is_stored_and_not_before() {
    let mut rig = Rig::new();
    let told =
        |rig: &mut Rig, topic: &str, payload: &Bytes| match rig.store().push(topic, payload).expect("stored")
        {
            Pushed { confirmed: Some((node, Confirmed::Message(message))), .. } => {
                Some((node, message.sha256, message.outcome))
            }
            Pushed { confirmed: Some((node, Confirmed::File(file))), .. } => {
                Some((node, file.sha256, file.outcome))
            }
            Pushed { confirmed: None, .. } => None,
        };
    let payload = Bytes::from(message(0).to_string());
    let hash = format!("{:x}", sha2::Sha256::digest(&payload));
    for _ in 0..2 {
        let told = told(&mut rig, EVENT, &payload);
        assert_eq!(told, Some(("n".to_owned(), hash.clone(), Outcome::Stored)), "repeats are confirmed too");
    }
    let topic = |index: u32| format!("lintel/v1/n/media/{}/clip/{index}", id());
    for index in [0, 1, 1] {
        assert_eq!(told(&mut rig, &topic(index), &encode_chunk(&chunk(index))), None);
    }
    for _ in 0..2 {
        let told = told(&mut rig, &topic(2), &encode_chunk(&chunk(2)));
        assert_eq!(told, Some(("n".to_owned(), chunk(0).sha256, Outcome::Stored)));
    }
    let wrong = Bytes::from_static(b"{}");
    assert!(matches!(told(&mut rig, EVENT, &wrong), Some((_, _, Outcome::Refused))));
}
