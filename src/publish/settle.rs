//! What the broker and the platforms say of records, and how the outbox learns it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rumqttc::v5::mqttbytes::v5::{Publish, SubAck, SubscribeReasonCode};
use tracing::{error, info, warn};

use super::session::{Answer, Finished, OUTBOX_PAUSE, Sender, Session, blocking};
use crate::base::{error_chain, monotonic};
use crate::config::Confirm;
use crate::outbox::{Confirmed, OutboxError, RecordId};
use crate::wire::Confirmation;

/// How often the outbox looks for records that were lost on the way or told to nobody.
const LOOK_AGAIN: Duration = Duration::from_secs(20);
/// Confirmed records that wait to be written. More are dropped: those records are sent and confirmed again.
const MOST_CONFIRMED: usize = 100_000;

impl Sender {
    /// If only the broker's word counts, what it has from the time of other settings leaves the node.
    pub(super) async fn trust_broker(&self) {
        if self.config.confirm == Confirm::Platform {
            return;
        }
        let outbox = Arc::clone(&self.outbox);
        match blocking(move || outbox.trust_broker()).await {
            Ok(0) => {}
            Ok(records) => warn!(
                records,
                "mqtt.confirm = \"broker\": records that no platform confirmed go by the broker's word"
            ),
            Err(e) => error!(error = %error_chain(&e), "cannot release what the broker has"),
        }
    }

    pub(super) fn subscribed(&self, ack: &SubAck) {
        let denied = ack.return_codes.iter().any(|code| !matches!(code, SubscribeReasonCode::Success(_)));
        if denied && !self.stats.confirm_denied.swap(denied, Ordering::Relaxed) {
            error!(
                topic = self.topics.confirm(),
                "the MQTT broker does not let this node read what platforms confirm: every record stays. Allow it \
                 to read this topic, or set mqtt.confirm = \"broker\""
            );
        }
        self.stats.confirm_denied.store(denied, Ordering::Relaxed);
    }

    pub(super) fn confirmed(&self, session: &Session, publish: &Publish) {
        if publish.topic != self.topics.confirm().as_bytes() || publish.retain {
            return;
        }
        let confirmation = match Confirmation::parse(&publish.payload) {
            Ok(confirmation) => confirmation,
            Err(reason) => {
                warn!(reason, "a platform's confirmation cannot be read and counts for nothing");
                return;
            }
        };
        let by = confirmation.by.clone();
        let all = confirmation.records();
        let against = all.iter().filter(|record| record.refused).count();
        if against > 0 {
            error!(by, records = against, "a platform refuses to store records: its log says why");
        }
        let mut waiting = session.confirmed.lock();
        if waiting.len() < MOST_CONFIRMED {
            waiting.extend(all);
        }
        drop(waiting);
        session.finished_changed.notify_one();
    }

    pub(super) async fn settle(&self, session: &Session) {
        let mut failed = false;
        let mut look_again = monotonic() + LOOK_AGAIN;
        loop {
            let finished = std::mem::take(&mut *session.finished.lock());
            let confirmed = std::mem::take(&mut *session.confirmed.lock());
            let look = monotonic() >= look_again && session.in_flight.is_open();
            if finished.is_empty() && confirmed.is_empty() && !look {
                if session.over.is_cancelled() {
                    return;
                }
                tokio::select! {
                    () = session.finished_changed.notified() => {}
                    () = session.over.cancelled() => {}
                    () = tokio::time::sleep(LOOK_AGAIN) => {}
                }
                continue;
            }
            if look {
                look_again = monotonic() + LOOK_AGAIN;
            }
            match self.write(&finished, &confirmed, look).await {
                // Counted only now: a record that counts as acknowledged is never sent again unasked.
                Ok(()) => {
                    failed = false;
                    let acked =
                        finished.iter().filter(|r| matches!(r.answer, Answer::Accepted | Answer::Replied));
                    self.stats.acked.fetch_add(acked.count() as u64, Ordering::Relaxed);
                }
                Err(e) => {
                    if !std::mem::replace(&mut failed, true) {
                        error!(error = %error_chain(&e), "cannot write acknowledgements to the outbox; trying again");
                    }
                    if session.over.is_cancelled() {
                        return;
                    }
                    session.finished.lock().extend(finished);
                    session.confirmed.lock().extend(confirmed);
                    tokio::time::sleep(OUTBOX_PAUSE).await;
                }
            }
        }
    }

    /// Writes to the outbox what the broker and the platforms have said. Repeating it is harmless.
    async fn write(
        &self,
        finished: &[Finished],
        confirmed: &[Confirmed],
        look: bool,
    ) -> Result<(), OutboxError> {
        let ids = |wanted: &[Answer]| -> Vec<RecordId> {
            finished.iter().filter(|record| wanted.contains(&record.answer)).map(|record| record.id).collect()
        };
        let by_platform = self.config.confirm == Confirm::Platform;
        let over: &[Answer] = if by_platform {
            &[Answer::Replied, Answer::Refused]
        } else {
            &[Answer::Accepted, Answer::Replied, Answer::Refused]
        };
        let (over, nobody) = (ids(over), ids(&[Answer::Nobody]));
        let sent = if by_platform { ids(&[Answer::Accepted]) } else { Vec::new() };
        let (outbox, confirmed) = (Arc::clone(&self.outbox), confirmed.to_vec());
        let (told_nobody, again) = blocking(move || {
            if !over.is_empty() {
                outbox.ack(&over)?;
            }
            if !sent.is_empty() {
                outbox.sent(&sent)?;
            }
            if !nobody.is_empty() {
                outbox.nobody(&nobody)?;
            }
            if !confirmed.is_empty() {
                outbox.confirm(&confirmed)?;
            }
            let again = if look { outbox.look_again()? } else { 0 };
            Ok((!nobody.is_empty(), again))
        })
        .await?;
        if again > 0 {
            warn!(
                records = again,
                "no platform confirmed these, though later ones or nothing for long: sent again"
            );
        }
        if told_nobody && !self.stats.told_nobody.swap(true, Ordering::Relaxed) {
            error!(
                "nobody has subscribed to what this node publishes: its records stay here and are tried again. Start \
                 the platform, or check its subscriptions"
            );
        } else if finished.iter().any(|record| record.answer == Answer::Accepted)
            && self.outbox.stats().told_nobody == 0
            && self.stats.told_nobody.swap(false, Ordering::Relaxed)
        {
            info!("somebody has subscribed again");
        }
        Ok(())
    }
}
