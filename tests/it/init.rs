//! `lintel init`: the real program against real RTSP servers and scripted ONVIF devices.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lintel::base::is_id;
use lintel::config::{self, Config, SourceConfig};
use tempfile::TempDir;

use crate::support::mqtt::free_port;
use crate::support::onvif::{Device, Manner, Script};
use crate::support::rtsp::{Options, RtspServer};
use crate::support::{onnxruntime, program, root};

const PASSWORD: &str = "hunter2/@#%东";
const IN_ADDRESS: &str = "hunter2%2F%40%23%25%E4%B8%9C";

struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        let Output { status, stdout, stderr } = output;
        Self { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }

    #[track_caller]
    fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }
}

fn lintel(args: &[&str]) -> Ran {
    let run = Command::new(program("lintel"))
        .env("ORT_DYLIB_PATH", onnxruntime())
        .env("CAM_PASSWORD", PASSWORD)
        .env("WRONG_PASSWORD", "hunter2-wrong")
        .args(args)
        .output();
    Ran::of(run.expect("lintel runs"))
}

/// With the small model of the tests.
fn init(out: &Path, args: &[&str]) -> Ran {
    let (out, model) =
        (out.display().to_string(), root().join("testdata/models/yolox").display().to_string());
    let ran = lintel(&[&["init", "--out", &out, "--model", &model], args].concat());
    assert!(
        !ran.stdout.contains("hunter2") && !ran.stderr.contains("hunter2"),
        "{}{}",
        ran.stdout,
        ran.stderr
    );
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    ran
}

fn street(options: Options) -> RtspServer {
    RtspServer::start(&[("street", &root().join("testdata/clips/street.mp4"))], options)
}

fn text(out: &Path) -> String {
    std::fs::read_to_string(out.join("lintel.toml")).expect("a config")
}

fn load(out: &Path) -> Config {
    let loaded = config::load_without_secrets(&out.join("lintel.toml"));
    loaded.unwrap_or_else(|errors| panic!("{errors}\n{}", text(out))).config
}

fn urls(config: &Config) -> Vec<String> {
    let url = |source: &SourceConfig| match source {
        SourceConfig::Rtsp(rtsp) => rtsp.url.to_string(),
        other => panic!("{other:?}"),
    };
    config.cameras.iter().map(|camera| url(&camera.source)).collect()
}

/// The files below a folder that hold these bytes.
fn holding(folder: &Path, what: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(holding(&path, what));
        } else if std::fs::read(&path).expect("a file").windows(what.len()).any(|w| w == what.as_bytes()) {
            found.push(path);
        }
    }
    found
}

/// Width and height of a JPEG that can be decoded.
fn size(path: PathBuf) -> (u32, u32) {
    let picture = image::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    (picture.width(), picture.height())
}

fn dead() -> String {
    format!("rtsp://127.0.0.1:{}/x", free_port())
}

#[test]
fn given_cameras_become_a_config_with_stills_and_a_dead_one_is_named() {
    let (server, dir) = (street(Options::default()), TempDir::new().expect("a folder"));
    let out = dir.path().join("site");
    let gate = format!("gate={}", server.url("street"));
    let broker = format!("mqtt://127.0.0.1:{}", free_port());
    let ran =
        init(&out, &[&gate, &dead(), "--broker", &broker, "--node-id", "roof-1", "--timeout", "20"]).exits(1);
    assert!(ran.stdout.contains("gate  H264 768x576"), "{}", ran.stdout);
    assert!(ran.stdout.contains("127-0-0-1-x  FAILED: cannot connect"), "{}", ran.stdout);
    assert!(ran.stdout.contains("lintel run --config"), "{}", ran.stdout);

    let text = text(&out);
    assert!(text.contains("# 未连通 / it did not answer: cannot connect"), "{text}");
    let config = load(&out);
    assert_eq!((config.node.id.as_str(), config.cameras.len()), ("roof-1", 2));
    assert_eq!(config.node.data_dir, out.join("data"));
    for still in ["gate.jpg", "gate-grid.jpg"] {
        assert_eq!(size(out.join("stills").join(still)), (768, 576));
    }
    let pixels = |name: &str| image::open(out.join("stills").join(name)).expect("a picture").into_rgb8();
    let (plain, grid) = (pixels("gate.jpg"), pixels("gate-grid.jpg"));
    let apart = plain.pixels().zip(grid.pixels()).filter(|(a, b)| a.0[0].abs_diff(b.0[0]) > 30).count();
    assert!((1_000..60_000).contains(&apart), "{apart} pixels of a grid");

    let path = out.join("lintel.toml").display().to_string();
    lintel(&["check", "--config", &path]).exits(0);
    // The example is one that works.
    let used = text.replace("# zone = ", "zone = ").replace("# rule = ", "rule = ");
    std::fs::write(out.join("used.toml"), used).expect("written");
    let used = config::load(&out.join("used.toml")).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(used.config.cameras[0].rules.len(), 1);

    // Nobody is at the broker's address, and one camera is dead; the other's still is kept anew.
    let stills = out.join("again").display().to_string();
    let checked = lintel(&["check", "--config", &path, "--probe", "--stills", &stills]).exits(1);
    assert!(checked.stdout.contains("    still       "), "{}", checked.stdout);
    assert_eq!(size(out.join("again/gate-grid.jpg")), (768, 576));

    let again = init(&out, &[&gate]).exits(2);
    assert!(again.stderr.contains("lintel.toml is there already and is not overwritten"), "{}", again.stderr);
    assert_eq!(self::text(&out), text);
}

#[test]
fn a_password_of_an_address_goes_to_a_file_of_its_own() {
    let auth = Some(("digest", "admin", PASSWORD));
    let (server, dir) = (street(Options { auth, ..Options::default() }), TempDir::new().expect("a folder"));
    let out = dir.path().join("site");
    let address = server.url("street").replace("rtsp://", &format!("rtsp://admin:{IN_ADDRESS}@"));
    let broker = format!("mqtts://county:{IN_ADDRESS}@broker.example:8883");
    init(&out, &[&format!("东门={address}"), "--broker", &broker, "--timeout", "20"]).exits(0);
    let secrets = ["secrets/camera-127-0-0-1.password", "secrets/mqtt.password"].map(|name| out.join(name));
    let mut found = holding(&out, "hunter2");
    found.sort();
    assert_eq!(found, secrets);
    for secret in &secrets {
        assert_eq!(std::fs::metadata(secret).expect("there").permissions().mode() & 0o077, 0);
    }
    let loaded = config::load(&out.join("lintel.toml")).unwrap_or_else(|errors| panic!("{errors}"));
    let camera = &loaded.config.cameras[0];
    assert_eq!((camera.id.as_str(), camera.name.as_str()), ("127-0-0-1", "东门"));
    let SourceConfig::Rtsp(rtsp) = &camera.source else { panic!("{camera:?}") };
    assert_eq!(rtsp.username.as_deref(), Some("admin"));
    assert_eq!(rtsp.password.as_ref().map(|p| p.expose()), Some(PASSWORD));
    assert_eq!(loaded.config.mqtt.password.as_ref().map(|p| p.expose()), Some(PASSWORD));
    assert_eq!(loaded.config.mqtt.username.as_deref(), Some("county"));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
}

#[test]
fn ids_are_valid_and_unique_whatever_people_call_their_cameras() {
    let dir = TempDir::new().expect("a folder");
    let given: Vec<String> = ["东门=", "东门＝", "gate=", "", "GATE-2=", "a b/c="]
        .iter()
        .map(|name| format!("{name}{}", dead()))
        .collect();
    let given: Vec<&str> = given.iter().map(String::as_str).collect();
    init(dir.path(), &given).exits(1);
    let config = load(dir.path());
    let mut ids: Vec<String> = config.cameras.iter().map(|c| c.id.as_str().to_ascii_lowercase()).collect();
    assert!(config.cameras.iter().all(|c| is_id(c.id.as_str())), "{ids:?}");
    let names: Vec<&str> = config.cameras.iter().map(|c| c.name.as_str()).collect();
    assert_eq!((names[0], names[1], names[5]), ("东门", "东门", "a b/c"));
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 6);

    let other = TempDir::new().expect("a folder");
    let twice = init(other.path(), &[&format!("gate={}", dead()), &format!("Gate={}", dead())]).exits(2);
    assert!(twice.stderr.contains("two cameras have the id Gate"), "{}", twice.stderr);
    for wrong in [
        &["rtsp://admin:hunter2#x@10.0.0.9/a"][..],
        &["admin:hunter2@10.0.0.9"],
        &["rtsp://10.0.0.9/a", "--broker", "http://u:hunter2@b"],
        &["--onvif", "admin:hunter2@10.0.0.9"],
        &["rtsp://10.0.0.9/a", "--username", "u", "--password-env", "NOT_SET"],
        &[],
    ] {
        let ran = init(other.path(), wrong).exits(2);
        assert!(ran.stderr.starts_with("error: "), "{wrong:?}: {}", ran.stderr);
    }
    assert_eq!(std::fs::read_dir(other.path()).expect("there").count(), 0, "nothing is written");
}

fn device(manner: Manner, streams: Vec<String>) -> Device {
    Device::start(Script { manner, login: ("admin", PASSWORD), streams })
}

#[test]
fn devices_are_asked_and_found_and_their_streams_are_opened_where_they_answered() {
    let auth = Some(("digest", "admin", PASSWORD));
    let server = street(Options { auth, copies: 2, ..Options::default() });
    // As behind a router: the devices know their own networks only.
    let told = |name: &str| server.url(name).replace("127.0.0.1", "192.168.1.64");
    let usual = device(Manner::Usual, vec![told("street-1")]);
    let newer = device(Manner::Newer, vec![server.url("street-2").replace("127.0.0.1", "0.0.0.0")]);
    let dir = TempDir::new().expect("a folder");
    let (discovery, place) = (usual.discovery().to_string(), newer.place());
    let login = ["--username", "admin", "--password-env", "CAM_PASSWORD", "--timeout", "20"];
    let how = ["--discover-at", &discovery, "--discover-for", "1", "--onvif", &place];
    let ran = init(dir.path(), &[&how[..], &login].concat()).exits(0);
    assert!(ran.stdout.contains("1 ONVIF devices answered"), "{}", ran.stdout);
    for there in ["192.168.1.64", "0.0.0.0"] {
        let note = format!("the device says {there}; 127.0.0.1 stands here, because it answered");
        assert!(ran.stdout.contains(&note) && text(dir.path()).contains(&note), "{}", ran.stdout);
    }
    let config = load(dir.path());
    let mut found = urls(&config);
    found.sort();
    assert_eq!(found, [server.url("street-1"), server.url("street-2")]);
    assert!(holding(dir.path(), "hunter2").is_empty());
    for camera in &config.cameras {
        assert_eq!(size(dir.path().join(format!("stills/{}.jpg", camera.id))), (768, 576));
    }
    assert_eq!(
        *usual.asked.lock(),
        ["GetSystemDateAndTime", "GetCapabilities", "GetProfiles", "GetStreamUri"]
    );
    let path = dir.path().join("lintel.toml").display().to_string();
    lintel(&["check", "--config", &path]).exits(0);
}

#[test]
fn a_device_that_refuses_is_named_with_what_to_do() {
    let wrong = ["--username", "admin", "--password-env", "WRONG_PASSWORD"];
    for manner in [Manner::Usual, Manner::Newer] {
        let device = device(manner.clone(), vec!["rtsp://127.0.0.1:1/x".into()]);
        for (login, said) in
            [(&wrong[..], "refuses the user or password: correct --username"), (&[], "asks for a user: give")]
        {
            let dir = TempDir::new().expect("a folder");
            let before = device.asked.lock().len();
            let place = device.place();
            let ran = init(dir.path(), &[&["--onvif", place.as_str()][..], login].concat()).exits(1);
            assert!(ran.stdout.contains(said), "{manner:?}: {}", ran.stdout);
            let text = text(dir.path());
            assert!(
                text.contains(said) && text.contains("# [[camera]]") && !text.contains("\n[[camera]]"),
                "{text}"
            );
            assert!(
                device.asked.lock().len() - before <= 3,
                "cameras lock accounts: {:?}",
                device.asked.lock()
            );
        }
    }
}

#[test]
fn a_recorder_gives_a_camera_for_each_of_its_pictures() {
    let mut streams: Vec<String> =
        (0..70).map(|n| format!("rtsp://127.0.0.1:1/Streaming/{n}?a=1&b={n}")).collect();
    // A channel without a camera.
    streams[1].clear();
    let device = device(Manner::Usual, streams);
    let dir = TempDir::new().expect("a folder");
    let (place, login) = (device.place(), ["--username", "admin", "--password-env", "CAM_PASSWORD"]);
    init(dir.path(), &[&["--onvif", place.as_str()][..], &login].concat()).exits(1);
    let config = load(dir.path());
    assert_eq!(config.cameras.len(), 63);
    assert_eq!(urls(&config)[62], "rtsp://127.0.0.1:1/Streaming/63?a=1&b=63");
    let text = text(dir.path());
    let note =
        format!("the device has 70 pictures; 63 are taken; {} names no rtsp:// address", device.place());
    assert!(text.contains(&note), "{text}");
}

#[test]
fn strangers_are_bounded_and_named() {
    let plain = "Content-Type: text/xml\r\n";
    let laughs = "<?xml version=\"1.0\"?><!DOCTYPE l [<!ENTITY a \"lol\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">\
                  <!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;\">]><Envelope><Body>&c;</Body></Envelope>";
    let wide = format!("<Envelope><Body>{}</Body></Envelope>", "<a/>".repeat(60_000));
    let always = |head, body: &str, endless| Manner::Always { head, body: body.to_owned(), endless };
    let cases = [
        (always(plain, "<Envelope><Body>", true), "more than 1 MiB"),
        (always("X-A: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\nX-B: ", "A", true), "broke off"),
        (always(plain, "nothing of the kind", false), "not XML"),
        (always("Content-Type: text/html\r\n", "<html><body><br>Login</body></html>", false), "not XML"),
        (always(plain, "<Envelope>\u{0}</Envelope>", false), "zero byte"),
        (always(plain, laughs, false), "document type"),
        (always(plain, &"<a>".repeat(100_000), false), "within each other"),
        (always(plain, &wide, false), "elements"),
        (always(plain, "<Envelope><Body/></Envelope>", false), "no media service"),
        (Manner::Silent, "did not answer within"),
    ];
    let devices: Vec<(Device, &str)> =
        cases.into_iter().map(|(manner, said)| (device(manner, Vec::new()), said)).collect();
    let dir = TempDir::new().expect("a folder");
    let places: Vec<String> = devices.iter().map(|(device, _)| device.place()).collect();
    let args: Vec<&str> = places.iter().flat_map(|place| ["--onvif", place.as_str()]).collect();
    let ran = init(dir.path(), &args).exits(1);
    for (device, said) in &devices {
        let line = ran.stdout.lines().find(|line| line.contains(&device.place())).unwrap_or(&ran.stdout);
        assert!(line.contains("NOT ASKED") && line.contains(said), "{said}: {line}");
    }
    let text = text(dir.path());
    assert_eq!(text.matches("# [[camera]]").count(), devices.len(), "{text}");
    assert!(text.lines().all(|line| line.len() < 1000));
}
