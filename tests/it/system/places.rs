//! Events of a calibrated camera have a place, zones and permits on the ground hold, and a lead finds the
//! camera.

use serde_json::{Value, json};

use super::commands::Platform;
use super::node::{Node, Receiver, street};
use crate::support::level_terrain;
use crate::support::mqtt::{Mosquitto, wait_for};
use crate::support::rtsp::{Options, RtspServer};

/// A camera of the street's picture size, 12 m up, that looks down to the north-east. Nobody surveyed the
/// street: what the tests need is that both ways of reckoning agree.
fn calibration() -> String {
    let mut covariance = String::new();
    for i in 0..9 {
        let variance = [0.01, 0.01, 0.01, 1e-7, 1e-7, 1e-7, 1.0, 0.0, 0.0][i];
        let row: Vec<String> =
            (0..9).map(|j| if i == j { format!("{variance:e}") } else { "0.0".into() }).collect();
        covariance += &format!("[{}], ", row.join(", "));
    }
    format!(
        r#"
format = 1
camera = "gate"
survey_date = "2026-11-20"
picture = [768, 576]
covariance = [{covariance}]
points = []
position = {{ lon = 120.1551, lat = 30.2741, alt = 32.0 }}
attitude = {{ heading_deg = 40.0, pitch_deg = -35.0, roll_deg = 0.0 }}
lens = {{ focal_px = 700.0, k1 = 0.0, k2 = 0.0, center = [384.0, 288.0] }}
sigma = {{ east_m = 0.1, north_m = 0.1, up_m = 0.1, right_axis_deg = 0.02, down_axis_deg = 0.02, forward_axis_deg = 0.02, focal_px = 1.0 }}
ground = {{ alt = 20.0, sigma_m = 0.5 }}
fit = {{ points = 8, left_out = [], rms_px = 0.5, rms_m = 0.05, leave_one_out_rms_px = 0.7, scale = 1.0, distortion_solved = false }}
"#
    )
}

fn square(lon: f64, lat: f64, half: f64) -> Value {
    let corner = |x: f64, y: f64| json!([lon + x * half, lat + y * half]);
    let ring = [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0)].map(|(x, y)| corner(x, y));
    json!({ "type": "Polygon", "coordinates": [ring] })
}

fn collection(properties: Value, geometry: Value) -> String {
    json!({
        "type": "FeatureCollection",
        "features": [{ "type": "Feature", "properties": properties, "geometry": geometry }],
    })
    .to_string()
}

#[test]
fn events_have_places_that_leads_zones_and_permits_go_by() {
    let broker = Mosquitto::plain();
    let camera = RtspServer::start(&[("gate", street().as_path())], Options::default());
    let receiver = Receiver::start(&broker, None);
    let mut node = Node::new(&camera.url("gate"), &broker, None);
    node.file("gate.toml", &calibration());
    node.replace("id = \"gate\"\n", "id = \"gate\"\ncalibration = \"gate.toml\"\n");
    node.replace("[http]", "[map]\ngcj02 = true\n[http]");
    node.start();
    let platform = Platform::start(&broker);
    receiver.wait_for_evidence(2);

    let events = receiver.events();
    let data = &events[0].state["data"];
    assert_eq!((&data["position_of"], &data["method"]), (&json!("object"), &json!("pose_plane")), "{data:#}");
    assert_eq!((&data["calibration"], &data["crs"]), (&json!("valid"), &json!("EPSG:4326")));
    let number = |pointer: &str| data.pointer(pointer).and_then(Value::as_f64).expect(pointer);
    let (lon, lat) = (number("/position/lon"), number("/position/lat"));
    assert!((lon - 120.1551).abs() < 0.002 && (lat - 30.2741).abs() < 0.002, "{data:#}");
    let (major, minor) = (number("/accuracy/semi_major_m"), number("/accuracy/semi_minor_m"));
    assert!(0.05 < minor && minor <= major && major < 20.0, "{data:#}");
    assert!((number("/gcj02/0") - lon).abs() > 1e-3, "{data:#}");
    assert_eq!(data["footprint"]["coordinates"][0].as_array().map(Vec::len), Some(5));

    // Who asks for that place is shown the same thing by the same camera.
    platform.send("lead", &json!({ "id": "report-1", "lon": lon, "lat": lat }).to_string());
    let answer = platform.answer().message;
    let seen = &answer["data"]["cameras"][0];
    assert_eq!((&answer["data"]["status"], &seen["camera"]), (&json!("done"), &json!("gate")), "{answer:#}");
    let feet = [(number("/box/0") + number("/box/2")) / 2.0, number("/box/3").min(1.0)];
    for (axis, expected) in feet.into_iter().enumerate() {
        let pixel = seen["pixel"][axis].as_f64().expect("a pixel");
        assert!((pixel - expected).abs() < 0.01, "{seen:#} instead of {feet:?}");
    }
    assert!(seen["objects"][0]["distance_m"].as_f64().is_some_and(|d| d < 5.0), "{seen:#}");
    let evidence = seen["evidence"].as_str().expect("evidence").to_owned();
    wait_for("the clip of the lead", || {
        receiver
            .folder(&evidence)
            .is_some_and(|f| f.join("clip.mp4").exists() && f.join("still.jpg").exists())
    });

    // A terrain model, taken on while the node runs: the same place is 4 m lower, and further down in the
    // picture.
    level_terrain(&node.folder().join("terrain.tif"), [120.1551, 30.2741], 16.0);
    node.replace("gcj02 = true", "gcj02 = true\ndem = \"terrain.tif\"");
    let reloaded = node.reload();
    assert_eq!(reloaded["changes"], json!(["map.dem"]), "{reloaded:#}");
    platform.send("lead", &json!({ "id": "report-2", "lon": lon, "lat": lat }).to_string());
    let lower = platform.answer().message;
    let pixel = |seen: &Value| seen["pixel"][1].as_f64().expect("a pixel");
    assert!(pixel(&lower["data"]["cameras"][0]) > pixel(seen) + 0.05, "{lower:#}");
    node.replace("\ndem = \"terrain.tif\"", "");

    platform.send("lead", r#"{"lon": 121.0, "lat": 31.0}"#);
    let nobody = platform.answer().message;
    assert_eq!((&nobody["data"]["status"], &nobody["data"]["cameras"]), (&json!("done"), &json!([])));
    platform.send("calibration", r#"{"camera": "gate"}"#);
    assert_eq!(platform.answer().message["data"]["status"], "done");
    assert_eq!(node.terminate().code(), Some(0), "{}", node.log());

    // The place as a zone with a permit, instead of the zone in the picture.
    node.file("zones.geojson", &collection(json!({ "id": "kerb", "name": "路缘" }), square(lon, lat, 2e-5)));
    let permit = json!({ "id": "2026-17", "valid_from": "2000-01-01", "classes": ["motor_vehicle_parking"] });
    node.file("permits.geojson", &collection(permit, square(lon, lat, 4e-5)));
    node.replace("gcj02 = true", "zones = \"zones.geojson\"\npermits = \"permits.geojson\"");
    node.replace("zones = [\"road\"]", "zones = [\"kerb\"]");
    let fresh = tempfile::tempdir().expect("folder");
    node.data_dir(fresh.path());
    node.start();
    let in_zone = |e: &super::node::Received| e.state["data"]["zone"]["id"] == "kerb";
    wait_for("an event in the ground zone", || receiver.events().iter().any(in_zone));
    let events = receiver.events();
    let event = &events.iter().find(|e| in_zone(e)).expect("found").state["data"];
    assert_eq!((&event["status"], &event["permit"]), (&json!("permitted"), &json!("2026-17")), "{event:#}");
    assert_eq!(node.terminate().code(), Some(0), "{}", node.log());
}

#[test]
fn a_calibration_that_cannot_be_read_stops_the_start_by_name() {
    let broker = Mosquitto::plain();
    let mut node = Node::new("rtsp://127.0.0.1:1/gate", &broker, None);
    node.file("gate.toml", "format = 1\n");
    node.replace("id = \"gate\"\n", "id = \"gate\"\ncalibration = \"gate.toml\"\n");
    node.start();
    assert_eq!(node.wait().code(), Some(1), "{}", node.log());
    let log = node.log();
    assert!(log.contains("camera.gate.calibration") && log.contains("gate.toml"), "{log}");
}
