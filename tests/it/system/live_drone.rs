//! `lintel run` with a drone that sends its picture and its telemetry live.

use lintel::base::Shutdown;
use serde_json::{Value, json};

use super::node::{Node, Receiver};
use crate::flight::send;
use crate::support::mqtt::{Mosquitto, wait_for};
use crate::support::root;

#[test]
fn what_a_live_drone_sees_is_placed_and_kept_as_evidence() {
    let broker = Mosquitto::plain();
    let receiver = Receiver::start(&broker, None);
    let port =
        std::net::UdpSocket::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let mut node = Node::new(&format!("udp://127.0.0.1:{port}"), &broker, None);
    let zones = root().join("testdata/drone/zones.geojson");
    node.replace("[http]", &format!("[map]\nzones = \"{}\"\n[http]", zones.display()));
    node.replace(
        "interval = \"1s\"",
        "profile = \"drone\"\nsampling = \"all\"\ninterval = \"500ms\"\ndrone = {}",
    );
    node.replace(
        "[[camera.zone]]\nid = \"road\"\npolygon = [[0.82, 0.07], [1.0, 0.05], [1.0, 0.19], [0.84, 0.19]]\n",
        "",
    );
    node.replace("zones = [\"road\"]", "zones = [\"yard\"]\nobjects = [\"car\", \"truck\"]");
    node.start();
    let stop = Shutdown::new();
    let sender = {
        let stop = stop.clone();
        std::thread::spawn(move || send(port, &stop))
    };
    wait_for("an event of the live drone with its evidence", || {
        receiver.events().iter().any(|event| event.folder.join("clip.mp4").exists())
    });
    stop.stop();
    sender.join().expect("the sender");
    let events = receiver.events();
    let data: &Value = &events[0].state["data"];
    assert_eq!((&data["method"], &data["crs"]), (&json!("telemetry_plane"), &json!("EPSG:4326")), "{data:#}");
    let number = |pointer: &str| data.pointer(pointer).and_then(Value::as_f64).expect(pointer);
    let (lon, lat) = (number("/position/lon"), number("/position/lat"));
    assert!((lon - 120.1614).abs() < 4e-4 && (lat - 30.2935).abs() < 4e-4, "{data:#}");
    assert!((1.0..40.0).contains(&number("/accuracy/semi_major_m")), "{data:#}");
    assert_eq!(node.terminate().code(), Some(0), "{}", node.log());
}
