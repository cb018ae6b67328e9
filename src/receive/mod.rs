//! The platform's side: stores events and reassembles evidence.
//!
//! Takes: messages of a [`Subscriber`], each acknowledged only once its content is on the disk; folders that
//! `lintel export` has written ([`take_in`]).
//! Gives: `DIR/<date>/<event id>/` with event.json (the event's state), events.jsonl (all messages) and the
//! files of the evidence, `DIR/nodes/<node>/` with what the nodes say of themselves, a line per new event and
//! finished file, and to each node a confirmation of what is stored.
//! When full: the sink of messages is bounded; the broker keeps the rest.
//! On failure: on a full disk or an unwritable folder it retries and acknowledges nothing. An invalid message
//! is refused, counted and acknowledged; otherwise it would come back for ever. What contradicts the stored is
//! kept in `DIR/quarantine/<node>/`; nothing is replaced by it.
//! Asks a node for files that have not come, and deletes old events where it is told to.
//! Not here: MQTT itself (`publish`), what an event means.

mod asking;
mod carried;
mod confirmer;
mod error;
mod events;
mod files;
mod folder;
mod nodes;
mod parts;
mod quarantine;
mod report;
mod retention;
mod store;
mod upkeep;
#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::sync::mpsc;
use tracing::{error, warn};

use crate::base::{Shutdown, error_chain, monotonic};
use crate::publish::{Delivery, Subscriber};

pub use carried::{TakenIn, take_in};
use confirmer::Confirmer;
pub use error::{ReceiveError, Refusal, StoreError};
pub use report::Line;
pub use store::{ReceiveStats, Store};

/// The largest packet that the broker may send, in bytes.
pub const MAX_PACKET_BYTES: u32 = 16 << 20;
/// How often it is looked whether a node is to be asked for files, at least.
const UPKEEP: Duration = Duration::from_secs(5);
/// Pause between two attempts while the disk cannot be written.
const DISK_PAUSE: Duration = Duration::from_secs(1);

/// Subscribes and stores until `shutdown`; passes each new line to `print`, which must not block. `prefix` and
/// `by`: the topics of the confirmations, and who confirms.
///
/// # Errors
/// The settings are unusable, the broker refuses the subscription, or the folder cannot be used.
pub async fn run(
    subscriber: Subscriber,
    mut store: Store,
    (prefix, by): (&str, &str),
    shutdown: Shutdown,
    print: impl Fn(Line) + Send + 'static,
) -> Result<(), ReceiveError> {
    let (sink, mut messages) = mpsc::channel::<Delivery>(32);
    let stopped = shutdown.clone();
    let mut confirmer = Confirmer::new(prefix, by);
    let outgoing = subscriber.outgoing();
    let runtime = tokio::runtime::Handle::current();
    let work = move || {
        loop {
            let wait = confirmer.due_in().unwrap_or(UPKEEP).min(UPKEEP);
            let next = runtime.block_on(async { tokio::time::timeout(wait, messages.recv()).await });
            let ended = match next {
                // The rest is not acknowledged after the stop, so it comes again.
                Ok(Some(_)) if stopped.is_stopped() => true,
                Ok(Some(delivery)) => !settle(&mut store, &mut confirmer, &delivery, &stopped, &print),
                Ok(None) => true,
                Err(_) => false,
            };
            let asked = if ended { Vec::new() } else { store.look_after(monotonic()) };
            for (topic, payload) in confirmer.take(ended).into_iter().chain(asked) {
                outgoing.publish(topic, payload);
            }
            if ended {
                return;
            }
        }
    };
    let storing = std::thread::Builder::new()
        .name("receive-store".to_owned())
        .spawn(work)
        .map_err(ReceiveError::Thread)?;
    let result = subscriber.run(sink, shutdown).await;
    // The sink is dropped, so the thread ends after its current message.
    if tokio::task::spawn_blocking(move || storing.join()).await.is_ok_and(|joined| joined.is_err()) {
        error!("the storing thread panicked; what it had not acknowledged comes again");
    }
    Ok(result?)
}

/// Stores a message, with retries while the disk fails. False if the stop came first.
fn settle(
    store: &mut Store,
    confirmer: &mut Confirmer,
    delivery: &Delivery,
    stopped: &Shutdown,
    print: &impl Fn(Line),
) -> bool {
    let topic = delivery.topic();
    let mut logged = false;
    loop {
        match store.push(&topic, delivery.payload()) {
            Ok(pushed) => {
                if let Some(refusal) = pushed.refusal {
                    warn!(topic, %refusal, "message refused");
                }
                pushed.lines.into_iter().filter(|line| !matches!(line, Line::Repeat)).for_each(print);
                if let Some((node, confirmed)) = pushed.confirmed {
                    confirmer.add(node, confirmed);
                }
                delivery.done();
                return true;
            }
            Err(e) => {
                if !std::mem::replace(&mut logged, true) {
                    error!(error = %error_chain(&e), "cannot store; trying again, the broker keeps what comes");
                }
                if stopped.wait(DISK_PAUSE) {
                    return false;
                }
            }
        }
    }
}
