//! A real mosquitto in a process of its own, a certificate authority made with openssl, and a line that can
//! be slowed down and cut.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use lintel::config::{Confirm, MediaSending, MqttConfig, Secret, TlsConfig};
use tempfile::TempDir;

pub const DEADLINE: Duration = Duration::from_secs(60);

/// Waits until `done`, or fails saying what it waited for.
#[track_caller]
pub fn wait_for(what: &str, done: impl FnMut() -> bool) {
    wait_within(DEADLINE, what, done);
}

/// As `wait_for`, for what takes longer.
#[track_caller]
pub fn wait_within(deadline: Duration, what: &str, mut done: impl FnMut() -> bool) {
    let start = now();
    while !done() {
        assert!(start.elapsed() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn now() -> Instant {
    lintel::base::monotonic()
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("bind").local_addr().expect("address").port()
}

/// What the program printed.
#[track_caller]
pub fn command(program: &str, args: &[&str]) -> String {
    let out = Command::new(program).args(args).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    assert!(out.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

pub fn terminate(child: &Child) {
    command("kill", &["-TERM", &child.id().to_string()]);
}

/// Keeps sessions and messages over a restart, as a broker in the field does.
pub struct Mosquitto {
    dir: TempDir,
    pub port: u16,
    child: Option<Child>,
    tls: Option<TlsConfig>,
    login: Option<(String, String)>,
}

impl Mosquitto {
    /// Without users and TLS.
    pub fn plain() -> Self {
        Self::with("allow_anonymous true\n", None, None)
    }

    /// As `plain`, with more lines of mosquitto.conf.
    pub fn limited(settings: &str) -> Self {
        Self::with(&format!("allow_anonymous true\n{settings}\n"), None, None)
    }

    /// Asks for a client certificate of the same authority.
    pub fn tls(pki: &Pki) -> Self {
        let settings = format!(
            "allow_anonymous true\ncafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true\n",
            pki.path("ca.pem").display(),
            pki.path("server.pem").display(),
            pki.path("server.key").display()
        );
        Self::with(&settings, Some(pki.client()), None)
    }

    pub fn password(user: &str, password: &str) -> Self {
        let dir = TempDir::new().expect("temp dir");
        let file = dir.path().join("passwords");
        command("mosquitto_passwd", &["-b", "-c", file.to_str().expect("UTF-8"), user, password]);
        let settings = format!("allow_anonymous false\npassword_file {}\n", file.display());
        Self::build(dir, &settings, None, Some((user.to_owned(), password.to_owned())))
    }

    /// Nobody may write under `lintel/v1/<node>/camera`.
    pub fn without_rights() -> Self {
        Self::with_acl("topic read #\ntopic write lintel/v1/+/state\n", "")
    }

    /// With these access rules (mosquitto's acl_file), and more lines of mosquitto.conf.
    pub fn with_acl(rules: &str, settings: &str) -> Self {
        let dir = TempDir::new().expect("temp dir");
        let file = dir.path().join("acl");
        std::fs::write(&file, rules).expect("acl");
        let settings = format!("allow_anonymous true\nacl_file {}\n{settings}\n", file.display());
        Self::build(dir, &settings, None, None)
    }

    fn with(settings: &str, tls: Option<TlsConfig>, login: Option<(String, String)>) -> Self {
        Self::build(TempDir::new().expect("temp dir"), settings, tls, login)
    }

    fn build(dir: TempDir, settings: &str, tls: Option<TlsConfig>, login: Option<(String, String)>) -> Self {
        let port = free_port();
        let listener = format!("listener {port} 127.0.0.1\n");
        // `user root`: as another user it could not read the test's files.
        let common = format!(
            "user root\nper_listener_settings false\npersistence true\npersistence_location {}/\n\
             max_queued_messages 0\nlog_dest stderr\nlog_type all\n",
            dir.path().display()
        );
        std::fs::write(dir.path().join("mosquitto.conf"), format!("{common}{listener}{settings}"))
            .expect("config");
        let mut broker = Self { dir, port, child: None, tls, login };
        broker.start();
        broker
    }

    pub fn start(&mut self) {
        let log = std::fs::File::create(self.dir.path().join("log")).expect("log");
        let program =
            if Path::new("/usr/sbin/mosquitto").exists() { "/usr/sbin/mosquitto" } else { "mosquitto" };
        let child = Command::new(program)
            .arg("-c")
            .arg(self.dir.path().join("mosquitto.conf"))
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .expect("mosquitto: apt-get install mosquitto");
        self.child = Some(child);
        let start = now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let log = || std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            assert!(start.elapsed() < DEADLINE, "mosquitto does not listen: {}", log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Lets it write its sessions down.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            terminate(&child);
            child.wait().expect("mosquitto ends");
        }
    }

    /// It forgets what it has not written down, which is everything of this run.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("kill");
            child.wait().expect("mosquitto ends");
        }
    }

    /// Settings that this broker accepts.
    pub fn config(&self, client_id: &str) -> MqttConfig {
        MqttConfig {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            tls: self.tls.clone(),
            client_id: client_id.to_owned(),
            username: self.login.as_ref().map(|(user, _)| user.clone()),
            password: self.login.as_ref().map(|(_, password)| Secret::new(password.clone())),
            topic_prefix: "lintel".to_owned(),
            chunk_bytes: 64 << 10,
            in_flight: 8,
            keep_alive: Duration::from_secs(10),
            confirm: Confirm::Broker,
            media: MediaSending::All,
            limits: Vec::new(),
        }
    }

    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", if self.tls.is_some() { "mqtts" } else { "mqtt" }, self.port)
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            let newest: Vec<&str> = log.lines().rev().take(60).collect();
            eprintln!("log of the broker, newest first:\n{}", newest.join("\n"));
        }
    }
}

/// An authority with a server's and a client's certificate, for 127.0.0.1.
pub struct Pki {
    dir: TempDir,
}

impl Pki {
    pub fn new() -> Self {
        Self::named("Test CA")
    }

    pub fn named(authority: &str) -> Self {
        let pki = Self { dir: TempDir::new().expect("temp dir") };
        let subject = format!("/CN={authority}");
        let at = |name: &str| pki.path(name).to_str().expect("UTF-8").to_owned();
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
        let (ca_key, ca) = (at("ca.key"), at("ca.pem"));
        let mut args =
            vec!["req", "-x509", "-subj", &subject, "-days", "30", "-keyout", &ca_key, "-out", &ca];
        args.extend(key);
        command("openssl", &args);
        std::fs::write(pki.path("ext"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n").expect("extension");
        for name in ["server", "client"] {
            let [private, request, signed] = ["key", "csr", "pem"].map(|end| at(&format!("{name}.{end}")));
            let subject = format!("/CN={name}");
            let mut args = vec!["req", "-subj", &subject, "-keyout", &private, "-out", &request];
            args.extend(key);
            command("openssl", &args);
            let ext = at("ext");
            command(
                "openssl",
                &[
                    "x509",
                    "-req",
                    "-in",
                    &request,
                    "-CA",
                    &ca,
                    "-CAkey",
                    &ca_key,
                    "-CAcreateserial",
                    "-days",
                    "30",
                    "-extfile",
                    &ext,
                    "-out",
                    &signed,
                ],
            );
        }
        pki
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn client(&self) -> TlsConfig {
        TlsConfig {
            ca_file: Some(self.path("ca.pem")),
            client_cert_file: Some(self.path("client.pem")),
            client_key_file: Some(self.path("client.key")),
        }
    }
}

/// A TCP line to a port that passes so many bytes a second towards it, and can be cut.
pub struct Line {
    pub port: u16,
    shared: Arc<LineState>,
}

struct LineState {
    bytes_per_second: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
    ended: AtomicBool,
}

impl Line {
    pub fn to(target: u16, bytes_per_second: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = listener.local_addr().expect("address").port();
        let shared = Arc::new(LineState {
            bytes_per_second: AtomicU64::new(bytes_per_second),
            open: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let state = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if state.ended.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(("127.0.0.1", target))) else {
                    continue;
                };
                let clone = |s: &TcpStream| s.try_clone().expect("clone");
                state.open.lock().extend([clone(&client), clone(&server)]);
                let (to, from) = ((clone(&client), clone(&server)), (server, client));
                let slow = Arc::clone(&state);
                std::thread::spawn(move || {
                    pass(to.0, to.1, |n| {
                        let rate = slow.bytes_per_second.load(Ordering::Relaxed);
                        std::thread::sleep(Duration::from_secs_f64(n as f64 / rate as f64));
                    })
                });
                std::thread::spawn(move || pass(from.0, from.1, |_| {}));
            }
        });
        Self { port, shared }
    }

    /// Breaks all connections without a word of MQTT; new ones are let through.
    pub fn cut(&self) {
        for stream in self.shared.open.lock().drain(..) {
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    pub fn set_speed(&self, bytes_per_second: u64) {
        self.shared.bytes_per_second.store(bytes_per_second, Ordering::Relaxed);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        self.cut();
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, pause: impl Fn(usize)) {
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        pause(n);
        if to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    drop((from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both)));
}
