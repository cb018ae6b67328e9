//! Reads what a platform has confirmed of records that were carried to it by hand.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::base::{Shutdown, error_chain};
use crate::carry::{take_words, words_dir};
use crate::outbox::Outbox;

/// How often it is looked for.
const EVERY: Duration = Duration::from_secs(5);

pub(super) struct CarriedThread {
    thread: JoinHandle<()>,
    stop: Shutdown,
}

impl CarriedThread {
    /// # Errors
    /// The thread cannot be started.
    pub fn start(data_dir: PathBuf, outbox: Arc<Outbox>) -> std::io::Result<Self> {
        // Ours, so that we may delete what another user puts there.
        if let Err(e) = std::fs::create_dir_all(words_dir(&data_dir)) {
            tracing::warn!("no folder for confirmations that are carried by hand: {e}");
        }
        let stop = Shutdown::new();
        let stopped = stop.clone();
        let thread = std::thread::Builder::new().name("carried".into()).spawn(move || {
            let mut failed = false;
            loop {
                match take_words(&data_dir, |records| outbox.confirm(records)) {
                    Ok(0) => failed = false,
                    Ok(records) => {
                        failed = false;
                        tracing::info!(records, "confirmed by a platform, carried by hand");
                    }
                    Err(e) if !std::mem::replace(&mut failed, true) => {
                        tracing::error!(
                            "cannot take confirmations that were carried by hand: {}",
                            error_chain(&e)
                        );
                    }
                    Err(_) => {}
                }
                if stopped.wait(EVERY) {
                    return;
                }
            }
        })?;
        Ok(Self { thread, stop })
    }

    pub fn join(self) {
        self.stop.stop();
        if self.thread.join().is_err() {
            tracing::error!("the thread for carried confirmations panicked; the next start reads them");
        }
    }
}
