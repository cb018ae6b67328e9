//! SIGTERM and SIGINT stop the run; the started programs then end with it.

use std::io;

use lintel::base::Shutdown;
use tokio::signal::unix::{SignalKind, signal};

/// Watches for signals on a thread of its own.
///
/// # Errors
/// The system gives no signal handler or thread.
pub(crate) fn watch() -> io::Result<Shutdown> {
    let stop = Shutdown::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let inside = runtime.enter();
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    drop(inside);
    let requested = stop.clone();
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
        });
        requested.stop();
    })?;
    Ok(stop)
}
