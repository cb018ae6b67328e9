//! Faults on command, one line each, from standard input. Every command answers `ok` or `error: ...`.

use std::io::{BufRead, Write};
use std::sync::Arc;

use gstreamer_rtsp_server::glib;
use gstreamer_rtsp_server::prelude::*;
use gstreamer_rtsp_server::{RTSPFilterResult, RTSPServer, RTSPSessionPool};

use crate::pacer::{Faults, Pacer};

/// Reads standard input until its end, then ends the program.
pub fn listen(main_loop: glib::MainLoop, server: RTSPServer, sessions: RTSPSessionPool, pacer: Arc<Pacer>) {
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let answer = match obey(&words, &server, &sessions, &pacer) {
                Ok(()) => "ok".to_owned(),
                Err(what) => format!("error: {what}"),
            };
            let mut out = std::io::stdout().lock();
            if writeln!(out, "{answer}").and_then(|()| out.flush()).is_err() {
                break;
            }
        }
        main_loop.quit();
    });
}

fn obey(
    words: &[&str],
    server: &RTSPServer,
    sessions: &RTSPSessionPool,
    pacer: &Pacer,
) -> Result<(), String> {
    let share = |text: &str| text.parse::<f64>().map_err(|e| format!("{text}: {e}"));
    match *words {
        ["drop"] => {
            server.client_filter(Some(&mut |_, _| RTSPFilterResult::Remove));
            sessions.filter(Some(&mut |_, _| RTSPFilterResult::Remove));
        }
        ["stall", ref path @ ..] => pacer.fault(path.first().copied(), |f| f.stall = true),
        ["nokey", ref path @ ..] => pacer.fault(path.first().copied(), |f| f.drop_keys = true),
        ["corrupt", rate, ref path @ ..] => {
            let rate = share(rate)?;
            pacer.fault(path.first().copied(), |f| f.corrupt = rate);
        }
        ["lose", rate, ref path @ ..] => {
            let rate = share(rate)?;
            pacer.fault(path.first().copied(), |f| f.lose = rate);
        }
        ["resume", ref path @ ..] => pacer.fault(path.first().copied(), |f| *f = Faults::default()),
        ["switch", path, clip] => {
            if !pacer.switch(path, clip) {
                return Err(format!("no stream {clip}"));
            }
        }
        _ => return Err(format!("unknown command: {}", words.join(" "))),
    }
    Ok(())
}
