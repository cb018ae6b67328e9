//! `lintel-rtsp-server`: loops recorded footage over RTSP, as a camera would send it.
//!
//! Nothing is transcoded. Each clip is read into memory once, and one thread sends its access units in real
//! time to all paths with a client. For tests the server also misbehaves on command, see [`control`].

mod auth;
mod clip;
mod control;
mod pacer;
mod packed;
mod paths;

use std::io::Write;
use std::sync::Arc;

use anyhow::{Context, ensure};
use clap::Parser;
use gstreamer as gst;
use gstreamer_rtsp_server::glib;
use gstreamer_rtsp_server::prelude::*;
use gstreamer_rtsp_server::{RTSPServer, RTSPSessionPool};

/// Loop recorded footage over RTSP without transcoding: a camera for tests, the demo and benches.
///
/// Prints one `rtsp://` address per line, then `ready PORT`.
#[derive(Parser, Debug)]
#[command(name = "lintel-rtsp-server", version, max_term_width = 110)]
struct Args {
    /// Address to listen on; port 0 takes a free port.
    #[arg(long, default_value = "127.0.0.1:8554", value_name = "ADDRESS:PORT")]
    listen: std::net::SocketAddr,
    /// Path and H.264 or H.265 mp4 to serve there; repeatable.
    #[arg(long = "stream", value_name = "NAME=FILE", value_parser = pair)]
    streams: Vec<(String, String)>,
    /// Path and GStreamer launch line to serve there; the line ends in a payloader named pay0; repeatable.
    #[arg(long = "launch", value_name = "NAME=LINE", value_parser = pair)]
    launches: Vec<(String, String)>,
    /// Serve each stream on this many paths, NAME-1 to NAME-N, each from another point of the clip.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    copies: u32,
    /// Require this user name.
    #[arg(long, requires = "password")]
    user: Option<String>,
    /// Require this password.
    #[arg(long, requires = "user")]
    password: Option<String>,
    /// Authentication method.
    #[arg(long, value_enum, default_value = "digest")]
    auth: auth::Method,
    /// Packetise each stream once and send the same packets to all clients, over TCP only and without a
    /// password. Takes a tenth of the processor time, for many cameras on one machine.
    #[arg(long, conflicts_with_all = ["launches", "user"])]
    packed: bool,
    /// Read commands from standard input and exit at its end. stall to resume may name one PATH at the end:
    /// drop | stall | nokey | corrupt RATE | lose RATE | resume | switch PATH STREAM. With --packed:
    /// drop | stall | resume, and down PATH SECONDS (a camera that starts anew) | stats.
    #[arg(long, verbatim_doc_comment)]
    control: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => Ok((name.into(), value.into())),
        _ => Err("expected NAME=VALUE".into()),
    }
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    ensure!(!args.streams.is_empty() || !args.launches.is_empty(), "give at least one --stream or --launch");
    gst::init().context("GStreamer does not start")?;
    if args.packed {
        return packed::serve(args.listen, &args.streams, args.copies, args.control);
    }

    let server = RTSPServer::new();
    server.set_address(&args.listen.ip().to_string());
    server.set_service(&args.listen.port().to_string());
    server.set_backlog(256);
    let sessions = RTSPSessionPool::new();
    server.set_session_pool(Some(&sessions));
    if let Some(threads) = server.thread_pool() {
        // DESCRIBE of a stalled path blocks its thread, so other paths need more threads.
        threads.set_max_threads(8);
    }
    if let (Some(user), Some(password)) = (&args.user, &args.password) {
        server.set_auth(Some(&auth::required(args.auth, user, password)));
    }
    let pacer = Arc::new(pacer::Pacer::start()?);
    let mounts = server.mount_points().context("the server has no mount points")?;
    let names = paths::mount(&mounts, &pacer, &args.streams, &args.launches, args.copies)?;
    server.attach(None).with_context(|| format!("cannot listen on {}", args.listen))?;

    let port = server.bound_port();
    let mut out = std::io::stdout().lock();
    for name in names {
        writeln!(out, "rtsp://{}:{port}/{name}", args.listen.ip())?;
    }
    writeln!(out, "ready {port}")?;
    out.flush()?;
    drop(out);

    // Sessions of UDP clients that vanished end at their time-out only if the pool is cleaned up.
    let pool = sessions.clone();
    glib::timeout_add_seconds(2, move || {
        pool.cleanup();
        glib::ControlFlow::Continue
    });
    let main_loop = glib::MainLoop::new(None, false);
    if args.control {
        control::listen(main_loop.clone(), server, sessions, pacer);
    }
    main_loop.run();
    Ok(())
}
