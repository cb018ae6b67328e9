//! What an event costs on the way out. `LINTEL_BENCH_DIR` chooses the disk; the default is the target
//! folder's, since /tmp may be memory, which makes every fsync free.

use std::hint::black_box;
use std::path::PathBuf;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lintel::config::OutboxConfig;
use lintel::outbox::{Batch, Next, OutMedia, OutMessage, Outbox};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use uuid::Uuid;

/// As large as a real one.
const EVENT_BYTES: usize = 1500;
const STILL_BYTES: usize = 200_000;
const CHUNK_BYTES: usize = 256 << 10;

fn dir() -> TempDir {
    let place = std::env::var_os("LINTEL_BENCH_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from);
    TempDir::new_in(place).expect("a folder to write in")
}

fn open(dir: &TempDir) -> Outbox {
    Outbox::open(dir.path(), &OutboxConfig { max_bytes: u64::MAX / 2 }).expect("outbox")
}

fn event() -> OutMessage {
    OutMessage {
        topic: "lintel/v1/node-1/camera/gate/event".to_owned(),
        content_type: "application/cloudevents+json".to_owned(),
        payload: vec![b'x'; EVENT_BYTES],
        event: None,
        reply_to: None,
    }
}

fn append(c: &mut Criterion) {
    let mut group = c.benchmark_group("outbox");
    group.throughput(Throughput::Elements(1)).sample_size(20);
    let dir = dir();
    let outbox = open(&dir);
    let content = vec![7; STILL_BYTES];
    let path = dir.path().join("still.jpg");
    std::fs::write(&path, &content).expect("still");
    let sha256 = format!("{:x}", Sha256::digest(&content));
    let still = |n: u128| OutMedia {
        event: Uuid::from_u128(n),
        kind: "still".to_owned(),
        path: path.clone(),
        media_type: "image/jpeg".to_owned(),
        bytes: STILL_BYTES as u64,
        sha256: sha256.clone(),
    };
    group.bench_function("append_event_still_and_state", |b| {
        let mut n = 0u128;
        b.iter(|| {
            n += 1;
            let media = still(n);
            let state = vec![("rules/gate".to_owned(), Some(vec![0; 4000]))];
            outbox.append(&Batch { messages: vec![event()], media: vec![media], state }).expect("append")
        });
    });
    group.bench_function("next_and_ack_event", |b| {
        let batch = Batch { messages: vec![event(); 1000], ..Batch::default() };
        b.iter(|| {
            loop {
                if let Some(Next::Message { id, message }) = outbox.next(false, CHUNK_BYTES).expect("next") {
                    black_box(message);
                    outbox.ack(&[id]).expect("ack");
                    break;
                }
                outbox.append(&batch).expect("append");
            }
        });
    });
    // As after a night without a broker.
    let full = TempDir::new_in(dir.path()).expect("a folder");
    let full = open(&full);
    for _ in 0..100 {
        full.append(&Batch { messages: vec![event(); 1000], ..Batch::default() }).expect("append");
    }
    group.bench_function("stats_with_100000_waiting", |b| b.iter(|| black_box(full.stats())));
    group.bench_function("append_event_and_still_with_100000_waiting", |b| {
        let mut n = 0u128;
        b.iter(|| {
            n += 1;
            let media = still(n);
            full.append(&Batch { messages: vec![event()], media: vec![media], state: Vec::new() })
                .expect("append")
        });
    });
    group.finish();
}

criterion_group!(benches, append);
criterion_main!(benches);
