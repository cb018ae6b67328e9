//! A server for many cameras on one machine. It cuts each clip into RTP packets once. One thread sends every
//! client the same packets, with numbers of its own, over its RTSP connection (RFC 2326, 10.12).
//!
//! The clock of a path runs from the start of the server, with or without a client. A client begins at the
//! next key frame. The paths are apart by an irrational share of a GOP, so that their key frames do not
//! coincide. Sender reports (RFC 3550, 6.4.1) carry the time at which a unit was sent.
//!
//! When full: units for a client that does not read are dropped up to the next key frame, and counted.
//! Not here: UDP, passwords, damaged data; the server without `--packed` has them.

mod connection;
mod control;
mod packets;
mod path;
mod request;

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;

use crate::clip::Clip;
use packets::Packets;
use path::Path;

/// By name without the slash.
type Paths = BTreeMap<String, Arc<Path>>;

/// Serves until standard input ends (`control`), or for ever.
///
/// # Errors
/// A clip cannot be read, or the address is in use.
pub fn serve(
    listen: SocketAddr,
    streams: &[(String, String)],
    copies: u32,
    control: bool,
) -> anyhow::Result<()> {
    let (names, paths) = paths(streams, copies)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener =
            TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
        let address = listener.local_addr()?;
        let mut out = std::io::stdout().lock();
        for name in names {
            writeln!(out, "rtsp://{address}/{name}")?;
        }
        writeln!(out, "ready {}", address.port())?;
        out.flush()?;
        drop(out);
        let paths = Arc::new(paths);
        let (ended, end) = tokio::sync::oneshot::channel();
        let end = async move {
            if control {
                drop(end.await);
            } else {
                std::future::pending::<()>().await;
            }
        };
        if control {
            control::listen(Arc::clone(&paths), ended)?;
        }
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => return Ok(()),
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        tokio::spawn(connection::Connection::new(stream, Arc::clone(&paths)).run());
                    }
                    // Out of file descriptors: waiting clients are accepted once some are free.
                    Err(error) => {
                        eprintln!("cannot accept: {error}");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
            }
        }
    })
}

fn paths(streams: &[(String, String)], copies: u32) -> anyhow::Result<(Vec<String>, Paths)> {
    let mut loaded: HashMap<&str, Arc<Packets>> = HashMap::new();
    let mut names = Vec::new();
    let mut paths = Paths::new();
    let all = streams.len() * copies as usize;
    for (name, file) in streams {
        let packets = match loaded.get(file.as_str()) {
            Some(packets) => Arc::clone(packets),
            None => Arc::new(Packets::of(&Clip::load(FilePath::new(file))?).with_context(|| file.clone())?),
        };
        loaded.insert(file, Arc::clone(&packets));
        for copy in 0..copies {
            let path = if copies == 1 { name.clone() } else { format!("{name}-{}", copy + 1) };
            let phase = packets.phase(paths.len(), all);
            paths.insert(path.clone(), Arc::new(Path::new(Arc::clone(&packets), phase)));
            names.push(path);
        }
    }
    Ok((names, paths))
}
