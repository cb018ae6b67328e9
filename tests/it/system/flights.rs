//! Finished flights that are dropped in a folder of a running node: compared, published like any other event,
//! and kept.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};
use tempfile::TempDir;
use tiff::decoder::{Decoder, DecodingResult};
use tiff::encoder::TiffEncoder;
use tiff::encoder::colortype::RGB8;
use tiff::tags::Tag;

use super::commands::Platform;
use super::node::{Node, Receiver};
use crate::mqtt::wire::validate;
use crate::support::mqtt::{Mosquitto, wait_for, wait_within};
use crate::support::root;

/// One zone around each planted change of testdata/compare, and one where nothing was.
const ZONES: [(&str, [f64; 4]); 4] = [
    ("yard", [120.15645, 30.27423, 120.15682, 30.27447]),
    ("field", [120.15615, 30.27488, 120.15668, 30.27529]),
    ("verge", [120.15566, 30.27475, 120.15592, 30.27492]),
    ("lane", [120.1552, 30.2741, 120.1554, 30.2743]),
];

fn node(broker: &Mosquitto) -> Node {
    let mut node = Node::new("rtsp://127.0.0.1:1/gate", broker, None);
    node.replace(
        "backoff_first = \"200ms\", backoff_max = \"1s\"",
        "backoff_first = \"1m\", backoff_max = \"1m\"",
    );
    let feature = |(id, [west, south, east, north]): &(&str, [f64; 4])| {
        let ring = [[west, south], [east, south], [east, north], [west, north], [west, south]];
        json!({ "type": "Feature", "properties": { "id": id, "name": format!("{id} 区") },
                "geometry": { "type": "Polygon", "coordinates": [ring] } })
    };
    let zones =
        json!({ "type": "FeatureCollection", "features": ZONES.iter().map(feature).collect::<Vec<_>>() });
    node.file("zones.geojson", &zones.to_string());
    node.replace(
        "[camera_defaults]",
        r#"[map]
zones = "zones.geojson"
[[flight_area]]
id = "village"
name = "东村"
folder = "drop"
settle = "1s"
[[flight_area.rule]]
class = "rooftop_addition"
zones = ["yard", "lane"]
[[flight_area.rule]]
class = "land_occupation"
zones = ["field", "lane"]
[[flight_area.rule]]
class = "spoil_dumping"
zones = ["verge", "lane", "field"]
[camera_defaults]"#,
    );
    node
}

/// Drops a flight as people do: under another name, then renamed. Its files are of one time, so its events
/// have the same ids wherever it is dropped.
fn drop_flight(node: &Node, name: &str, files: &[PathBuf], note: &str, hour: u64) {
    let folder = node.folder().join("drop");
    fs::create_dir_all(&folder).expect("the drop folder");
    let part = folder.join(format!("{name}.part"));
    fs::create_dir(&part).expect("a flight");
    let time = UNIX_EPOCH + Duration::from_secs(1_795_000_000 + 3600 * hour);
    let place = |name: &str| part.join(name);
    for file in files {
        fs::copy(file, place(&file.file_name().expect("a name").to_string_lossy())).expect("copied");
    }
    if !note.is_empty() {
        fs::write(place("note.txt"), note).expect("written");
    }
    for entry in fs::read_dir(&part).expect("the flight") {
        let file = File::options().write(true).open(entry.expect("entry").path()).expect("a file");
        file.set_modified(time).expect("its time");
    }
    fs::rename(&part, folder.join(name)).expect("dropped");
}

fn data(name: &str) -> PathBuf {
    root().join("testdata/compare").join(name)
}

fn flights(node: &Node) -> Value {
    node.health()["flights"]["village"].clone()
}

/// Flights are compared when nothing else wants to run, and other tests do.
const PATIENCE: Duration = Duration::from_secs(300);

#[track_caller]
fn wait_for_done(node: &Node, done: u64) {
    wait_within(PATIENCE, "the flight", || flights(node)["done"] == done);
}

/// Class and zone of each event by its id.
fn reported(receiver: &Receiver) -> BTreeMap<String, (String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let events = receiver.events();
    let of = |data: &Value| (text(&data["class"]["id"]), text(&data["zone"]["id"]));
    events.iter().map(|event| (text(&event.state["subject"]), of(&event.state["data"]))).collect()
}

fn expected() -> Vec<(String, String)> {
    [("land_occupation", "field"), ("rooftop_addition", "yard"), ("spoil_dumping", "verge")]
        .map(|(class, zone)| (class.to_owned(), zone.to_owned()))
        .to_vec()
}

fn types(receiver: &Receiver, event: &str) -> Vec<String> {
    let found = receiver.events().into_iter().find(|e| e.state["subject"] == event).expect("the event");
    let of = |m: &Value| {
        m["type"].as_str().unwrap_or_default().trim_start_matches("cn.lintel.violation.").to_owned()
    };
    found.messages.iter().map(of).filter(|t| !t.contains('.')).collect()
}

#[test]
fn what_two_flights_show_is_reported_once_goes_on_and_is_closed_when_it_is_gone() {
    let broker = Mosquitto::plain();
    let receiver = Receiver::start(&broker, None);
    let mut node = node(&broker);
    drop_flight(&node, "may", &[data("before.tif")], "", 0);
    node.start();
    let platform = Platform::start(&broker);
    wait_for_done(&node, 1);
    assert!(reported(&receiver).is_empty(), "the first flight is what later ones are compared with");

    drop_flight(&node, "june", &[data("after.tif")], "", 1);
    wait_for_done(&node, 2);
    receiver.wait_for_evidence(3);
    let first = reported(&receiver);
    let mut classes: Vec<_> = first.values().cloned().collect();
    classes.sort();
    assert_eq!(classes, expected());
    for event in receiver.events() {
        event.check_files(&["still.jpg", "before.jpg", "after.jpg", "comparison.jpg", "manifest.json"]);
        let data = &event.state["data"];
        validate("violation", &event.messages[0]);
        let flights = &data["change"]["flights"];
        assert_eq!((&flights["before"], &flights["after"]), (&json!("may"), &json!("june")));
        assert!(flights["area_m2"].as_f64().is_some_and(|a| a > 12.0), "{flights}");
        assert_eq!((&data["camera"]["name"], &data["method"]), (&json!("东村"), &json!("mosaic")));
        let ring = data["footprint"]["coordinates"][0].as_array().expect("an outline");
        assert!(ring.len() > 3 && ring.first() == ring.last());
        assert!(data["reason"].as_str().is_some_and(|r| r.contains("may and june")), "{}", data["reason"]);
    }

    // The same pictures under another name, then a further flight that shows the same.
    drop_flight(&node, "june-copy", &[data("after.tif")], "", 2);
    wait_for_done(&node, 3);
    let rejected = first.iter().find(|(_, (class, _))| class == "spoil_dumping").expect("the heap").0;
    platform.send("rejected", &json!({ "event": rejected, "reason": "a sand pit" }).to_string());
    assert_eq!(platform.answer().message["data"]["status"], "done");
    let permitted = first.iter().find(|(_, (class, _))| class == "rooftop_addition").expect("the house").0;
    // Whether it is still there, only another flight can show; the event stays open.
    platform.send("rectified", &json!({ "event": permitted }).to_string());
    let asked = platform.answer().message;
    assert_eq!(
        (&asked["data"]["status"], &asked["data"]["verdict"]),
        (&json!("done"), &json!("unknown")),
        "{asked}"
    );
    assert_eq!(asked["data"]["cameras"], json!([]));
    platform.send("permitted", &json!({ "event": permitted, "permit": "2026-17" }).to_string());
    assert_eq!(platform.answer().message["data"]["status"], "done");
    drop_flight(&node, "july", &[data("after.tif")], "a further flight", 3);
    wait_for_done(&node, 4);
    wait_for("the permit", || types(&receiver, permitted) == ["opened", "updated"]);
    wait_for("the rejection", || types(&receiver, rejected) == ["opened", "closed"]);
    assert_eq!(reported(&receiver), first, "nothing is reported again");

    // All is as it was before; the heap that was none is not asked about any more.
    drop_flight(&node, "august", &[data("before.tif")], "after the demolition", 4);
    wait_for_done(&node, 5);
    for event in first.keys().filter(|event| *event != rejected) {
        let steps: &[&str] =
            if event == permitted { &["opened", "updated", "closed"] } else { &["opened", "closed"] };
        wait_for("the end", || types(&receiver, event) == steps);
        let folder = receiver.folder(event).expect("its folder");
        wait_for("the picture of the cleared ground", || folder.join("closed.jpg").exists());
    }
    let metrics = node.get("/metrics");
    assert!(metrics.contains("lintel_flights_done_total 5"), "{metrics}");
    assert_eq!(node.terminate().code(), Some(0), "{}", node.log());
    let kept = fs::read_dir(node.data().join("flights/village")).expect("kept").count();
    assert_eq!(kept, 1, "only the last accepted flight is kept");
    let left: Vec<_> = fs::read_dir(node.folder().join("drop"))
        .expect("drop")
        .map(|e| e.expect("entry").file_name())
        .collect();
    assert_eq!(left, ["done"], "the folder is empty again");
}

/// A flight after a part of the works: the later mosaic down to the middle of the pit, the earlier one below.
fn half_dug(dir: &Path) -> PathBuf {
    let open = |name: &str| Decoder::new(File::open(data(name)).expect("a mosaic")).expect("a TIFF");
    let pixels = |tiff: &mut Decoder<File>| match tiff.read_image().expect("pixels") {
        DecodingResult::U8(pixels) => pixels,
        other => panic!("{other:?}"),
    };
    let (mut before, mut after) = (open("before.tif"), open("after.tif"));
    let (width, height) = after.dimensions().expect("a size");
    let row = width as usize * 3;
    let mut mixed = pixels(&mut after);
    mixed[95 * row..].copy_from_slice(&pixels(&mut before)[95 * row..]);
    let path = dir.join("half-dug.tif");
    let mut file = TiffEncoder::new(File::create(&path).expect("a file")).expect("a TIFF");
    let mut image = file.new_image::<RGB8>(width, height).expect("an image");
    for tag in [Tag::ModelPixelScaleTag, Tag::ModelTiepointTag] {
        let values = after.get_tag_f64_vec(tag).expect("its place");
        image.encoder().write_tag(tag, &values[..]).expect("written");
    }
    let keys = after.get_tag_u16_vec(Tag::GeoKeyDirectoryTag).expect("its coordinates");
    image.encoder().write_tag(Tag::GeoKeyDirectoryTag, &keys[..]).expect("written");
    image.write_data(&mixed).expect("written");
    path
}

#[test]
fn a_pit_that_grows_between_flights_is_the_same_event_updated() {
    let broker = Mosquitto::plain();
    let receiver = Receiver::start(&broker, None);
    let mut node = node(&broker);
    let dir = TempDir::new().expect("temp dir");
    let half = half_dug(dir.path());
    drop_flight(&node, "may", &[data("before.tif")], "", 0);
    drop_flight(&node, "june", std::slice::from_ref(&half), "", 1);
    drop_flight(&node, "july", &[data("after.tif")], "", 2);
    node.start();
    wait_for_done(&node, 3);
    receiver.wait_for_evidence(3);
    let (pit, _) =
        reported(&receiver).into_iter().find(|(_, (class, _))| class == "land_occupation").expect("the pit");
    wait_for("the growth", || types(&receiver, &pit) == ["opened", "updated"]);
    let event = receiver.events().into_iter().find(|e| e.state["subject"] == *pit).expect("the event");
    let facts = |i: usize| event.messages[i]["data"]["change"]["flights"].clone();
    let steps: Vec<Value> = (0..event.messages.len()).map(facts).filter(|f| !f.is_null()).collect();
    let (first, last) = (&steps[0], &steps[steps.len() - 1]);
    let area = |facts: &Value| facts["area_m2"].as_f64().expect("an area");
    assert!(area(last) > 1.5 * area(first), "{first} {last}");
    assert_eq!((&first["after"], &last["after"]), (&json!("june"), &json!("july")));
    let reason = event.state["data"]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("flight july shows that it has grown"), "{reason}");
    // House and heap came with the second flight, and nothing is reported twice.
    let mut classes: Vec<_> = reported(&receiver).into_values().collect();
    classes.sort();
    assert_eq!(classes, expected());
    assert_eq!(node.terminate().code(), Some(0), "{}", node.log());
}

/// Two stills a flight, which overlap: a thing that both show is one event, by each one's own place.
#[test]
fn stills_of_a_drone_are_placed_by_their_own_telemetry_and_one_thing_is_one_event() {
    let broker = Mosquitto::plain();
    let receiver = Receiver::start(&broker, None);
    let mut node = node(&broker);
    let stills = |folder: &str, names: [&str; 2]| names.map(|name| data(folder).join(name)).to_vec();
    let (may, june) = (
        stills("before", ["DJI_0010.jpg", "DJI_0011.jpg"]),
        stills("after", ["DJI_0020.jpg", "DJI_0021.jpg"]),
    );
    drop_flight(&node, "may", &may, "", 0);
    drop_flight(&node, "june", &june, "", 1);
    drop_flight(&node, "july", &june, "the same ground again", 2);
    node.start();
    wait_for_done(&node, 3);
    receiver.wait_for_evidence(2);
    let first = reported(&receiver);
    let mut classes: Vec<_> = first.values().cloned().collect();
    classes.sort();
    // Of the house the later flight shows no more than a rim.
    assert_eq!(classes, [expected()[0].clone(), expected()[2].clone()]);
    for event in receiver.events() {
        assert_eq!(event.revisions(), [0]);
        let data = &event.state["data"];
        assert_eq!(data["method"], "telemetry_plane");
        let major = data["accuracy"]["semi_major_m"].as_f64().expect("an ellipse");
        assert!((1.0..40.0).contains(&major), "{data:#}");
    }
    drop_flight(&node, "august", &may, "as it was", 3);
    wait_for_done(&node, 4);
    for event in first.keys() {
        wait_for("the end", || types(&receiver, event) == ["opened", "closed"]);
    }
    assert_eq!(node.terminate().code(), Some(0), "{}", node.log());
    assert_eq!(reported(&receiver).len(), 2, "what is gone is no new change");
    assert!(node.log().contains("2 steps of events"), "{}", node.log());
}

#[test]
fn a_kill_in_the_middle_of_a_flight_gives_the_same_events_once() {
    let ids = |moments: &[&dyn Fn(&Node) -> bool]| {
        let broker = Mosquitto::plain();
        let receiver = Receiver::start(&broker, None);
        let mut node = node(&broker);
        drop_flight(&node, "may", &[data("before.tif")], "", 0);
        drop_flight(&node, "june", &[data("after.tif")], "", 1);
        for moment in moments {
            node.start();
            wait_within(PATIENCE, "the moment", || moment(&node));
            node.kill();
        }
        node.start();
        let drop = node.folder().join("drop");
        wait_within(PATIENCE, "both flights", || ["may", "june"].iter().all(|f| !drop.join(f).exists()));
        receiver.wait_for_evidence(3);
        for event in receiver.events() {
            event.check_files(&["still.jpg", "before.jpg", "after.jpg", "comparison.jpg", "manifest.json"]);
            assert_eq!(event.revisions(), [0]);
        }
        assert_eq!(node.terminate().code(), Some(0), "{}", node.log());
        reported(&receiver)
    };
    let stills = |node: &Node| count(&node.data().join("evidence"), "comparison.jpg") > 0;
    let begun = |node: &Node| flights(node)["comparing"] == "june";
    assert_eq!(ids(&[&begun, &stills]), ids(&[]));
}

/// Files of a name in a folder, however deep.
fn count(folder: &Path, name: &str) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|e| if e.path().is_dir() { count(&e.path(), name) } else { usize::from(e.file_name() == *name) })
        .sum()
}

#[test]
fn a_flight_that_cannot_be_used_is_named_and_put_aside_and_the_next_one_goes_on() {
    let broker = Mosquitto::plain();
    let receiver = Receiver::start(&broker, None);
    let mut node = node(&broker);
    node.start();
    drop_flight(&node, "may", &[data("before.tif")], "", 1);
    wait_for_done(&node, 1);
    let torn = node.folder().join("mosaic.tif");
    let whole = fs::read(data("after.tif")).expect("a mosaic");
    fs::write(&torn, &whole[..whole.len() / 3]).expect("written");
    drop_flight(&node, "torn", &[torn], "", 2);
    wait_within(PATIENCE, "the failure", || flights(&node)["failed"] == 1);
    let failure = flights(&node)["last_failure"].clone();
    assert_eq!(failure["flight"], "torn");
    let reason = failure["reason"].as_str().expect("a reason").to_owned();
    assert!(reason.contains("mosaic.tif"), "{reason}");
    let failed = node.folder().join("drop/failed");
    assert!(failed.join("torn/mosaic.tif").exists());
    assert!(fs::read_to_string(failed.join("torn.txt")).expect("the reason").contains("mosaic.tif"));

    // Pictures without any place: the area's zones are on the map.
    let plain = node.folder().join("plain.png");
    image::GrayImage::from_pixel(640, 480, image::Luma([90])).save(&plain).expect("saved");
    drop_flight(&node, "plain", &[plain], "", 3);
    wait_within(PATIENCE, "the second failure", || flights(&node)["failed"] == 2);
    let reason = flights(&node)["last_failure"]["reason"].as_str().expect("a reason").to_owned();
    assert!(reason.contains("has a place"), "{reason}");

    // Flown before the one that was accepted: compared the wrong way round it would close what is there.
    drop_flight(&node, "april", &[data("after.tif")], "late", 0);
    wait_within(PATIENCE, "the third failure", || flights(&node)["failed"] == 3);
    let reason = flights(&node)["last_failure"]["reason"].as_str().expect("a reason").to_owned();
    assert!(reason.contains("before the last accepted flight, may"), "{reason}");

    drop_flight(&node, "june", &[data("after.tif")], "", 4);
    wait_for_done(&node, 2);
    receiver.wait_for_evidence(3);
    assert_eq!(reported(&receiver).len(), 3);

    // The area goes by a reload: nobody can say any more what becomes of its events.
    node.replace("id = \"village\"", "id = \"hamlet\"");
    let reload = node.reload();
    assert_eq!(reload["outcome"], "applied", "{reload}");
    for event in reported(&receiver).keys() {
        wait_for("the expiry", || types(&receiver, event) == ["opened", "expired"]);
    }
    assert_eq!(node.terminate().code(), Some(0), "{}", node.log());
}
