//! A record stays until somebody has it, and what was lost on the way is sent again.

use super::*;

struct Rig {
    dir: TempDir,
    outbox: Outbox,
}

impl Rig {
    fn with(max_bytes: u64) -> Self {
        let dir = TempDir::new().expect("temp dir");
        let outbox = Outbox::open(dir.path(), &OutboxConfig { max_bytes }).expect("open");
        Self { dir, outbox }
    }

    fn new() -> Self {
        Self::with(1 << 20)
    }

    fn still(&self, n: u8, content: &[u8]) -> OutMedia {
        let media = file(self.dir.path(), n, "still", content);
        self.outbox.append(&Batch { media: vec![media.clone()], ..Batch::default() }).expect("append");
        media
    }

    /// Hands everything to the broker. Returns what was sent.
    fn send_all(&self) -> Vec<Got> {
        std::iter::from_fn(|| next(&self.outbox, true))
            .map(|(id, got)| {
                self.outbox.sent(&[id.expect("a record")]).expect("sent");
                got
            })
            .collect()
    }

    fn reopen(self) -> Self {
        let Self { dir, outbox } = self;
        drop(outbox);
        let outbox = Outbox::open(dir.path(), &config()).expect("open");
        Self { dir, outbox }
    }

    fn confirm_message(&self, text: &str) {
        let sha256 = format!("{:x}", Sha256::digest(text));
        self.outbox.confirm(&[Confirmed { sha256, file: None, refused: false }]).expect("confirm");
    }

    fn confirm_media(&self, media: &OutMedia) {
        let file = Some((media.event, media.kind.clone()));
        let confirmed = Confirmed { sha256: media.sha256.clone(), file, refused: false };
        self.outbox.confirm(&[confirmed]).expect("confirm");
    }
}

fn text(got: &str) -> Got {
    Got::Message(got.as_bytes().to_vec())
}

#[test]
fn a_record_stays_until_a_platform_has_it_also_through_a_restart() {
    let rig = Rig::new();
    let media = rig.still(1, &[1; 40]);
    rig.outbox.append(&messages(&["event"])).expect("append");
    assert_eq!(rig.send_all().len(), 4);
    assert_eq!(next(&rig.outbox, true), None, "not sent twice");
    assert!(!rig.outbox.is_delivered(event(1)).expect("outbox"), "the broker's word is not enough");
    let rig = rig.reopen();
    let stats = rig.outbox.stats();
    assert_eq!((stats.messages, stats.media, stats.unconfirmed), (1, 1, 2));
    rig.confirm_media(&OutMedia { sha256: "0".repeat(64), ..media.clone() });
    assert_eq!(rig.outbox.stats().media, 1, "another content was confirmed");
    rig.confirm_media(&media);
    rig.confirm_message("event");
    let stats = rig.outbox.stats();
    assert_eq!((stats.messages, stats.media, stats.unconfirmed, stats.confirmed), (0, 0, 0, 2));
    assert!(rig.outbox.is_delivered(event(1)).expect("outbox"));
}

#[test]
fn what_the_broker_lost_is_sent_again_once_something_later_is_confirmed() {
    let rig = Rig::new();
    rig.outbox.append(&messages(&["first", "second"])).expect("append");
    let media = rig.still(1, &[1; 40]);
    rig.send_all();
    rig.outbox.append(&messages(&["last"])).expect("append");
    rig.send_all();
    for _ in 0..3 {
        assert_eq!(
            rig.outbox.look_again().expect("look"),
            0,
            "nothing is confirmed: the platform may be away"
        );
    }
    rig.confirm_message("last");
    assert_eq!(rig.outbox.look_again().expect("look"), 0, "the words of the others may be on the way");
    rig.confirm_message("second");
    assert_eq!(rig.outbox.look_again().expect("look"), 2);
    let again = rig.send_all();
    assert_eq!(again[0], text("first"));
    assert_eq!(again.len(), 1 + 3, "the message and every piece of the file");
    rig.confirm_message("first");
    rig.confirm_media(&media);
    assert_eq!((rig.outbox.stats().unconfirmed, rig.outbox.stats().sent_again), (0, 2));
}

#[test]
fn what_is_told_to_nobody_stays_and_all_of_it_goes_once_somebody_listens() {
    let rig = Rig::new();
    rig.outbox.append(&messages(&["one", "two", "three"])).expect("append");
    let ids: Vec<_> = std::iter::from_fn(|| next(&rig.outbox, true)).map(|(id, _)| id.expect("id")).collect();
    rig.outbox.nobody(&ids).expect("nobody");
    assert_eq!(rig.outbox.stats().told_nobody, 3);
    assert_eq!(next(&rig.outbox, true), None, "nothing is sent in a circle");
    rig.outbox.look_again().expect("look");
    let (probe, got) = next(&rig.outbox, true).expect("one is tried");
    assert_eq!((got, next(&rig.outbox, true)), (text("one"), None));
    rig.outbox.nobody(&[probe.expect("id")]).expect("nobody");
    rig.outbox.look_again().expect("look");
    let (probe, _) = next(&rig.outbox, true).expect("one is tried");
    rig.outbox.ack(&[probe.expect("id")]).expect("the broker's word");
    let rest: Vec<_> = std::iter::from_fn(|| next(&rig.outbox, true)).map(|(_, got)| got).collect();
    assert_eq!(rest, [text("two"), text("three")]);
    assert_eq!((rig.outbox.stats().told_nobody, rig.outbox.stats().messages), (0, 2));
}

#[test]
fn pieces_that_nobody_takes_are_tried_one_at_a_time() {
    let rig = Rig::new();
    rig.still(1, &[1; 40]);
    let (id, _) = next(&rig.outbox, true).expect("a piece");
    rig.outbox.nobody(&[id.expect("id")]).expect("nobody");
    rig.still(2, &[2; 10]);
    assert_eq!(next(&rig.outbox, true), None, "no other piece is wasted");
    rig.outbox.append(&messages(&["event"])).expect("append");
    assert_eq!(next(&rig.outbox, true).map(|(_, got)| got), Some(text("event")), "messages go on");
    rig.outbox.look_again().expect("look");
    let (id, _) = next(&rig.outbox, true).expect("one piece");
    assert_eq!(next(&rig.outbox, true), None);
    rig.outbox.sent(&[id.expect("id")]).expect("somebody took it");
    assert_eq!(rig.send_all().len(), 3, "the other pieces of both files");
}

#[test]
fn files_on_the_disk_are_never_refused_for_their_size() {
    let rig = Rig::with(150);
    for n in 1..5 {
        rig.still(n, &[n; 1000]);
    }
    rig.outbox.append(&messages(&[&"x".repeat(500)])).expect("append");
    let stats = rig.outbox.stats();
    assert_eq!((stats.messages, stats.media), (1, 4));
}

#[test]
fn a_platform_that_never_says_anything_does_not_fill_the_disk_and_what_it_costs_is_counted() {
    let rig = Rig::with(10_000);
    for number in 0..300 {
        rig.outbox.append(&messages(&[&format!("{number:0>100}")])).expect("append");
        rig.send_all();
    }
    let stats = rig.outbox.stats();
    assert!(stats.message_bytes <= 10_000, "{stats:?}");
    assert_eq!(stats.messages + stats.released, 300);
    // What the broker does not have is never given up.
    for _ in 0..300 {
        rig.outbox.append(&messages(&[&"y".repeat(100)])).expect("append");
    }
    assert!(rig.outbox.stats().messages >= 300);
}

#[test]
fn if_only_the_brokers_word_counts_what_it_has_leaves_at_once() {
    let rig = Rig::new();
    rig.still(1, &[1; 40]);
    rig.outbox.append(&messages(&["had", "has not"])).expect("append");
    for _ in 0..1 {
        let (id, _) = next(&rig.outbox, true).expect("a message");
        rig.outbox.sent(&[id.expect("id")]).expect("sent");
    }
    assert_eq!(rig.outbox.trust_broker().expect("outbox"), 1);
    assert_eq!((rig.outbox.stats().messages, rig.outbox.stats().media), (1, 1));
    assert_eq!(next(&rig.outbox, true).map(|(_, got)| got), Some(text("has not")));
}

#[test]
fn an_outbox_of_the_layout_before_gets_its_hashes() {
    let rig = Rig::new();
    rig.outbox.append(&messages(&["event"])).expect("append");
    rig.outbox
        .lock()
        .connection()
        .execute_batch(
            "DROP INDEX message_event; ALTER TABLE message DROP COLUMN event;
             DROP INDEX message_sha256; DROP INDEX message_sent; DROP INDEX media_sent;
             ALTER TABLE message DROP COLUMN sha256; ALTER TABLE message DROP COLUMN sent;
             ALTER TABLE media DROP COLUMN sent; PRAGMA user_version = 2;",
        )
        .expect("as before");
    let rig = rig.reopen();
    assert_eq!(rig.send_all(), [text("event")]);
    rig.confirm_message("event");
    assert_eq!(rig.outbox.stats().messages, 0);
}

#[test]
fn what_has_just_happened_goes_before_what_waits_and_each_event_in_its_order() {
    let rig = Rig::new();
    let of = |n: u8, text: &str| OutMessage { event: Some(event(n)), ..message(text) };
    let append = |messages: &[OutMessage]| {
        rig.outbox.append(&Batch { messages: messages.to_vec(), ..Batch::default() }).expect("append");
    };
    append(&[of(1, "1 opened"), of(1, "1 updated"), of(2, "2 opened"), message("of none")]);
    append(&[of(1, "1 closed"), of(3, "3 opened"), of(2, "2 closed")]);
    assert_eq!(next(&rig.outbox, false).map(|(_, got)| got), Some(text("2 opened")));
    append(&[of(1, "1 again"), of(4, "4 opened")]);
    let rest: Vec<_> = std::iter::from_fn(|| next(&rig.outbox, false)).map(|(_, got)| got).collect();
    let order =
        ["2 closed", "1 opened", "1 updated", "1 closed", "1 again", "4 opened", "3 opened", "of none"];
    assert_eq!(rest, order.map(text));
    rig.outbox.release();
    let newest = next(&rig.outbox, false).map(|(_, got)| got);
    assert_eq!(newest, Some(text("4 opened")), "after a break all of it waits");
}
