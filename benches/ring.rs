//! What a camera costs the ring: 1080p25 at 4 Mbit/s with a key frame every 2 s, 30 s held.

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lintel::base::{CameraId, Capture, FrameSeq, MediaTime, TimeSource, WallTime};
use lintel::config::RingConfig;
use lintel::ingest::{Codec, EncodedFrame};
use lintel::ring::Ring;

const FPS: u64 = 25;
const GOP: u64 = 50;
const KEY_BYTES: usize = 150_000;
const DELTA_BYTES: usize = 17_500;

fn frame(seq: u64, key: &Bytes, delta: &Bytes) -> EncodedFrame {
    let is_key = seq.is_multiple_of(GOP);
    let at = (seq * 1_000_000 / FPS) as i64;
    EncodedFrame {
        camera: CameraId::from("gate"),
        seq: FrameSeq(seq),
        stream: 1,
        capture: Capture { at: WallTime(at), source: TimeSource::Arrival, offset_ms: None, clock: None },
        pts: MediaTime(at),
        codec: Codec::H264,
        key: is_key,
        orientation: Default::default(),

        data: if is_key { key.clone() } else { delta.clone() },
    }
}

fn ring(c: &mut Criterion) {
    let (key, delta) = (Bytes::from(vec![7; KEY_BYTES]), Bytes::from(vec![7; DELTA_BYTES]));
    let config =
        RingConfig { max_bytes: 64 << 20, max_duration: Duration::from_secs(30), quiet: Duration::MAX };
    let ring = Ring::new(config);
    let mut seq = 0;
    let mut push = || {
        ring.push(frame(seq, &key, &delta));
        seq += 1;
    };
    (0..40 * FPS).for_each(|_| push());

    let mut group = c.benchmark_group("ring");
    group.throughput(Throughput::Elements(GOP));
    group.bench_function("push one GOP of 50 into a full ring", |b| b.iter(|| (0..GOP).for_each(|_| push())));
    group.throughput(Throughput::Elements(1));
    let newest = ring.newest().expect("full");
    let (from, to) = (newest - Duration::from_secs(18), newest - Duration::from_secs(3));
    group.bench_function("clip of 15 s", |b| b.iter(|| black_box(ring.clip(from, to))));
    group.bench_function("newest", |b| b.iter(|| black_box(ring.newest())));
    group.finish();
}

criterion_group!(benches, ring);
criterion_main!(benches);
