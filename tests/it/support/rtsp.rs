//! A real RTSP server in a process of its own.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// What the server asks of its clients, and how many of each stream it offers.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `("basic" | "digest", user, password)`.
    pub auth: Option<(&'static str, &'static str, &'static str)>,
    /// Above 1 the paths are `name-1` to `name-N`.
    pub copies: u32,
    /// More paths, each a GStreamer launch line that ends in a payloader named pay0.
    pub launches: Vec<(String, String)>,
}

/// `lintel-rtsp-server` with control over its faults. Killed when dropped.
pub struct RtspServer {
    streams: Vec<(String, PathBuf)>,
    options: Options,
    port: u16,
    running: Option<Running>,
}

struct Running {
    child: Child,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl RtspServer {
    /// Serves each file under its name on a free port of the loopback interface; waits until it listens.
    pub fn start(streams: &[(&str, &Path)], options: Options) -> Self {
        let streams = streams.iter().map(|(name, file)| ((*name).to_owned(), file.to_path_buf())).collect();
        let mut server = Self { streams, options, port: 0, running: None };
        server.run();
        server
    }

    /// The address without user and password.
    pub fn url(&self, name: &str) -> String {
        format!("rtsp://127.0.0.1:{}/{name}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn pid(&self) -> u32 {
        self.running.as_ref().expect("server is running").child.id()
    }

    /// Closes every connection and session now; clients may come back at once.
    pub fn drop_clients(&mut self) {
        self.command("drop");
    }

    /// Stops sending on all paths, connections stay open.
    pub fn stall(&mut self) {
        self.command("stall");
    }

    /// Leaves out every key frame from now on.
    pub fn stop_key_frames(&mut self) {
        self.command("nokey");
    }

    /// Flips bytes in this share (0..1) of the access units.
    pub fn corrupt(&mut self, share: f64) {
        self.command(&format!("corrupt {share}"));
    }

    /// Loses this share (0..1) of the RTP bursts.
    pub fn lose(&mut self, share: f64) {
        self.command(&format!("lose {share}"));
    }

    /// Ends all faults.
    pub fn resume(&mut self) {
        self.command("resume");
    }

    /// Plays the clip of another stream under `path`, in mid-stream.
    pub fn switch(&mut self, path: &str, stream: &str) {
        self.command(&format!("switch {path} {stream}"));
    }

    /// Kills the process: the camera lost its power. Does nothing if it is not running.
    pub fn stop(&mut self) {
        if let Some(mut running) = self.running.take() {
            let _ = running.child.kill();
            running.child.wait().expect("wait for lintel-rtsp-server");
        }
    }

    /// Starts again on the same port after [`RtspServer::stop`].
    pub fn start_again(&mut self) {
        assert!(self.running.is_none(), "stop it first");
        self.run();
    }

    fn run(&mut self) {
        let mut command = Command::new(super::program("lintel-rtsp-server"));
        command.arg("--control").args(["--listen", &format!("127.0.0.1:{}", self.port)]);
        command.args(["--copies", &self.options.copies.max(1).to_string()]);
        for (name, file) in &self.streams {
            command.arg("--stream").arg(format!("{name}={}", file.display()));
        }
        for (name, line) in &self.options.launches {
            command.arg("--launch").arg(format!("{name}={line}"));
        }
        if let Some((method, user, password)) = self.options.auth {
            command.args(["--auth", method, "--user", user, "--password", password]);
        }
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("start lintel-rtsp-server");
        let commands = child.stdin.take().expect("piped");
        let mut answers = BufReader::new(child.stdout.take().expect("piped")).lines();
        let ready = answers
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("ready ").and_then(|port| port.parse().ok()));
        self.port = ready.expect("lintel-rtsp-server ended before it was ready, see its message above");
        self.running = Some(Running { child, commands, answers });
    }

    fn command(&mut self, line: &str) {
        let running = self.running.as_mut().expect("server is running");
        writeln!(running.commands, "{line}").and_then(|()| running.commands.flush()).expect("send a command");
        let answer = running.answers.next().expect("an answer").expect("readable answer");
        assert_eq!(answer, "ok", "{line}");
    }
}

impl Drop for RtspServer {
    fn drop(&mut self) {
        self.stop();
    }
}
