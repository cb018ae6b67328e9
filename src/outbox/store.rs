//! The statements on the tables. Not here: files, locks, policy.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use tracing::error;
use uuid::Uuid;

use super::custody::Custody;
use super::tables::{FROM_1, FROM_2, FROM_3, INDEXES, LAYOUT, TABLES, TOTALS, hash_all, sha256};
use super::turn::Turn;
use super::{Batch, LostMedia, OutMedia, OutMessage, OutboxStats, RecordId};
use crate::base::{WallTime, wall_now};

/// No receiver takes more; a larger number is bit rot.
const MAX_MEDIA_BYTES: i64 = 4 << 30;

/// A waiting file. `acked` has one bit a chunk of `chunk_bytes`, lowest bit first.
#[derive(Clone, Debug)]
pub(super) struct MediaRow {
    pub id: i64,
    pub event: Uuid,
    pub kind: String,
    pub path: PathBuf,
    pub media_type: String,
    pub bytes: u64,
    pub sha256: String,
}

#[derive(Debug)]
pub(super) struct Store {
    db: Connection,
    turn: Turn,
    /// Chunks before this one (medium, index) are in flight or gone.
    chunk_cursor: (i64, u32),
    /// Acknowledged by the broker, but not written yet because the disk is full.
    unsaved: Vec<RecordId>,
    pub(super) custody: Custody,
}

impl Store {
    /// Sets the connection up and makes or checks the tables.
    pub fn new(db: Connection) -> rusqlite::Result<Self> {
        db.busy_timeout(Duration::from_millis(200))?;
        // Exclusive: two processes on one outbox would send everything twice. Also saves the shared-memory
        // file.
        db.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        // FULL: a commit is on the disk before append returns, also through a power cut.
        db.pragma_update(None, "synchronous", "FULL")?;
        db.pragma_update(None, "journal_size_limit", 4 << 20)?;
        db.pragma_update(None, "temp_store", "MEMORY")?;
        // Without this, a row that INSERT OR REPLACE removes stays in the totals.
        db.pragma_update(None, "recursive_triggers", true)?;
        let custody = Custody::default();
        let mut store =
            Self { db, turn: Turn::default(), chunk_cursor: (0, 0), unsaved: Vec::new(), custody };
        let steps: &[&str] = match store.layout()? {
            0 => &[TABLES, INDEXES],
            1 => &[FROM_1, FROM_2, FROM_3, INDEXES],
            2 => &[FROM_2, FROM_3, INDEXES],
            3 => &[FROM_3, INDEXES],
            _ => &[],
        };
        if !steps.is_empty() {
            let tx = store.db.transaction()?;
            steps.iter().try_for_each(|step| tx.execute_batch(step))?;
            hash_all(&tx)?;
            tx.pragma_update(None, "user_version", LAYOUT)?;
            tx.commit()?;
        }
        store.db.execute_batch(TOTALS)?;
        Ok(store)
    }

    pub fn layout(&self) -> rusqlite::Result<i64> {
        self.db.pragma_query_value(None, "user_version", |row| row.get(0))
    }

    /// Reads every page once, compares indexes with their tables, and makes sure that the tables are ours and can
    /// be written.
    pub fn check(&mut self) -> rusqlite::Result<bool> {
        const USED: [&str; 4] = [
            "SELECT id, topic, content_type, payload, created, reply_to, sha256, sent, event FROM message",
            "SELECT id, event, kind, path, media_type, bytes, sha256, chunk_bytes, acked, created, sent FROM media",
            "SELECT event FROM delivered",
            "SELECT key, value FROM state",
        ];
        if USED.iter().any(|sql| self.db.prepare(sql).is_err()) {
            return Ok(false);
        }
        let tx = self.db.transaction()?;
        tx.pragma_update(None, "user_version", LAYOUT)?;
        tx.commit()?;
        let verdict: String = self.db.pragma_query_value(None, "integrity_check", |row| row.get(0))?;
        Ok(verdict == "ok")
    }

    pub fn append(&mut self, batch: &Batch) -> rusqlite::Result<()> {
        let now = wall_now().0;
        let unsaved = self.unsaved.clone();
        let tx = self.db.transaction()?;
        let delivered = ack_all(&tx, &unsaved)?;
        for message in &batch.messages {
            insert_message(&tx, message, now)?;
        }
        for media in &batch.media {
            let known: Option<String> = tx
                .prepare_cached("SELECT sha256 FROM media WHERE event = ? AND kind = ?")?
                .query_row(params![media.event, media.kind], |row| row.get(0))
                .optional()?;
            if known.as_ref() == Some(&media.sha256) {
                continue;
            }
            insert_media(&tx, media, now)?;
        }
        for (key, value) in &batch.state {
            match value {
                Some(value) => tx
                    .prepare_cached("INSERT OR REPLACE INTO state (key, value) VALUES (?, ?)")?
                    .execute(params![key, value])?,
                None => tx.prepare_cached("DELETE FROM state WHERE key = ?")?.execute([key])?,
            };
        }
        tx.commit()?;
        self.custody.delivered.extend(delivered);
        self.unsaved.clear();
        Ok(())
    }

    pub fn next_message(&mut self) -> rusqlite::Result<Option<(RecordId, OutMessage)>> {
        while let Some(id) = self.turn.next(&self.db, |id| {
            let id = RecordId::Message(id);
            self.custody.held.contains(&id) || self.unsaved.contains(&id)
        })? {
            let message = self
                .db
                .prepare_cached(
                    "SELECT id, topic, content_type, payload, reply_to, event FROM message WHERE id = ?",
                )?
                .query_row([id], |row| Ok(read_message(row)))
                .optional()?;
            let Some(message) = message else { continue };
            match message {
                Ok(message) if self.custody.take(RecordId::Message(id)) => {
                    return Ok(Some((RecordId::Message(id), message)));
                }
                Ok(_) => {}
                Err(e) => self.drop_unreadable("message", id, &e)?,
            }
        }
        Ok(None)
    }

    pub fn next_chunk(&mut self, chunk_bytes: u32) -> rusqlite::Result<Option<(MediaRow, u32)>> {
        if !self.custody.may_send_media() {
            return Ok(None);
        }
        loop {
            let found = self
                .db
                .prepare_cached(
                    "SELECT id, event, kind, path, media_type, bytes, sha256, chunk_bytes, acked
                     FROM media WHERE id >= ? AND sent = 0 ORDER BY id LIMIT 1",
                )?
                .query_row([self.chunk_cursor.0], |row| Ok((row.get(0)?, read_media(row))))
                .optional()?;
            let Some((id, media)) = found else { return Ok(None) };
            let (media, cut_by, acked) = match media {
                Ok(media) => media,
                Err(e) => {
                    self.drop_unreadable("media", id, &e)?;
                    continue;
                }
            };
            let first = if id == self.chunk_cursor.0 { self.chunk_cursor.1 } else { 0 };
            let acked = if cut_by == chunk_bytes { acked } else { self.cut(&media, chunk_bytes)? };
            let free = (first..chunk_count(media.bytes, chunk_bytes)).find(|index| {
                let chunk = RecordId::Chunk { media: id, index: *index };
                !bit(&acked, *index) && !self.unsaved.contains(&chunk) && self.custody.take(chunk)
            });
            match free {
                Some(index) => {
                    self.chunk_cursor = (id, index + 1);
                    self.custody.media_probe = false;
                    return Ok(Some((media, index)));
                }
                None => self.chunk_cursor = (id + 1, 0),
            }
        }
    }

    /// Deletes a row that bit rot has damaged: it would block everything behind it.
    fn drop_unreadable(
        &mut self,
        table: &'static str,
        id: i64,
        why: &rusqlite::Error,
    ) -> rusqlite::Result<()> {
        error!(table, id, error = %why, "a record of the outbox is damaged and lost; check the disk");
        self.db.execute(&format!("DELETE FROM {table} WHERE id = ?"), [id]).map(drop)
    }

    /// Starts a file, or restarts it because the configured chunk size has changed.
    fn cut(&mut self, media: &MediaRow, chunk_bytes: u32) -> rusqlite::Result<Vec<u8>> {
        let acked = vec![0; chunk_count(media.bytes, chunk_bytes).div_ceil(8) as usize];
        self.db
            .prepare_cached("UPDATE media SET chunk_bytes = ?, acked = ? WHERE id = ?")?
            .execute(params![chunk_bytes, acked, media.id])?;
        Ok(acked)
    }

    pub fn ack(&mut self, ids: &[RecordId]) -> rusqlite::Result<()> {
        self.custody.landed(ids);
        self.unsaved.extend_from_slice(ids);
        let tx = self.db.transaction()?;
        let delivered = ack_all(&tx, &self.unsaved)?;
        tx.commit()?;
        self.custody.delivered.extend(delivered);
        self.unsaved.clear();
        Ok(())
    }

    pub fn release(&mut self) {
        self.custody.release();
        self.rewind();
    }

    /// Looks at all records again: some before the cursors are to be sent.
    pub(super) fn rewind(&mut self) {
        self.turn = Turn::default();
        self.chunk_cursor = (0, 0);
    }

    pub(super) fn transaction(&mut self) -> rusqlite::Result<Transaction<'_>> {
        self.db.transaction()
    }

    pub(super) fn db(&self) -> &Connection {
        &self.db
    }

    pub fn give_up(&mut self, lost: &LostMedia, message: &OutMessage) -> rusqlite::Result<()> {
        let tx = self.db.transaction()?;
        // The row may have been replaced by a newer file of the same kind in the meantime.
        if tx.prepare_cached("DELETE FROM media WHERE id = ?")?.execute([lost.id])? > 0 {
            insert_message(&tx, message, wall_now().0)?;
            mark_delivered(&tx, lost.event)?;
        }
        tx.commit()
    }

    pub fn is_delivered(&self, event: Uuid) -> rusqlite::Result<bool> {
        self.db
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM delivered WHERE event = ?)")?
            .query_row([event], |row| row.get(0))
    }

    pub fn knows(&self, event: Uuid) -> rusqlite::Result<bool> {
        self.db
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM delivered WHERE event = ?1)
                     OR EXISTS (SELECT 1 FROM media WHERE event = ?1)",
            )?
            .query_row([event], |row| row.get(0))
    }

    pub fn forget(&self, event: Uuid) -> rusqlite::Result<()> {
        self.db.prepare_cached("DELETE FROM delivered WHERE event = ?")?.execute([event]).map(drop)
    }

    pub fn state(&self, key: &str) -> rusqlite::Result<Option<Vec<u8>>> {
        self.db
            .prepare_cached("SELECT value FROM state WHERE key = ?")?
            .query_row([key], |row| row.get(0))
            .optional()
    }

    pub fn states(&self, prefix: &str) -> rusqlite::Result<Vec<(String, Vec<u8>)>> {
        self.db
            .prepare_cached(
                "SELECT key, value FROM state WHERE substr(key, 1, length(?1)) = ?1 ORDER BY key",
            )?
            .query_map([prefix], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect()
    }

    /// Zero if the database fails: figures must not stop anything.
    pub fn stats(&self) -> OutboxStats {
        let read = || {
            self.db.query_row(
                // Ids rise with time, so the oldest of each table is its first.
                "SELECT messages, message_bytes, media, media_bytes,
                        (SELECT count(*) FROM message WHERE sent > 0), (SELECT count(*) FROM media WHERE sent > 0),
                        (SELECT min(created) FROM
                            (SELECT * FROM (SELECT created FROM message ORDER BY id LIMIT 1)
                             UNION ALL SELECT * FROM (SELECT created FROM media ORDER BY id LIMIT 1)))
                 FROM totals",
                [],
                |row| {
                    Ok(OutboxStats {
                        messages: row.get(0)?,
                        message_bytes: row.get(1)?,
                        media: row.get(2)?,
                        media_bytes: row.get(3)?,
                        unconfirmed: row.get::<_, u64>(4)? + row.get::<_, u64>(5)?,
                        oldest: row.get::<_, Option<i64>>(6)?.map(WallTime),
                        ..self.custody.stats()
                    })
                },
            )
        };
        read().unwrap_or_default()
    }

    /// Everything readable in a damaged file, row by row until SQLite fails.
    pub fn salvage(db: &Connection) -> Batch {
        // Of this layout, of an earlier one, of the first.
        let messages = ["reply_to, event", "reply_to, NULL", "NULL, NULL"]
            .map(|last| format!("SELECT id, topic, content_type, payload, {last} FROM message ORDER BY id"));
        let mut found = messages.iter().map(|sql| rows(db, sql, read_message));
        let messages = found.find(|messages| !messages.is_empty()).unwrap_or_default();
        let media = rows(
            db,
            "SELECT id, event, kind, path, media_type, bytes, sha256, chunk_bytes, acked FROM media ORDER BY id",
            read_media,
        );
        let media = media.into_iter().map(|(row, ..)| OutMedia {
            event: row.event,
            kind: row.kind,
            path: row.path,
            media_type: row.media_type,
            bytes: row.bytes,
            sha256: row.sha256,
        });
        let media = media.collect();
        let state = rows(db, "SELECT key, value FROM state", |row| Ok((row.get(0)?, row.get(1)?)));
        Batch { messages, media, state }
    }

    #[cfg(test)]
    pub fn connection(&self) -> &Connection {
        &self.db
    }
}

/// At least one, so that an empty file is sent too.
pub(super) fn chunk_count(bytes: u64, chunk_bytes: u32) -> u32 {
    u32::try_from(bytes.div_ceil(u64::from(chunk_bytes.max(1)))).unwrap_or(u32::MAX).max(1)
}

/// Text is not checked: a topic that bit rot has changed is detected later.
fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    Ok(String::from_utf8_lossy(row.get_ref(column)?.as_bytes()?).into_owned())
}

fn read_message(row: &Row<'_>) -> rusqlite::Result<OutMessage> {
    let (topic, content_type) = (text(row, 1)?, text(row, 2)?);
    Ok(OutMessage {
        topic,
        content_type,
        payload: row.get(3)?,
        event: row.get(5).unwrap_or(None),
        reply_to: row.get(4)?,
    })
}

fn read_media(row: &Row<'_>) -> rusqlite::Result<(MediaRow, u32, Vec<u8>)> {
    let bytes: i64 = row.get(5)?;
    if !(0..=MAX_MEDIA_BYTES).contains(&bytes) {
        return Err(rusqlite::Error::IntegralValueOutOfRange(5, bytes));
    }
    let media = MediaRow {
        id: row.get(0)?,
        event: row.get(1)?,
        kind: text(row, 2)?,
        path: text(row, 3)?.into(),
        media_type: text(row, 4)?,
        bytes: bytes.unsigned_abs(),
        sha256: text(row, 6)?,
    };
    Ok((media, row.get(7)?, row.get(8)?))
}

fn bit(bits: &[u8], index: u32) -> bool {
    bits.get(index as usize / 8).is_some_and(|byte| byte & (1 << (index % 8)) != 0)
}

fn insert_message(tx: &Transaction<'_>, message: &OutMessage, now: i64) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT INTO message (topic, content_type, payload, reply_to, created, sha256, event)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        message.topic,
        message.content_type,
        message.payload,
        message.reply_to,
        now,
        sha256(&message.payload),
        message.event
    ])
    .map(drop)
}

fn insert_media(tx: &Transaction<'_>, media: &OutMedia, now: i64) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT OR REPLACE INTO media (event, kind, path, media_type, bytes, sha256, created)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        media.event,
        media.kind,
        media.path.to_string_lossy(),
        media.media_type,
        media.bytes,
        media.sha256,
        now
    ])?;
    tx.prepare_cached("DELETE FROM delivered WHERE event = ?")?.execute([media.event]).map(drop)
}

/// Returns the folders of events whose files are all delivered now.
fn ack_all(tx: &Transaction<'_>, ids: &[RecordId]) -> rusqlite::Result<Vec<PathBuf>> {
    let mut delivered = Vec::new();
    for id in ids {
        match *id {
            RecordId::Message(id) => {
                tx.prepare_cached("DELETE FROM message WHERE id = ?")?.execute([id])?;
            }
            RecordId::Chunk { media, index } => delivered.extend(ack_chunk(tx, media, index)?),
        }
    }
    Ok(delivered)
}

fn ack_chunk(tx: &Transaction<'_>, media: i64, index: u32) -> rusqlite::Result<Option<PathBuf>> {
    let row: Option<(Uuid, u64, u32, Vec<u8>, String)> = tx
        .prepare_cached("SELECT event, bytes, chunk_bytes, acked, path FROM media WHERE id = ?")?
        .query_row([media], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
        .optional()?;
    let Some((event, bytes, chunk_bytes, mut acked, path)) = row else { return Ok(None) };
    if note_chunk(tx, media, index, &mut acked, chunk_count(bytes, chunk_bytes))? {
        tx.prepare_cached("DELETE FROM media WHERE id = ?")?.execute([media])?;
        if mark_delivered(tx, event)? {
            return Ok(Path::new(&path).parent().map(Path::to_owned));
        }
    }
    Ok(None)
}

/// Notes an acknowledged chunk. True if it was the last of its file.
fn note_chunk(
    tx: &Transaction<'_>,
    media: i64,
    index: u32,
    acked: &mut [u8],
    count: u32,
) -> rusqlite::Result<bool> {
    if let Some(byte) = acked.get_mut(index as usize / 8) {
        *byte |= 1 << (index % 8);
    }
    tx.prepare_cached("UPDATE media SET acked = ? WHERE id = ?")?.execute(params![&*acked, media])?;
    Ok((0..count).all(|i| bit(acked, i)))
}

/// The broker has a chunk. True if it has the whole file now.
pub(super) fn chunk_sent(tx: &Transaction<'_>, media: i64, index: u32) -> rusqlite::Result<bool> {
    let row: Option<(u64, u32, Vec<u8>)> = tx
        .prepare_cached("SELECT bytes, chunk_bytes, acked FROM media WHERE id = ?")?
        .query_row([media], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((bytes, chunk_bytes, mut acked)) = row else { return Ok(false) };
    note_chunk(tx, media, index, &mut acked, chunk_count(bytes, chunk_bytes))
}

/// Unless more of the event is waiting. True if it was not marked before.
pub(super) fn mark_delivered(tx: &Transaction<'_>, event: Uuid) -> rusqlite::Result<bool> {
    tx.prepare_cached(
        "INSERT OR IGNORE INTO delivered (event)
         SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM media WHERE event = ?1)",
    )?
    .execute([event])
    .map(|marked| marked > 0)
}

fn rows<T>(db: &Connection, sql: &str, read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>) -> Vec<T> {
    let Ok(mut statement) = db.prepare(sql) else { return Vec::new() };
    let Ok(found) = statement.query_map([], read) else { return Vec::new() };
    found.map_while(Result::ok).collect()
}
