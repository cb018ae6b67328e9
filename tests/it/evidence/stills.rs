//! Stills and manifests.

use super::*;
pub fn zone_of_beijing() -> jiff::tz::TimeZone {
    jiff::tz::TimeZone::get("Asia/Shanghai").unwrap()
}

pub fn picture() -> Picture {
    let image = image::open(root().join("testdata/frames/street_300.jpg")).unwrap().to_rgb8();
    Picture {
        camera: CameraId::from("gate"),
        seq: FrameSeq(300),
        stream: 0,
        capture: Capture { at: after(120), source: TimeSource::Rtcp, offset_ms: Some(14), clock: None },
        width: image.width(),
        height: image.height(),
        pixels: Pixels::Rgb(Bytes::from(image.into_raw())),
        series: None,
    }
}

/// Pixels that no JPEG makes small.
pub fn noise(width: usize, height: usize) -> Bytes {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..width * height * 3).map(|_| next()).collect()
}

pub fn violation(transition: Transition) -> Violation {
    let rect = Rect::new(0.845, 0.07, 0.945, 0.18);
    let object = ViolationObject {
        class: ClassName::from("car"),
        track: TrackId(7),
        score: 0.91,
        rect,
        ground: None,
        second_look: None,
    };
    Violation {
        id: event(),
        transition,
        revision: 0,
        camera: CameraId::from("gate"),
        rule: "parking".to_owned(),
        class: "motor_vehicle_parking".to_owned(),
        zone: Some(ZoneId::from("kerb")),
        severity: Severity::Medium,
        started: START,
        shown: None,
        watched: None,
        at: after(120),
        last_seen: after(120),
        confidence: 0.91,
        rect,
        objects: vec![object],
        permit: None,
        rejected: false,
        reason: "car has stood in zone 'kerb' since 04:30:00 (200 s, limit 180 s)".to_owned(),
        change: None,
    }
}

pub fn write(writer: &StillWriter, dir: &Path, violation: &Violation, picture: &Picture) -> Stills {
    let class = ViolationClass {
        id: "motor_vehicle_parking".to_owned(),
        zh: "机动车违停".to_owned(),
        en: "Motor vehicle parking".to_owned(),
        group: Group::Street,
        code: "0505".to_owned(),
    };
    let corners =
        [[0.62, 0.25], [0.7, 0.02], [0.99, 0.02], [0.99, 0.3], [0.85, 0.24]].map(Point::from).to_vec();
    let zones = [Zone::new(ZoneId::from("kerb"), "东门禁停区".to_owned(), Polygon::new(corners).unwrap())];
    writer.write(dir, &StillJob { violation, class: &class, camera_name: "东门", zones: &zones, picture })
}

#[test]
fn stills_are_the_picture_itself_and_one_with_a_caption() {
    let place = tempfile::tempdir().unwrap();
    let writer = StillWriter::new(&config(), zone_of_beijing()).unwrap();
    let stills = write(&writer, place.path(), &violation(Transition::Opened), &picture());
    assert!(stills.missing.is_empty(), "{stills:?}");
    let [still, annotated] = &stills.files[..] else { panic!("two files: {stills:?}") };
    assert_eq!((still.kind, annotated.kind), (EvidenceKind::Still, EvidenceKind::Annotated));
    for file in &stills.files {
        assert_eq!(file.path, place.path().join(file.kind.file_name()));
        assert_eq!(std::fs::metadata(&file.path).unwrap().len(), file.bytes);
        assert!(output("sha256sum", &[], &file.path).starts_with(&file.sha256));
    }
    let (original, shown) = (picture().rgb(), image::open(&still.path).unwrap().to_rgb8());
    assert_eq!(shown.dimensions(), (768, 576));
    let off: u64 = shown.iter().zip(original.iter()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    assert!(off < 4 * original.len() as u64, "JPEG of quality 90 stays near the picture: {off}");

    let drawn = image::open(&annotated.path).unwrap().to_rgb8();
    assert_eq!(drawn.width(), 768);
    assert!(drawn.height() > 576 + 50, "the caption stands under the picture: {}", drawn.height());
    // Far from box and zone nothing is changed; the corner of the box is red.
    let near = |x: u32, y: u32, colour: [u8; 3], by: u8| {
        drawn.get_pixel(x, y).0.iter().zip(colour).all(|(a, b)| a.abs_diff(b) <= by)
    };
    assert!(near(100, 500, shown.get_pixel(100, 500).0, 12), "the rest is as it was");
    assert!(near(690, 103, [226, 32, 44], 60), "the box is drawn: {:?}", drawn.get_pixel(690, 103));

    let again = write(&writer, place.path(), &violation(Transition::Opened), &picture());
    assert_eq!(again.files, stills.files, "the same picture gives the same bytes");
}

#[test]
fn a_closed_event_has_a_picture_of_the_place() {
    let place = tempfile::tempdir().unwrap();
    let writer = StillWriter::new(&config(), zone_of_beijing()).unwrap();
    let stills = write(&writer, place.path(), &violation(Transition::Closed), &picture());
    let kinds: Vec<_> = stills.files.iter().map(|f| f.kind).collect();
    assert_eq!((kinds, stills.missing.len()), (vec![EvidenceKind::Closed], 0));
    let unknown = write(&writer, place.path(), &violation(Transition::Expired), &picture());
    assert_eq!((unknown.files.len(), unknown.missing.len()), (0, 0), "nothing shows that it is gone");
}

#[test]
fn stills_that_cannot_be_written_are_missing_with_a_reason() {
    let place = tempfile::tempdir().unwrap();
    let check = |config: &EvidenceConfig, dir: &Path, picture: &Picture, wanted: &str| {
        let writer = StillWriter::new(config, zone_of_beijing()).unwrap();
        let stills = write(&writer, dir, &violation(Transition::Opened), picture);
        let reasons: Vec<_> = stills.missing.iter().map(|m| m.reason.as_str()).collect();
        assert!(reasons.len() == 2 && reasons.iter().all(|r| r.contains(wanted)), "{reasons:?}");
        assert!(stills.files.is_empty());
    };
    let full = EvidenceConfig { min_free_bytes: u64::MAX, ..config() };
    check(&full, place.path(), &picture(), "evidence.min_free_mb asks for");
    let torn = Picture { pixels: Pixels::Rgb(Bytes::from_static(&[1, 2, 3])), ..picture() };
    check(&config(), place.path(), &torn, "does not hold 768 x 576");
    let file = place.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    check(&config(), &file.join("event"), &picture(), "cannot create the folder");
}

#[test]
fn a_font_that_is_none_is_refused_by_name() {
    let place = tempfile::tempdir().unwrap();
    let none = place.path().join("none.ttf");
    let bad = place.path().join("bad.ttf");
    std::fs::write(&bad, "not a font").unwrap();
    for font in [none, bad] {
        let named = EvidenceConfig { font: Some(font.clone()), ..config() };
        let reported = StillWriter::new(&named, zone_of_beijing()).err().expect("refused").to_string();
        assert!(
            reported.contains(font.to_str().unwrap()) && reported.contains("evidence.font"),
            "{reported}"
        );
    }
}

#[test]
fn chinese_names_are_drawn_where_the_font_has_them() {
    const FONT: &str = "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc";
    let has_font = Path::new(FONT).exists();
    if !has_font {
        crate::support::skipped(
            "the Chinese half",
            &format!("{FONT} is missing, apt-get install fonts-wqy-microhei"),
        );
    }
    let (violation, picture, place) =
        (violation(Transition::Opened), picture(), tempfile::tempdir().unwrap());
    for (font, wanted) in [(None, false), (has_font.then(|| PathBuf::from(FONT)), has_font)] {
        let writer = StillWriter::new(&EvidenceConfig { font, ..config() }, zone_of_beijing()).unwrap();
        let class = ViolationClass {
            id: "x".to_owned(),
            zh: "机动车违停".to_owned(),
            en: "Motor vehicle parking".to_owned(),
            group: Group::Street,
            code: String::new(),
        };
        let job = StillJob {
            violation: &violation,
            class: &class,
            camera_name: "东门",
            zones: &[],
            picture: &picture,
        };
        let caption = writer.overlay(&job).caption;
        assert_eq!(caption[0].contains("机动车违停"), wanted, "{caption:?}");
        assert!(caption[0].contains("Suspected: Motor vehicle parking"), "{caption:?}");
        assert!(caption[1].contains("2026-11-22 12:30:00.120 +08:00 (camera clock, +14 ms"), "{caption:?}");
        assert!(caption.iter().any(|l| l.contains(EVENT)), "{caption:?}");
        assert!(writer.write(place.path(), &job).missing.is_empty());
    }
}

#[test]
fn a_manifest_names_each_file_and_what_is_missing() {
    let place = tempfile::tempdir().unwrap();
    let writer = StillWriter::new(&config(), zone_of_beijing()).unwrap();
    let stills = write(&writer, place.path(), &violation(Transition::Opened), &picture());
    let asked =
        ClipRequest { event: event(), camera: CameraId::from("gate"), from: after(3_000), to: after(9_000) };
    let clip =
        ClipCutter::new().unwrap().cut(&ring_of(street()).clip(asked.from, asked.to).unwrap(), place.path());
    let generator =
        serde_json::json!({ "program": "lintel 0.1.0", "model": { "name": "m", "sha256": "00" } });
    let new = || EvidenceManifest::new(event(), "edge-1", &asked.camera, generator.clone());

    let whole =
        new().with_picture(&picture().capture).with_files(&stills.files, &[]).with_clip(&asked, &clip);
    let file = write_manifest(place.path(), &whole).unwrap();
    let read: serde_json::Value = serde_json::from_slice(&std::fs::read(&file.path).unwrap()).unwrap();
    assert_eq!(read["clip"]["asked"]["from"], "2026-11-22T04:30:03.000000Z");
    assert_eq!(read["clip"]["had"]["from"], "2026-11-22T04:30:02.000000Z");
    assert_eq!(read["clip"]["frames"], 71);
    assert_eq!(read["picture"]["source"], "rtcp");
    assert_eq!(read["generator"]["model"]["name"], "m");
    assert_eq!(read["missing"], serde_json::json!([]));
    for record in read["files"].as_array().unwrap() {
        let path = place.path().join(record["name"].as_str().unwrap());
        assert!(output("sha256sum", &[], &path).starts_with(record["sha256"].as_str().unwrap()));
    }
    assert_eq!(read["files"].as_array().unwrap().len(), 3);
    assert_eq!(serde_json::from_value::<EvidenceManifest>(read).unwrap(), whole, "reads back as it was");

    let lacking = new().with_clip(&asked, &Err(EvidenceError::NoFootage("it is empty".to_owned())));
    let read = serde_json::to_value(&lacking).unwrap();
    assert_eq!(read["missing"][0]["kind"], "clip");
    assert_eq!(read["missing"][0]["reason"], "the ring holds no picture of that time: it is empty");
    assert_eq!(serde_json::from_value::<EvidenceManifest>(read).unwrap(), lacking);
}
