//! Whole flights through the real program: the vans of testdata/clips/drone.* stand at known places.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use lintel::base::Shutdown;
use lintel::config::{self, SourceConfig, UdpConfig};
use lintel::drone::{Flight, LonLat};
use lintel::geo::Accuracy;
use lintel::ingest::{EncodedFrame, FlightSettings, FrameSink, Telemetry, flight_of, spawn_camera};

use crate::support::{self, root};

fn replay(camera: &str, more: &[&str]) -> Output {
    replay_with(Path::new("testdata/drone/lintel.toml"), camera, more)
}

fn replay_with(config: &Path, camera: &str, more: &[&str]) -> Output {
    Command::new(support::program("lintel"))
        .env("ORT_DYLIB_PATH", support::onnxruntime())
        .current_dir(root())
        .args(["replay", "--camera", camera, "--config"])
        .arg(config)
        .args(more)
        .output()
        .expect("lintel replay")
}

fn opened(output: &Output) -> Vec<serde_json::Value> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::str::from_utf8(&output.stdout).expect("UTF-8");
    let lines =
        text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a JSON line"));
    lines.filter(|e| e["type"] == "cn.lintel.violation.opened").collect()
}

#[test]
fn a_flight_with_subtitles_finds_both_vans_in_the_zone_on_the_ground() {
    let output = replay("drone-1=testdata/clips/drone.mp4", &[]);
    let events = opened(&output);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("drone-1: 140 records, 140 with a position"), "{said}");
    assert_eq!(events.len(), 2, "one event a van: {events:#?} {said}");
    each_van_is_in_its_ellipse(&events, "telemetry_plane");
    // Time is the drone's.
    assert!(events[0]["time"].as_str().expect("a time").starts_with("2024-05-06T07:08:"), "{events:#?}");
}

#[test]
fn a_flight_with_klv_finds_them_too_by_telemetry_alone() {
    let output = replay("drone-2=testdata/clips/drone_klv.ts", &[]);
    let events = opened(&output);
    assert_eq!(events.len(), 2, "{}", String::from_utf8_lossy(&output.stderr));
    each_van_is_in_its_ellipse(&events, "telemetry_plane");
}

/// The terrain model moves the ground up together with the place of take-off: places stay, altitudes do not.
#[test]
fn a_flight_over_a_terrain_model_is_placed_on_it() {
    let folder = tempfile::tempdir().expect("a folder");
    support::level_terrain(&folder.path().join("terrain.tif"), [120.1614, 30.2931], 57.0);
    let text = std::fs::read_to_string(root().join("testdata/drone/lintel.toml")).expect("the config");
    let text = text
        .replace("\"../../", &format!("\"{}/", root().display()))
        .replace("\"../", &format!("\"{}/testdata/", root().display()))
        .replace("\"zones.geojson\"", &format!("\"{}/testdata/drone/zones.geojson\"", root().display()))
        .replace("[map]", "[map]\ndem = \"terrain.tif\"");
    let config = folder.path().join("lintel.toml");
    std::fs::write(&config, text).expect("written");
    let output = replay_with(&config, "drone-1=testdata/clips/drone.mp4", &[]);
    let events = opened(&output);
    assert_eq!(events.len(), 2, "{}", String::from_utf8_lossy(&output.stderr));
    each_van_is_in_its_ellipse(&events, "telemetry_dem");
    for event in &events {
        let alt = event["data"]["position"]["alt"].as_f64().expect("an altitude");
        assert!((alt - 57.0).abs() < 0.1, "{event:#}");
    }
}

/// Each event is where one of the vans stands, within the ellipse that it says.
fn each_van_is_in_its_ellipse(events: &[serde_json::Value], method: &str) {
    let text = std::fs::read_to_string(root().join("testdata/clips/drone.json")).expect("the truth");
    let truth: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let mut vans: Vec<LonLat> = truth["vans"].as_array().expect("vans").iter().map(place).collect();
    for event in events {
        let data = &event["data"];
        assert_eq!((&data["method"], &data["calibration"]), (&method.into(), &"valid".into()), "{data:#}");
        let accuracy: Accuracy = serde_json::from_value(data["accuracy"].clone()).expect("an ellipse");
        assert!(accuracy.semi_major_m < 25.0, "{accuracy:?} is too coarse for vans 25 m apart");
        let found = place(&data["position"]);
        let metres = 111_320.0 * found.lat.to_radians().cos();
        let off = |van: &LonLat| [(van.lon - found.lon) * metres, (van.lat - found.lat) * 110_850.0];
        let nearest = (0..vans.len())
            .min_by(|a, b| found.distance_to(&vans[*a]).total_cmp(&found.distance_to(&vans[*b])))
            .expect("a van for each event");
        let [east, north] = off(&vans.remove(nearest));
        assert!(
            accuracy.contains(east, north),
            "the van is {east:.1} m east, {north:.1} m north of {data:#}"
        );
    }
}

fn place(value: &serde_json::Value) -> LonLat {
    let number = |name: &str| value[name].as_f64().expect("a coordinate");
    LonLat { lon: number("lon"), lat: number("lat") }
}

#[test]
fn telemetry_that_cannot_be_used_is_named() {
    let cases = [
        (["--telemetry", "drone-1=testdata/telemetry/without_position.SRT"], "0 with a position, 3 without"),
        (["--telemetry", "drone-1=testdata/telemetry/none.srt"], "none.srt"),
        (["--telemetry", "drone-9=testdata/clips/drone.SRT"], "--telemetry drone-9"),
    ];
    for (more, expected) in cases {
        let output = replay("drone-1=testdata/clips/drone.mp4", &more);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(expected), "{more:?}: {said}");
    }
    let output = replay("drone-2=testdata/clips/street_h265.mp4", &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("no .SRT beside it, and no MISB ST 0601"), "{said}");
}

/// The gap is named before the replay, and no event is placed in it.
#[test]
fn a_flight_with_a_gap_is_replayed_and_says_so() {
    let output = replay(
        "drone-1=testdata/clips/drone.mp4",
        &["--telemetry", "drone-1=testdata/telemetry/gap_of_10_s.srt"],
    );
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("no telemetry for 10.0 s from 5.0 s on"), "{said}");
    assert!(said.contains("events have no place now"), "{said}");
}

#[test]
fn both_forms_of_the_flight_give_the_same() {
    let read = |name: &str| {
        let path = root().join("testdata/clips").join(name);
        flight_of(&path, &FlightSettings::default()).expect("a flight")
    };
    let ((srt, _), (klv, report)) = (read("drone.mp4"), read("drone_klv.ts"));
    assert_eq!((srt.len(), klv.len()), (140, 140), "{report}");
    let at = lintel::base::WallTime(7_350_000);
    let (a, b) = (srt.at(at).expect("flying").pose, klv.at(at).expect("flying").pose);
    assert!(a.position.distance_to(&b.position) < 0.15, "{a:?} {b:?}");
    let (heading, pitch) = (a.gimbal.heading.zip(b.gimbal.heading), a.gimbal.pitch.zip(b.gimbal.pitch));
    let (heading, pitch) = (heading.expect("both"), pitch.expect("both"));
    assert!((heading.0 - heading.1).abs() < 0.2 && (pitch.0 - pitch.1).abs() < 0.2);
    let clocks = [srt, klv].map(|f: Flight| f.takeoff().expect("a place"));
    assert!(clocks[0].distance_to(&clocks[1]) < 0.15);
}

#[derive(Default)]
struct Heard {
    frames: Vec<EncodedFrame>,
    poses: Vec<(lintel::base::WallTime, LonLat)>,
}

#[derive(Clone, Default)]
struct Ears(Arc<Mutex<Heard>>);

impl FrameSink for Ears {
    fn frame(&self, frame: EncodedFrame) {
        self.0.lock().frames.push(frame);
    }

    fn telemetry(&self, telemetry: Telemetry) {
        if let Telemetry::Pose(at, pose) = telemetry {
            self.0.lock().poses.push((at, pose.position));
        }
    }
}

/// The transport stream in datagrams of seven packets, as senders do it, in about the time that it lasts.
pub fn send(to: u16, stop: &Shutdown) {
    send_clip(&root().join("testdata/clips/drone_klv.ts"), to, stop);
}

fn send_clip(clip: &Path, to: u16, stop: &Shutdown) {
    let bytes = std::fs::read(clip).expect("the clip");
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let pause = Duration::from_secs(10) / (bytes.len() / 1316) as u32;
    while !stop.is_stopped() {
        for datagram in bytes.chunks(1316) {
            socket.send_to(datagram, ("127.0.0.1", to)).expect("sent");
            if stop.wait(pause) {
                return;
            }
        }
    }
}

#[test]
fn a_live_stream_over_udp_gives_pictures_and_poses_on_one_clock() {
    assert_live(&root().join("testdata/clips/drone_klv.ts"));
}

/// The same telemetry as MISB ST 1402 has it otherwise: without times of its own, and synchronous, in access units.
#[test]
fn klv_of_every_form_gives_the_same_flight() {
    let Some(shared) = crate::support::shared("KLV of every form") else { return };
    let read = |path: &Path| flight_of(path, &FlightSettings::default()).unwrap_or_else(|e| panic!("{e}"));
    let (known, _) = read(&root().join("testdata/clips/drone_klv.ts"));
    for clip in [
        "03-klv-async-no-pts/async_no_pts.ts",
        "04-klv-sync-0x15/sync_0x15.ts",
        "04-klv-sync-0x15/sync_0x15_reg.ts",
    ] {
        let (flight, report) = read(&shared.join("cases/data").join(clip));
        assert_eq!(flight.len(), 140, "{clip}: {report}");
        for second in [1.0, 5.5, 9.0] {
            let at = lintel::base::WallTime((second * 1e6) as i64);
            let (a, b) = (known.at(at).expect("flying").pose, flight.at(at).expect("flying").pose);
            let off = a.position.distance_to(&b.position);
            assert!(off < 0.5, "{clip}: {off} m apart at {second} s");
        }
    }
}

#[test]
fn synchronous_klv_comes_live_too() {
    let Some(shared) = crate::support::shared("synchronous KLV, live") else { return };
    for clip in ["sync_0x15.ts", "sync_0x15_reg.ts"] {
        assert_live(&shared.join("cases/data/04-klv-sync-0x15").join(clip));
    }
}

fn assert_live(clip: &Path) {
    let port =
        std::net::UdpSocket::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let loaded = config::load(&root().join("testdata/drone/lintel.toml")).expect("the config");
    let mut camera = loaded.config.cameras[1].clone();
    camera.source = SourceConfig::Udp(UdpConfig {
        address: "127.0.0.1".parse().expect("an address"),
        port,
        stall_timeout: Duration::from_secs(20),
        backoff_first: Duration::from_millis(100),
        backoff_max: Duration::from_secs(1),
    });
    let runtime = tokio::runtime::Runtime::new().expect("tokio");
    let (ears, stop) = (Ears::default(), Shutdown::new());
    let handle = spawn_camera(runtime.handle(), &camera, Arc::new(ears.clone()), stop.clone());
    let sender = {
        let (stop, clip) = (stop.clone(), clip.to_path_buf());
        std::thread::spawn(move || send_clip(&clip, port, &stop))
    };
    let deadline = std::time::Duration::from_secs(60);
    let began = lintel::base::monotonic();
    loop {
        let heard = ears.0.lock();
        if heard.frames.len() > 40 && heard.poses.len() > 40 {
            break;
        }
        let (frames, poses) = (heard.frames.len(), heard.poses.len());
        drop(heard);
        assert!(began.elapsed() < deadline, "{frames} frames, {poses} poses: {:?}", handle.stats.snapshot());
        std::thread::sleep(Duration::from_millis(50));
    }
    let stats = handle.stats.snapshot();
    stop.stop();
    sender.join().expect("the sender");
    runtime.block_on(handle.join());
    let heard = ears.0.lock();
    // The clip's clock is years off, so both carry the time of their arrival.
    assert_eq!(stats.time_source, Some(lintel::base::TimeSource::Arrival));
    let pose = heard.poses[20].0;
    let nearest = heard.frames.iter().map(|f| (f.capture.at.0 - pose.0).abs()).min();
    assert!(nearest.is_some_and(|us| us < 2_000_000), "{nearest:?} us from the pose at {pose} to a frame");
    let base = LonLat { lon: 120.1614, lat: 30.2931 };
    assert!(heard.poses.iter().all(|(_, place)| place.distance_to(&base) < 100.0));
}
