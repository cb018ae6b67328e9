//! SIGTERM and SIGINT: the first requests an orderly stop, the second ends the process at once. SIGHUP
//! requests a reload.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::ReloadRequest;
use crate::base::Shutdown;

/// Watches for signals on a thread of its own. The returned [`Shutdown`] stops at the first SIGTERM or
/// SIGINT. With `reload`, SIGHUP requests a reload. Without it, SIGHUP ends the process, as is its default.
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
    let requested = stop.clone();
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                () = next(&mut term, &mut int) => {}
                () = reloads(hangup) => {}
            }
            requested.stop();
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
        reload.request();
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
    eprintln!("second signal: stopping at once; the outbox keeps unsent messages");
    std::process::exit(130)
}
