//! Adaptive sampling on real encoders' streams, whose moment of motion is known.

use lintel::config::Adaptive;
use lintel::decode::FootageDecoder;

use super::*;
use crate::support::mqtt::wait_for;

/// Forty seconds of a still street with camera noise at 25 fps; from 20 to 26 s a lorry-sized box crosses it.
fn scene(dir: &Path, name: &str, encoder: &str) -> PathBuf {
    let path = dir.join(name);
    let street = root().join("testdata/frames/street_000.jpg");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg
        .args(["-nostdin", "-v", "error", "-y", "-loop", "1", "-framerate", "25", "-t", "40", "-i"])
        .arg(&street);
    ffmpeg.args(["-f", "lavfi", "-t", "40", "-i", "testsrc2=s=200x120:r=25"]);
    let crossing = "[0]noise=alls=4:allf=t[n];[n][1]overlay=x='40+(t-20)*90':y=300:enable='between(t,20,26)'";
    ffmpeg.args(["-filter_complex", crossing, "-pix_fmt", "yuv420p"]).args(encoder.split_whitespace());
    assert!(ffmpeg.arg(&path).status().expect("ffmpeg runs").success());
    path
}

/// Capture times of the pictures in seconds.
fn pictures(frames: &[EncodedFrame], interval_s: u64) -> Vec<f64> {
    let adaptive = Adaptive {
        full_look: Duration::ZERO,
        active_interval: Duration::from_secs(1),
        fps: 5,
        burst: Duration::from_secs(8),
        rest: Duration::from_secs(20),
    };
    let mut decoder =
        FootageDecoder::new(&choice(), Sampling::Adaptive(adaptive), Duration::from_secs(interval_s));
    let pictures = frames.iter().flat_map(|frame| decoder.push(frame).expect("whole frames"));
    pictures.map(|picture| picture.capture.at.as_secs_f64()).collect()
}

fn between(times: &[f64], span: std::ops::Range<f64>) -> usize {
    times.iter().filter(|at| span.contains(*at)).count()
}

#[test]
fn motion_is_seen_at_several_pictures_a_second_and_a_still_street_at_its_interval() {
    let dir = tempfile::tempdir().expect("folder");
    let x264 = "-c:v libx264 -preset veryfast -g 50 -keyint_min 50 -sc_threshold 0";
    for (name, encoder, codec) in [
        ("crf_b.mp4", format!("{x264} -crf 26 -bf 2"), Codec::H264),
        ("cbr.mp4", format!("{x264} -bf 0 -b:v 1M -minrate 1M -maxrate 1M -bufsize 1M"), Codec::H264),
        (
            "hevc.mp4",
            "-c:v libx265 -preset ultrafast -crf 30 -x265-params log-level=error:keyint=50 -tag:v hvc1"
                .into(),
            Codec::H265,
        ),
    ] {
        let frames = frames(&scene(dir.path(), name, &encoder), "gate", codec);
        let times = pictures(&frames, 4);
        assert!(times.windows(2).all(|w| w[1] > w[0]), "{name}: in order of time");
        assert!(between(&times, 0.0..18.0) <= 6, "{name}: quiet before: {times:?}");
        assert!(between(&times, 20.0..26.0) >= 20, "{name}: {times:?}");
        assert!(between(&times, 32.0..40.0) <= 5, "{name}: quiet after: {times:?}");
        assert!(
            times.windows(2).all(|w| w[1] - w[0] < 4.1),
            "{name}: never longer than the interval: {times:?}"
        );
        assert_eq!(times, pictures(&frames, 4), "{name}: the same footage gives the same pictures");
    }
}

#[test]
fn a_smart_codec_with_a_key_frame_every_twelve_seconds_is_followed() {
    let dir = tempfile::tempdir().expect("folder");
    let encoder = "-c:v libx264 -preset veryfast -g 300 -keyint_min 300 -sc_threshold 0 -crf 28 -bf 0";
    let path = scene(dir.path(), "smart.mp4", encoder);
    let times = pictures(&frames(&path, "gate", Codec::H264), 4);
    assert!(times.windows(2).skip(1).all(|w| w[1] - w[0] < 4.1), "{times:?}");
    assert!(between(&times, 20.0..26.0) >= 20, "{times:?}");
}

#[test]
fn a_pool_follows_what_moves_and_counts_how_often() {
    let dir = tempfile::tempdir().expect("folder");
    let path = scene(
        dir.path(),
        "pool.mp4",
        "-c:v libx264 -preset veryfast -g 50 -keyint_min 50 -sc_threshold 0 -bf 0",
    );
    let all = frames(&path, "gate", Codec::H264);
    let adaptive = Adaptive {
        full_look: Duration::ZERO,
        active_interval: Duration::from_secs(1),
        fps: 5,
        burst: Duration::from_secs(8),
        rest: Duration::from_secs(20),
    };
    let seen = Seen::default();
    let sink = {
        let seen = Arc::clone(&seen);
        Arc::new(move |picture: Arc<Picture>| {
            // Detectors that drop the pictures: only how many are held at a time matters here.
            let light = Picture { series: None, ..(*picture).clone() };
            seen.lock().push(Arc::new(light));
        })
    };
    let cameras = vec![(CameraId::from("gate"), Sampling::Adaptive(adaptive), Duration::from_secs(4))];
    let pool = DecodePool::start(choice(), 1, cameras, sink, Shutdown::new()).expect("threads");
    // As a camera sends them: a series that comes too late would be given up.
    for second in all.chunks(25) {
        second.iter().for_each(|frame| pool.offer(frame.clone()));
        wait_for("its second to be decoded", || pool.stalled_for().is_zero());
    }
    let stats = only(pool.join());
    let times: Vec<f64> = seen.lock().iter().map(|p| p.capture.at.as_secs_f64()).collect();
    assert!(times.windows(2).all(|w| w[1] > w[0]), "{times:?}");
    assert!(between(&times, 20.0..26.0) >= 20, "{times:?}");
    assert_eq!((stats.series, stats.failed, stats.in_series), (1, 0, false), "{stats:?}");
    assert!(stats.followed >= 150 && stats.long_gop_s.is_none(), "{stats:?}");
}
