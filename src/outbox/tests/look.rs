//! The outbox is read while its node works.

use super::*;

#[test]
fn what_waits_is_read_beside_a_node_that_goes_on() {
    let dir = TempDir::new().expect("temp dir");
    let outbox = Outbox::open(dir.path(), &config()).expect("open");
    outbox.lock().connection().pragma_update(None, "wal_autocheckpoint", 4).expect("pragma");
    let still = file(dir.path(), 1, "still", &[1; 40]);
    outbox.append(&Batch { media: vec![still.clone()], ..messages(&["0"]) }).expect("append");
    let scratch = dir.path().join("scratch");
    std::thread::scope(|scope| {
        let goes_on = scope.spawn(|| {
            for n in 1..150 {
                outbox.append(&messages(&[&n.to_string()])).expect("append");
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        });
        let mut before = 0;
        while !goes_on.is_finished() {
            let found = Outbox::look_into(dir.path(), &scratch).expect("read");
            let texts: Vec<_> = found.messages.iter().map(|m| m.payload.clone()).collect();
            let all: Vec<_> = (0..texts.len()).map(|n| n.to_string().into_bytes()).collect();
            assert_eq!(texts, all, "from the first on, in order");
            assert!(texts.len() >= before, "nothing that was there is missing");
            before = texts.len();
            assert_eq!(found.media, std::slice::from_ref(&still));
        }
    });
    let found = Outbox::look_into(dir.path(), &scratch).expect("read");
    assert_eq!(found.messages.len(), 150);
    assert!(!scratch.exists());
    assert_eq!(outbox.stats().messages, 150, "the node's own is as before");
}

#[test]
fn where_no_outbox_is_it_is_said() {
    let dir = TempDir::new().expect("temp dir");
    let error = Outbox::look_into(dir.path(), &dir.path().join("scratch")).expect_err("none");
    assert!(crate::base::error_chain(&error).contains("No such file"), "{error}");
}
