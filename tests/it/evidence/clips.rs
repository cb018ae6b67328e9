//! Clips, held against ffprobe and ffmpeg.

use super::*;

/// Cuts `from` to `to` (ms) and holds the file against what was put in.
fn check_clip(frames: Vec<EncodedFrame>, (from, to): (u64, u64), starts_ms: u64, tag: &str) -> ClipInfo {
    let ring = ring_of(frames);
    let (_place, clip) = cut(&ring, after(from), after(to));
    assert_eq!(clip.starts, after(starts_ms), "starts at the key frame before");
    assert!(clip.ends >= after(to - 100) && clip.ends <= after(to + 300), "ends at {}", clip.ends);
    assert_eq!((clip.starts_late, clip.ends_early, clip.lost_frames), (false, false, 0));
    assert_eq!(
        (clip.width, clip.height, clip.time_source, clip.offset_ms),
        (768, 576, TimeSource::Footage, None)
    );

    let file = &clip.file.path;
    assert_eq!(complaints(file), "", "decodes without a complaint");
    let reported =
        probe("stream=codec_tag_string,start_time,duration,nb_read_packets:format_tags=creation_time", file);
    let seconds = (clip.ends.since(clip.starts) + Duration::from_millis(100)).as_secs_f64();
    for wanted in [
        format!("codec_tag_string={tag}"),
        "start_time=0.000000".to_owned(),
        format!("duration={seconds:.6}"),
        format!("nb_read_packets={}", clip.frames),
        format!("creation_time={}", clip.starts.timestamp().unwrap().strftime("%Y-%m-%dT%H:%M:%S")),
    ] {
        assert!(reported.contains(&wanted), "{wanted} is not in {reported}");
    }
    assert_eq!(clip.duration_ms, (seconds * 1e3).round() as u64);
    let packets = probe("packet=flags", file);
    assert!(packets.starts_with("flags=K"), "the first frame is a key frame: {packets}");
    assert_eq!(decoded(file, &[]).len() as u64, clip.frames, "every frame is shown");

    // Bit for bit the camera's: the end of every frame's payload is in the file as it came, in the same
    // order.
    let muxed = std::fs::read(file).unwrap();
    let put_in = ring.clip(after(from), after(to)).unwrap().frames;
    let mut at = 0;
    let found = put_in.iter().filter(|f| {
        let payload = &f.data[f.data.len().saturating_sub(32)..];
        let place = muxed[at..].windows(payload.len()).position(|w| w == payload);
        at += place.map_or(0, |p| p + payload.len());
        place.is_some()
    });
    assert_eq!(found.count() as u64, clip.frames, "payloads of {} frames", put_in.len());
    assert_eq!(clip.file.bytes, muxed.len() as u64);
    assert!(output("sha256sum", &[], file).starts_with(&clip.file.sha256));
    clip
}

#[test]
fn eight_seconds_of_h264_are_cut_from_the_key_frame_before() {
    let clip = check_clip(street(), (30_500, 38_500), 30_000, "avc1");
    assert_eq!((clip.frames, clip.ends), (86, after(38_500)));
}

#[test]
fn h265_is_cut_as_hvc1() {
    let file = root().join("testdata/clips/street_h265.mp4");
    let clip = check_clip(frames(&file), (3_500, 8_500), 2_000, "hvc1");
    assert_eq!(clip.frames, 66);
}

#[test]
fn b_frames_keep_their_order_and_the_clip_starts_at_zero() {
    let place = tempfile::tempdir().unwrap();
    let options =
        ["-c:v", "libx264", "-preset", "veryfast", "-bf", "3", "-x264-params", "keyint=20:scenecut=0"];
    let file = transcoded(place.path(), "b.mp4", &options);
    let frames = frames(&file);
    assert!(frames.windows(2).any(|w| w[1].pts < w[0].pts), "has B-frames");
    check_clip(frames, (3_500, 11_500), 2_000, "avc1");
}

#[test]
fn an_open_gop_loses_only_the_pictures_that_cannot_be_decoded() {
    let place = tempfile::tempdir().unwrap();
    let x265 = "bframes=3:keyint=20:min-keyint=20:scenecut=0:open-gop=1:log-level=error";
    let options = ["-c:v", "libx265", "-preset", "ultrafast", "-tag:v", "hvc1", "-x265-params", x265];
    let frames = frames(&transcoded(place.path(), "b.mp4", &options));
    check_clip(frames, (3_500, 11_500), 2_000, "hvc1");
}

#[test]
fn the_same_span_gives_the_same_bytes() {
    let ring = ring_of(street());
    let twice = [(); 2].map(|()| cut(&ring, after(10_000), after(12_000)).1.file.sha256);
    assert_eq!(twice[0], twice[1]);
}

#[test]
fn a_span_beyond_the_ring_says_what_is_missing() {
    let ring = ring_of(
        street().into_iter().filter(|f| f.capture.at >= after(20_000) && f.capture.at < after(24_000)),
    );
    let (_place, clip) = cut(&ring, after(15_000), after(30_000));
    assert_eq!((clip.starts, clip.ends), (after(20_000), after(23_900)));
    assert_eq!((clip.starts_late, clip.ends_early, clip.frames), (true, true, 40));
    assert!(ring.clip(after(60_000), after(70_000)).is_none());
}

#[test]
fn frames_that_were_lost_on_the_way_are_counted() {
    let lossy = street().into_iter().filter(|f| !(110..113).contains(&f.seq.0));
    let (_place, clip) = cut(&ring_of(lossy), after(10_000), after(13_000));
    assert_eq!((clip.lost_frames, clip.frames), (3, 28));
}

#[test]
fn two_streams_never_meet_in_one_clip() {
    let reconnected: Vec<_> = street()
        .into_iter()
        .take(200)
        .map(|f| EncodedFrame { stream: u32::from(f.capture.at >= after(10_000)), ..f })
        .collect();
    let (_place, clip) = cut(&ring_of(reconnected.clone()), after(8_500), after(15_000));
    assert_eq!((clip.starts, clip.ends, clip.starts_late), (after(10_000), after(15_000), true));

    let place = tempfile::tempdir().unwrap();
    let span = RingClip { frames: reconnected, starts_late: false, ends_early: false };
    let mixed = ClipCutter::new().unwrap().cut(&span, place.path());
    assert!(matches!(mixed, Err(EvidenceError::MixedStreams(0, 1))), "{mixed:?}");
}

#[test]
fn what_cannot_be_cut_is_an_error_and_leaves_nothing() {
    let place = tempfile::tempdir().unwrap();
    let check = |cutter: ClipCutter, frames: Vec<EncodedFrame>, dir: &Path, wanted: &str| {
        let span = RingClip { frames, starts_late: false, ends_early: false };
        let reported = cutter.cut(&span, dir).expect_err(wanted).to_string();
        assert!(reported.contains(wanted), "{reported}");
        let left = std::fs::read_dir(dir).map_or(0, Iterator::count);
        assert_eq!(left, 0, "something is left after: {reported}");
    };
    let cutter = || ClipCutter::new().unwrap();
    let some: Vec<_> = street().into_iter().take(40).collect();
    let filled = |head: &[u8]| {
        let data = Bytes::from([head, &[0xa5; 500]].concat());
        some.iter().map(|f| EncodedFrame { data: data.clone(), ..f.clone() }).collect::<Vec<_>>()
    };
    let headless = some[1..20].to_vec();
    check(cutter(), Vec::new(), place.path(), "no key frame");
    check(cutter(), headless, place.path(), "no key frame");
    check(cutter(), filled(&[]), place.path(), "no parameter sets");
    check(
        cutter(),
        filled(&[0, 0, 1, 0x67, 0xff, 0, 0, 1, 0x68, 0xff, 0, 0, 1, 0x65]),
        place.path(),
        "cutting failed in",
    );
    check(cutter().with_timeout(Duration::ZERO), some.clone(), place.path(), "not finished after");
    let file = place.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    check(cutter(), some, &file.join("event"), "cannot create the folder");
}

/// The first 15 s of the street, encoded otherwise.
fn transcoded(place: &Path, name: &str, codec: &[&str]) -> PathBuf {
    let file = place.join(name);
    let run = Command::new("ffmpeg")
        .args(["-v", "error", "-t", "15", "-i"])
        .arg(root().join("testdata/clips/street.mp4"))
        .args(["-an", "-threads", "1"])
        .args(codec)
        .arg(&file)
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    file
}

fn probe(entries: &str, file: &Path) -> String {
    let wanted =
        ["-v", "error", "-select_streams", "v", "-count_packets", "-of", "default=nw=1", "-show_entries"];
    output("ffprobe", &[&wanted[..], &[entries]].concat(), file)
}

/// What ffmpeg complains about when it decodes the whole file: nothing, for a sound one.
fn complaints(file: &Path) -> String {
    let run = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(file)
        .args(["-f", "null", "-"])
        .output()
        .unwrap();
    String::from_utf8_lossy(&run.stderr).into_owned()
}

/// Pictures that ffmpeg shows, and the hash of their pixels.
fn decoded(file: &Path, arguments: &[&str]) -> Vec<String> {
    let run = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(file)
        .args(arguments)
        .args(["-f", "framemd5", "-"])
        .output()
        .unwrap();
    let text = String::from_utf8(run.stdout).unwrap();
    text.lines()
        .filter(|l| !l.starts_with('#'))
        .filter_map(|l| Some(l.rsplit(',').next()?.trim().to_owned()))
        .collect()
}
