//! The outbox in a process that is killed.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use lintel::config::OutboxConfig;
use lintel::outbox::{Batch, Next, OutMessage, Outbox};
use tempfile::TempDir;

const ROLE: &str = "LINTEL_TEST_OUTBOX_WRITER";

fn open(dir: &Path) -> Outbox {
    Outbox::open(dir, &OutboxConfig { max_bytes: 1 << 30 }).expect("outbox")
}

/// Appends numbers for ever and says each one once it is durable.
fn write_until_killed(dir: &Path) {
    let outbox = open(dir);
    let mut stderr = std::io::stderr().lock();
    for n in 0u64.. {
        let number = n.to_string().into_bytes();
        let message = OutMessage {
            topic: "t".into(),
            content_type: "c".into(),
            payload: number.clone(),
            event: None,
            reply_to: None,
        };
        let state = vec![("last".to_owned(), Some(number))];
        outbox.append(&Batch { messages: vec![message], state, ..Batch::default() }).expect("append");
        writeln!(stderr, "{n}").expect("written");
    }
}

#[test]
fn what_was_appended_before_a_kill_is_there_after_it_and_once() {
    if let Some(dir) = std::env::var_os(ROLE) {
        return write_until_killed(Path::new(&dir));
    }
    let dir = TempDir::new().expect("temp dir");
    for _ in 0..3 {
        let mut writer = Command::new(std::env::current_exe().expect("own path"))
            .args([
                "--exact",
                "outbox::what_was_appended_before_a_kill_is_there_after_it_and_once",
                "--nocapture",
            ])
            .env(ROLE, dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("itself");
        let mut reported = BufReader::new(writer.stderr.take().expect("piped")).lines();
        for n in 0..40u64 {
            assert_eq!(reported.next().expect("more").expect("text"), n.to_string());
        }
        writer.kill().expect("kill");
        writer.wait().expect("ends");
        let durable = reported.filter_map(|line| line.ok()?.parse::<u64>().ok()).last().unwrap_or(39);

        let outbox = open(dir.path());
        let mut found = Vec::new();
        while let Some(Next::Message { id, message }) = outbox.next(false, 1).expect("next") {
            found.push(
                String::from_utf8(message.payload).expect("a number").parse::<u64>().expect("a number"),
            );
            outbox.ack(&[id]).expect("ack");
        }
        let last = *found.last().expect("some");
        assert_eq!(found, Vec::from_iter(0..=last), "all of them, in order, none twice");
        assert!(last == durable || last == durable + 1, "{durable} was reported, {last} found");
        let state = outbox.state("last").expect("state").expect("written with the message");
        assert_eq!(state, last.to_string().into_bytes());
    }
}
