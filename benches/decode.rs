//! What a key frame costs, and what a decoder holds. Needs ffmpeg, which makes the frames from testdata.

use std::hint::black_box;
use std::process::Command;

use criterion::{Criterion, criterion_group, criterion_main};
use lintel::base::{CameraId, Capture, FrameSeq, MediaTime, TimeSource, WallTime};
use lintel::config::DecodeConfig;
use lintel::decode::{DecoderChoice, KeyframeDecoder};
use lintel::ingest::{Codec, EncodedFrame};

const STREET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/clips/street.mp4");

/// One key frame with its parameter sets: the raw stream of a single picture is just that.
fn key_frame(size: &str, codec: Codec) -> EncodedFrame {
    let scale = format!("scale={size}");
    let (encoder, format) = if codec == Codec::H264 { ("libx264", "h264") } else { ("libx265", "hevc") };
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-i", STREET, "-vf", &scale, "-frames:v", "1", "-c:v", encoder]);
    ffmpeg.args(["-preset", "veryfast", "-b:v", "4M", "-f", format, "-"]);
    let made = ffmpeg.output().expect("ffmpeg runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    EncodedFrame {
        camera: CameraId::from("gate"),
        seq: FrameSeq(0),
        stream: 1,
        capture: Capture { at: WallTime(0), source: TimeSource::Arrival, offset_ms: None, clock: None },
        pts: MediaTime(0),
        codec,
        key: true,
        orientation: Default::default(),

        data: made.stdout.into(),
    }
}

/// Resident memory of this process in MB, as Linux counts it.
fn resident_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).expect("kB") / 1024.0
}

/// Processor time of this thread in ms; software decoders run in the caller's, and a busy machine does not
/// count.
fn cpu_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    stat.split_whitespace().next().and_then(|ns| ns.parse::<f64>().ok()).expect("ns") / 1e6
}

fn decode(c: &mut Criterion) {
    let config = DecodeConfig { workers: 1, h264_decoder: None, h265_decoder: None };
    let choice = DecoderChoice::new(&config).expect("a decoder");
    let mut group = c.benchmark_group("key frame");
    group.sample_size(30);
    for codec in [Codec::H264, Codec::H265] {
        for size in ["768:576", "1920:1080"] {
            let frame = key_frame(size, codec);
            let name = format!("{codec:?} {size}, {} kB", frame.data.len() / 1000);
            let mut decoder = KeyframeDecoder::new(&choice);
            decoder.decode(&frame).expect("a picture");
            let before = resident_mb();
            let mut others: Vec<_> = (0..8).map(|_| KeyframeDecoder::new(&choice)).collect();
            let fed =
                others.iter_mut().flat_map(|other| (0..4).map(|_| other.decode(&frame)).collect::<Vec<_>>());
            assert_eq!(fed.filter(Result::is_ok).count(), 32);
            println!("{name}: {:.1} MB a decoder", (resident_mb() - before) / 8.0);
            drop(others);
            let before = cpu_ms();
            (0..30).for_each(|_| drop(black_box(decoder.decode(&frame))));
            println!("{name}: {:.1} ms of processor time", (cpu_ms() - before) / 30.0);
            group.bench_function(&name, |b| b.iter(|| black_box(decoder.decode(&frame))));
            let build = |times: u32| {
                for _ in 0..times {
                    let mut decoder = KeyframeDecoder::new(&choice);
                    decoder.decode(&frame).map(drop).expect("a picture");
                }
                resident_mb()
            };
            let few = build(20);
            println!("{name}: {:.1} MB more after 200 decoders built and dropped", build(200) - few);
        }
    }
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
