//! `lintel check` warns of what is no error, but would stop the node or spoil its evidence later.

use std::io::{Read, Write};
use std::net::TcpListener;

use super::{CAMERA, check, node_in, text};

/// The warnings of a node with these sections; the config has no error.
#[track_caller]
fn warnings(sections: &str) -> String {
    let folder = tempfile::tempdir().expect("folder");
    let config = node_in(folder.path(), &format!("[mqtt]\nurl = \"mqtt://127.0.0.1\"\n{sections}"));
    let output = check(&config, &[], None);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    err
}

#[test]
fn a_port_that_another_program_has_is_a_warning_and_the_port_of_the_same_node_is_none() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let sections = format!("[http]\nlisten = \"{address}\"\n{CAMERA}");
    // Nobody answers: it is not this node.
    let warned = warnings(&sections);
    assert!(warned.contains(&format!("http.listen: cannot listen on {address}")), "{warned}");
    assert!(warned.contains("choose a free port"), "{warned}");

    let node = std::thread::spawn(move || {
        // The question of the first check has waited in the queue, and its asker has gone.
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut asked = [0; 24];
            stream.read_exact(&mut asked).expect("a question");
            assert!(asked.starts_with(b"GET /health HTTP/1.0"));
            drop(stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n{\n  \"node\": \"box\"\n}"));
        }
    });
    let warned = warnings(&sections);
    assert!(!warned.contains("http.listen"), "{warned}");
    node.join().expect("a node");
}

#[test]
fn too_little_room_on_the_disk_is_a_warning() {
    let warned = warnings(&format!("[evidence]\nmin_free_mb = 900000000\n{CAMERA}"));
    assert!(
        warned.contains("evidence.min_free_mb: ") && warned.contains("900000000 MB are to stay free"),
        "{warned}"
    );
    assert!(!warnings(&format!("[evidence]\nmin_free_mb = 1\n{CAMERA}")).contains("min_free_mb"));
}

#[test]
fn letters_that_the_font_lacks_are_a_warning() {
    let named = format!("{CAMERA}name = \"东门\"\n");
    let warned = warnings(&named);
    assert!(warned.contains("evidence.font") && warned.contains("\"??\" for \"东门\""), "{warned}");
    assert!(!warnings(CAMERA).contains("evidence.font"));
    let font = "[evidence]\nfont = \"/usr/share/fonts/truetype/wqy/wqy-microhei.ttc\"\n";
    assert!(!warnings(&format!("{font}{named}")).contains("evidence.font"));
}

#[test]
fn two_cameras_with_one_stream_are_a_warning() {
    let second = CAMERA.replace("gate", "yard").replace("192.0.2.1/", "192.0.2.1:554/");
    let warned = warnings(&format!("{CAMERA}{second}"));
    assert!(warned.contains("the cameras `gate` and `yard` have the same stream"), "{warned}");
    let other = second.replace("/stream", "/stream2");
    assert!(!warnings(&format!("{CAMERA}{other}")).contains("the same stream"));
}

#[test]
fn a_class_by_its_chinese_name_is_understood_enough_to_name_its_id() {
    let folder = tempfile::tempdir().expect("folder");
    let rule = "[[camera.rule]]\nclass = \"暴露垃圾\"\n";
    let config = node_in(folder.path(), &format!("[mqtt]\nurl = \"mqtt://127.0.0.1\"\n{CAMERA}{rule}"));
    let output = check(&config, &[], None);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("did you mean `exposed_garbage`?"), "{said}");
}
