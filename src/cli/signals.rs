//! SIGTERM and SIGINT: the first asks for an orderly stop, the second ends the process at once.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::base::Shutdown;

/// Starts to watch for signals on a thread of its own; the result stops at the first one.
///
/// # Errors
/// The system gives no signal handler or thread.
pub(super) fn watch() -> io::Result<Shutdown> {
    let stop = Shutdown::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut term, mut int) = {
        let _inside = runtime.enter();
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
    };
    let asked = stop.clone();
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        runtime.block_on(async {
            next(&mut term, &mut int).await;
            asked.stop();
            next(&mut term, &mut int).await;
            end_at_once();
        });
    })?;
    Ok(stop)
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
