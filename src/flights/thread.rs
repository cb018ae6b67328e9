//! The thread that processes flights from their folders, one at a time.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;

use super::flight::FlightError;
use super::inbox;
use super::inbox::{Dropped, Inbox};
use super::service::FlightService;
use crate::base::error_chain;
use crate::base::{AreaId, Shutdown, wall_now};
use crate::config::FlightArea;
use crate::detect::ModelManifest;
use crate::events::Recorder;
use crate::monitor::FlightFailure;
use crate::outbox::Outbox;
use crate::scene::Sites;

/// How often the folders are polled.
const POLL: Duration = Duration::from_secs(2);
/// A tenth of the weight of the other threads under full load (sched(7)): cameras do not notice it, and a
/// busy machine still finishes its flights.
const NICE: i32 = 10;

/// The thread `flights`.
pub(crate) struct FlightThread {
    thread: JoinHandle<()>,
    stop: Shutdown,
}

impl FlightThread {
    pub fn stop(&self) {
        self.stop.stop();
    }

    /// Finishes the current pair of pictures and ends. Its flight is compared again at the next start.
    pub fn join(self) {
        self.stop.stop();
        if self.thread.join().is_err() {
            tracing::error!("the flights thread panicked; the flight is compared again at the next start");
        }
    }
}

impl FlightService {
    /// # Errors
    /// The thread cannot be started.
    pub fn start(
        recorder: Arc<Recorder>,
        outbox: Arc<Outbox>,
        sites: Arc<Sites>,
        model: ModelManifest,
        data_dir: PathBuf,
    ) -> std::io::Result<(Arc<Self>, FlightThread)> {
        let stop = Shutdown::new();
        let (states, counts) = (Mutex::default(), Mutex::default());
        let service =
            Arc::new(Self { recorder, outbox, sites, model, data_dir, states, counts, stop: stop.clone() });
        let run = Arc::clone(&service);
        let thread = std::thread::Builder::new().name("flights".into()).spawn(move || run.run())?;
        Ok((service, FlightThread { thread, stop }))
    }

    fn run(&self) {
        if let Err(error) = rustix::process::nice(NICE) {
            tracing::warn!("flights are compared at normal priority: {error}");
        }
        let mut inbox = Inbox::default();
        let mut reported: BTreeMap<PathBuf, String> = BTreeMap::new();
        let mut areas = None;
        while !self.stop.is_stopped() {
            let config = Arc::clone(&self.recorder.settings().config);
            let ids: Vec<AreaId> = config.flight_areas.iter().map(|area| area.id.clone()).collect();
            if areas.as_ref() != Some(&ids) {
                self.retire(&ids);
                areas = Some(ids);
            }
            self.counts().retain(|id, _| config.flight_areas.iter().any(|area| area.id == *id));
            let mut worked = false;
            for area in &config.flight_areas {
                let polled = std::fs::create_dir_all(&area.folder)
                    .and_then(|()| inbox.poll(&area.folder, area.settle));
                match polled {
                    Ok((ready, all)) => {
                        reported.remove(&area.folder);
                        self.count(area, |count| count.waiting = all as u64);
                        if let Some(flight) = ready.first() {
                            self.process(area, flight, &mut inbox);
                            worked = true;
                        }
                    }
                    Err(error) => {
                        let words = error.to_string();
                        if reported.insert(area.folder.clone(), words.clone()).as_ref() != Some(&words) {
                            tracing::error!(area = %area.id, folder = %area.folder.display(), "cannot read the folder of flights: {words}");
                        }
                    }
                }
            }
            if !worked {
                self.stop.wait(POLL);
            }
        }
    }

    fn process(&self, area: &FlightArea, flight: &Dropped, inbox: &mut Inbox) {
        tracing::info!(area = %area.id, flight = flight.name, "comparing a flight");
        self.count(area, |count| count.comparing = Some(flight.name.clone()));
        let result = self.compare(area, flight);
        self.count(area, |count| count.comparing = None);
        match result {
            Ok(words) => {
                tracing::info!(area = %area.id, flight = flight.name, "{}", words.replace('\n', "; "));
                inbox::finish(flight, &words);
                self.count(area, |count| count.done += 1);
            }
            Err(FlightError::Stopped) => {}
            Err(error) => {
                let reason = error_chain(&error);
                tracing::error!(area = %area.id, flight = flight.name, "the flight is rejected: {reason}");
                if let Err(error) = inbox::put_aside(flight, &reason) {
                    tracing::warn!(flight = %flight.path.display(), "the flight cannot be moved and stays where it is: {error}");
                    inbox.leave(flight);
                }
                let failure = FlightFailure { flight: flight.name.clone(), reason, at: wall_now() };
                self.count(area, |count| {
                    count.failed += 1;
                    count.last_failure = Some(failure);
                });
            }
        }
    }
}
