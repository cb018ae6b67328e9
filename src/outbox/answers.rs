//! The answers of broker and platforms, written to the tables.

use std::path::Path;
use std::time::Duration;

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::custody::{Counts, PATIENCE};
use super::store::{Store, chunk_sent, mark_delivered};
use super::{Confirmed, RecordId};
use crate::base::monotonic;

/// The longest wait for a word before the oldest record is sent again.
const MOST_PATIENCE: Duration = Duration::from_secs(3600);

impl Store {
    /// The broker has these records. Beyond `max_bytes` of messages the oldest that the broker has go by its
    /// word: a platform that never says anything must not fill the disk.
    pub fn sent(&mut self, ids: &[RecordId], max_bytes: u64) -> rusqlite::Result<()> {
        self.heard(ids)?;
        if self.custody.sent == 0 {
            self.custody.sent = self.newest_sent()?;
        }
        let mut number = self.custody.sent;
        let tx = self.transaction()?;
        for id in ids {
            number += 1;
            match *id {
                RecordId::Message(id) => {
                    tx.prepare_cached("UPDATE message SET sent = ? WHERE id = ?")?.execute([number, id])?;
                }
                RecordId::Chunk { media, index } => {
                    if chunk_sent(&tx, media, index)? {
                        tx.prepare_cached("UPDATE media SET sent = ? WHERE id = ?")?
                            .execute([number, media])?;
                    }
                }
            }
        }
        let released = release_oldest(&tx, max_bytes)?;
        tx.commit()?;
        self.custody.sent = number;
        self.custody.counts.released += released;
        self.custody.landed(ids);
        self.custody.word.get_or_insert_with(monotonic);
        self.custody.again.get_or_insert_with(|| monotonic() + PATIENCE);
        Ok(())
    }

    fn newest_sent(&self) -> rusqlite::Result<i64> {
        self.db().query_row(
            "SELECT max((SELECT coalesce(max(sent), 0) FROM message), (SELECT coalesce(max(sent), 0) FROM media))",
            [],
            |row| row.get(0),
        )
    }

    /// Somebody has subscribed to the topics of these.
    fn heard(&mut self, ids: &[RecordId]) -> rusqlite::Result<()> {
        let before = self.custody.held.len();
        for id in ids {
            match *id {
                RecordId::Message(id) if !self.custody.nobody.is_empty() => {
                    if let Some(topic) = self.topic(id)? {
                        self.custody.listened(Some(&topic));
                    }
                }
                RecordId::Chunk { .. } => self.custody.listened(None),
                RecordId::Message(_) => {}
            }
        }
        if self.custody.held.len() < before {
            self.rewind();
        }
        Ok(())
    }

    fn topic(&self, id: i64) -> rusqlite::Result<Option<String>> {
        self.db()
            .prepare_cached("SELECT topic FROM message WHERE id = ?")?
            .query_row([id], |row| row.get(0))
            .optional()
    }

    /// The broker's word ends the node's part in these.
    pub fn ack_by_broker(&mut self, ids: &[RecordId]) -> rusqlite::Result<()> {
        self.heard(ids)?;
        self.ack(ids)
    }

    /// The broker took these and had nobody to hand them on to.
    pub fn nobody(&mut self, ids: &[RecordId]) -> rusqlite::Result<()> {
        for id in ids {
            match *id {
                RecordId::Message(message) => {
                    if let Some(topic) = self.topic(message)? {
                        self.custody.nobody.entry(topic).or_default().insert(message);
                    }
                }
                RecordId::Chunk { .. } => drop(self.custody.media_nobody.insert(*id)),
            }
        }
        Ok(())
    }

    /// A platform has these. Returns how many records left the node.
    pub fn confirm(&mut self, confirmed: &[Confirmed]) -> rusqlite::Result<u64> {
        let mut counts = Counts::default();
        let mut newest = self.custody.confirmed;
        let mut delivered = Vec::new();
        let tx = self.transaction()?;
        for record in confirmed {
            let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
            let gone: Vec<(i64, String)> = match &record.file {
                None => tx
                    .prepare_cached("DELETE FROM message WHERE sha256 = ? RETURNING sent, ''")?
                    .query_map([&record.sha256], read)?
                    .collect::<rusqlite::Result<_>>()?,
                Some((event, kind)) => tx
                    .prepare_cached(
                        "DELETE FROM media WHERE event = ? AND kind = ? AND sha256 = ? RETURNING sent, path",
                    )?
                    .query_map(params![event, kind, record.sha256], read)?
                    .collect::<rusqlite::Result<_>>()?,
            };
            newest = gone.iter().map(|(sent, _)| *sent).fold(newest, i64::max);
            counts.confirmed += gone.len() as u64;
            counts.refused += if record.refused { gone.len() as u64 } else { 0 };
            if let (Some((event, _)), Some((_, path))) = (&record.file, gone.first())
                && mark_delivered(&tx, *event)?
            {
                delivered.extend(Path::new(path).parent().map(Path::to_owned));
            }
        }
        tx.commit()?;
        self.custody.delivered.extend(delivered);
        self.custody.confirmed = newest;
        self.custody.counts.confirmed += counts.confirmed;
        self.custody.counts.refused += counts.refused;
        self.custody.word = (self.unconfirmed()? > 0).then(monotonic);
        self.custody.patience = PATIENCE;
        self.custody.again = Some(monotonic() + PATIENCE);
        Ok(counts.confirmed)
    }

    fn unconfirmed(&self) -> rusqlite::Result<i64> {
        self.db().query_row(
            "SELECT (SELECT count(*) FROM message WHERE sent > 0) + (SELECT count(*) FROM media WHERE sent > 0)",
            [],
            |row| row.get(0),
        )
    }

    /// From time to time: finds what was lost on the way, and tries what was told to nobody. Returns how many
    /// records are to be sent again.
    pub fn look_again(&mut self) -> rusqlite::Result<u64> {
        let mut probes: Vec<RecordId> = Vec::new();
        self.custody.nobody.retain(|_, ids| {
            probes.extend(ids.pop_first().map(RecordId::Message));
            true
        });
        if let Some(chunk) = self.custody.media_nobody.first().copied() {
            // It stays among those told to nobody until it is answered, so that nothing else is sent.
            self.custody.media_probe = true;
            probes.push(chunk);
        }
        self.custody.landed(&probes);
        let lost_before = std::mem::replace(&mut self.custody.confirmed_before, self.custody.confirmed);
        let due = self.custody.again.is_some_and(|when| monotonic() >= when);
        let tx = self.transaction()?;
        let mut again = lost(&tx, lost_before)?;
        if again == 0 && due {
            again = oldest(&tx)?;
        }
        tx.commit()?;
        if due {
            self.custody.patience = (self.custody.patience * 2).min(MOST_PATIENCE);
            self.custody.again = Some(monotonic() + self.custody.patience);
        }
        self.custody.counts.sent_again += again;
        if again > 0 || !probes.is_empty() {
            self.rewind();
        }
        Ok(again)
    }

    /// From now on the broker's word counts: what it has leaves the node. Returns how many records.
    pub fn trust_broker(&mut self) -> rusqlite::Result<u64> {
        let tx = self.transaction()?;
        let messages = tx.execute("DELETE FROM message WHERE sent > 0", [])?;
        let events: Vec<(uuid::Uuid, String)> = tx
            .prepare("DELETE FROM media WHERE sent > 0 RETURNING event, path")?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let mut delivered = Vec::new();
        for (event, path) in &events {
            if mark_delivered(&tx, *event)? {
                delivered.extend(Path::new(path).parent().map(Path::to_owned));
            }
        }
        tx.commit()?;
        self.custody.delivered.extend(delivered);
        self.custody.word = None;
        self.custody.again = None;
        Ok((messages + events.len()) as u64)
    }
}

const MESSAGE_AGAIN: &str = "UPDATE message SET sent = 0 WHERE sent > 0 AND sent < ?";
const MEDIA_AGAIN: &str =
    "UPDATE media SET sent = 0, chunk_bytes = 0, acked = x'' WHERE sent > 0 AND sent < ?";

fn lost(tx: &Transaction<'_>, confirmed: i64) -> rusqlite::Result<u64> {
    let messages = tx.prepare_cached(MESSAGE_AGAIN)?.execute([confirmed])?;
    let media = tx.prepare_cached(MEDIA_AGAIN)?.execute([confirmed])?;
    Ok((messages + media) as u64)
}

/// The record that waits for a word the longest; a message before a file.
fn oldest(tx: &Transaction<'_>) -> rusqlite::Result<u64> {
    for (find, again) in [
        ("SELECT min(sent) FROM message WHERE sent > 0", MESSAGE_AGAIN),
        ("SELECT min(sent) FROM media WHERE sent > 0", MEDIA_AGAIN),
    ] {
        let first: Option<i64> = tx.query_row(find, [], |row| row.get(0))?;
        if let Some(first) = first {
            return Ok(tx.execute(again, [first + 1])? as u64);
        }
    }
    Ok(0)
}

/// Deletes messages that the broker has until all messages take `max_bytes`.
fn release_oldest(tx: &Transaction<'_>, max_bytes: u64) -> rusqlite::Result<u64> {
    let mut released = 0;
    loop {
        let bytes: u64 = tx.query_row("SELECT message_bytes FROM totals", [], |row| row.get(0))?;
        if bytes <= max_bytes {
            return Ok(released);
        }
        let gone = tx.execute(
            "DELETE FROM message WHERE id IN (SELECT id FROM message WHERE sent > 0 ORDER BY sent LIMIT 100)",
            [],
        )?;
        if gone == 0 {
            return Ok(released);
        }
        released += gone as u64;
    }
}
