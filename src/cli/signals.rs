//! SIGTERM and SIGINT: the first asks for an orderly stop, the second ends the process at once. SIGHUP asks for a reload.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::ReloadRequest;
use crate::base::Shutdown;

/// Starts to watch for signals on a thread of its own; the result stops at the first one that asks for it. With
/// `reload`, SIGHUP asks for a reload; without, it ends the process as it does any.
///
/// # Errors
/// The system gives no signal handler or thread.
pub(super) fn watch(reload: Option<ReloadRequest>) -> io::Result<Shutdown> {
    let stop = Shutdown::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let inside = runtime.enter();
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let hangup = match reload {
        Some(reload) => Some((signal(SignalKind::hangup())?, reload)),
        None => None,
    };
    drop(inside);
    let asked = stop.clone();
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                () = next(&mut term, &mut int) => {}
                () = reloads(hangup) => {}
            }
            asked.stop();
            next(&mut term, &mut int).await;
            end_at_once();
        });
    })?;
    Ok(stop)
}

/// Never ends.
async fn reloads(hangup: Option<(Signal, ReloadRequest)>) {
    let Some((mut hangup, reload)) = hangup else { return std::future::pending().await };
    while hangup.recv().await.is_some() {
        reload.ask();
    }
    std::future::pending().await
}

async fn next(term: &mut Signal, int: &mut Signal) {
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the operator insists; the outbox survives a kill at any point"
)]
fn end_at_once() -> ! {
    eprintln!("second signal: ended at once, the outbox keeps what was not sent");
    std::process::exit(130)
}
