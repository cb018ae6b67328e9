//! The text of the config.

use std::path::Path;

use super::camera::{Camera, Login, Place, Unasked};
use super::given::Broker;
use super::ids::fitting;
use super::words::{clean, quoted};
use crate::ingest::{IngestError, ProbeReport};

/// Where the broker's password is kept if it stood in its address, relative to the config.
pub(super) const BROKER_PASSWORD: &str = "secrets/mqtt.password";

/// A zone and a rule to begin with.
const EXAMPLE: &str = "# zone = [{ id = \"road\", polygon = [[0.1, 0.5], [0.9, 0.5], [0.9, 1.0], [0.1, 1.0]] }]\n\
                       # rule = [{ class = \"motor_vehicle_parking\", zones = [\"road\"] }]\n";

/// What stands in the file.
pub(super) struct Contents<'a> {
    pub node: &'a str,
    pub model: &'a Path,
    pub broker: Option<&'a Broker>,
    pub cameras: Vec<Seen<'a>>,
    pub unasked: &'a [Unasked],
}

/// A camera and what its probe gave.
pub(super) struct Seen<'a> {
    pub camera: &'a Camera,
    pub report: &'a Result<ProbeReport, IngestError>,
    /// Whether stills of it were kept, or why not.
    pub still: &'a Result<(), String>,
}

impl Contents<'_> {
    pub fn text(&self) -> String {
        let mut text = String::from(
            "# lintel init 所写；检查 / written by lintel init; check it: lintel check --config lintel.toml --probe\n",
        );
        let model = quoted(&self.model.to_string_lossy());
        text += &format!("[node]\nid = {}", quoted(self.node));
        text +=
            "  # 节点编号，出现在每条消息中，以后不要改 / in every message; keep it for the node's life\n";
        text += "data_dir = \"data\"  # 证据和待发消息；系统服务用 /var/lib/lintel / the service's is /var/lib/lintel\n";
        text += &format!("\n[detect]\nmodel = {model}  # 模型目录 / folder of the model\n\n[mqtt]\n");
        text += &self.broker();
        for seen in &self.cameras {
            text.push('\n');
            text += &seen.text();
        }
        for unasked in self.unasked {
            text.push('\n');
            text += &commented(unasked);
        }
        text
    }

    fn broker(&self) -> String {
        let Some(broker) = self.broker else {
            return "url = \"mqtt://127.0.0.1:1883\"  # 改为平台的消息服务器 / change it to the platform's broker\n"
                .to_owned();
        };
        let mut text = format!("url = {}  # 平台的消息服务器 / the platform's broker\n", quoted(&broker.url));
        if let Some(login) = &broker.login {
            for line in keys(login, BROKER_PASSWORD) {
                text += &format!("{line}\n");
            }
        }
        text
    }
}

impl Seen<'_> {
    fn text(&self) -> String {
        let Camera { id, name, url, login, notes } = self.camera;
        let mut text = String::from("[[camera]]\n");
        let mut comment = |line: &str| text += &format!("# {}\n", clean(line));
        match self.report {
            Ok(report) => {
                comment(&format!("{}; 截图 / still: stills/{id}.jpg", summary(report)));
                for advice in &report.advice {
                    comment(&format!("建议 / advice: {advice}"));
                }
            }
            Err(error) => comment(&format!("未连通 / it did not answer: {error}")),
        }
        if let Err(why) = self.still {
            comment(&format!("没有截图 / no still: {why}"));
        }
        for note in notes {
            comment(&format!("注意 / note: {note}"));
        }
        text += &format!("id = {}\n", quoted(id));
        if let Some(name) = name {
            text += &format!("name = {}\n", quoted(name));
        }
        text += &format!("url = {}\n", quoted(url.as_str()));
        if let Some(login) = login {
            let file = self.camera.password_file().map(|(file, _)| file).unwrap_or_default();
            text += &format!("rtsp = {{ {} }}\n", keys(login, &file).join(", "));
        }
        text += &format!(
            "# 按 stills/{id}-grid.jpg 的网格填写区域，再去掉下面两行的 # / read the corners off its grid, then take both # away\n"
        );
        text += EXAMPLE;
        text
    }
}

/// `H264 1920x1080, 25.0 fps, key frames every 2.0 s`.
fn summary(report: &ProbeReport) -> String {
    let codec = report.codec.map_or_else(|| "unknown".to_owned(), |codec| format!("{codec:?}"));
    let mut text = format!("{codec} {}x{}, {:.1} fps", report.width, report.height, report.fps);
    if let Some(ms) = report.key_interval_ms {
        text += &format!(", key frames every {:.1} s", ms as f64 / 1000.0);
    }
    text
}

/// The keys of a user. `beside`: the file of a password that stood in an address.
fn keys(login: &Login, beside: &str) -> Vec<String> {
    let mut keys = vec![format!("username = {}", quoted(&login.user))];
    keys.extend(login.password.as_ref().map(|(_, place)| match place {
        Place::Env(name) => format!("password_env = {}", quoted(name)),
        Place::File(path) => format!("password_file = {}", quoted(&path.to_string_lossy())),
        Place::Beside => format!("password_file = {}", quoted(beside)),
    }));
    keys
}

fn commented(unasked: &Unasked) -> String {
    let Unasked { host, why } = unasked;
    let (host, id) = (clean(host), fitting(host));
    format!(
        "# 未能获取地址 / its stream is not known: {}\n# [[camera]]\n# id = {}\n# url = {}\n",
        clean(why),
        quoted(if id.is_empty() { "camera" } else { &id }),
        quoted(&format!("rtsp://{host}/"))
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;
    use crate::ingest::Codec;

    fn report() -> ProbeReport {
        ProbeReport {
            codec: Some(Codec::H264),
            width: 1920,
            height: 1080,
            fps: 25.0,
            gop_frames: Some(50),
            key_interval_ms: Some(2000),
            time_source: None,
            offset_ms: None,
            advice: Vec::new(),
        }
    }

    fn camera(url: &str) -> Camera {
        Camera {
            id: "gate".into(),
            name: None,
            url: url.parse().expect("url"),
            login: None,
            notes: Vec::new(),
        }
    }

    #[test]
    fn the_pages_begin_with_what_is_written() {
        let camera = camera("rtsp://192.0.2.20:554/stream1");
        let broker = Broker { url: "mqtt://192.0.2.10:1883".into(), login: None };
        let report = Ok(report());
        let contents = Contents {
            node: "box-1",
            model: Path::new("models/lintel-nano"),
            broker: Some(&broker),
            cameras: vec![Seen { camera: &camera, report: &report, still: &Ok(()) }],
            unasked: &[],
        };
        let text = contents.text();
        for page in [include_str!("../../../README.md"), include_str!("../../../README.zh-CN.md")] {
            assert!(
                page.contains(&format!("```toml\n{text}```\n")),
                "the pages show another config than\n{text}"
            );
        }
        assert!(text.lines().count() <= 20, "{text}");
    }

    #[test]
    fn what_others_say_stays_in_its_place() {
        let evil = "x\"\n[node]\nid = \"other\"\n\u{1b}[2J";
        let mut camera = camera("rtsp://10.0.0.11/a?b=\"c\"");
        (camera.name, camera.notes) = (Some(evil.into()), vec![evil.into()]);
        let place = Place::Env(evil.into());
        camera.login =
            Some(Login { user: evil.into(), password: Some((Secret::new("hunter2".into()), place)) });
        let mut report = report();
        report.advice.push(evil.into());
        let (report, still) = (Ok(report), Err(evil.into()));
        let unasked = [Unasked { host: evil.into(), why: evil.into() }];
        let contents = Contents {
            node: "box-1",
            model: Path::new(evil),
            broker: None,
            cameras: vec![Seen { camera: &camera, report: &report, still: &still }],
            unasked: &unasked,
        };
        let text = contents.text();
        let table: toml::Table = text.parse().expect("TOML");
        assert_eq!(table["node"]["id"].as_str(), Some("box-1"));
        assert_eq!(table["camera"].as_array().map(Vec::len), Some(1));
        assert_eq!(table["camera"][0]["name"].as_str(), Some(evil));
        assert_eq!(table["camera"][0]["rtsp"]["username"].as_str(), Some(evil));
        assert!(!text.contains('\u{1b}') && !text.contains("hunter2"), "{text}");
    }
}
