//! The tables, and the steps from earlier layouts.

use rusqlite::{Transaction, params};
use sha2::{Digest, Sha256};

/// Layout of the file, kept in `PRAGMA user_version`.
pub(super) const LAYOUT: i64 = 4;

/// AUTOINCREMENT, so that an id is never used twice and "handed out up to" stays a single number.
pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL, content_type TEXT NOT NULL, payload BLOB NOT NULL, created INTEGER NOT NULL,
    reply_to BLOB,
    sha256 TEXT NOT NULL DEFAULT '',
    sent INTEGER NOT NULL DEFAULT 0,
    event BLOB
) STRICT;
CREATE TABLE IF NOT EXISTS media (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    event BLOB NOT NULL, kind TEXT NOT NULL, path TEXT NOT NULL, media_type TEXT NOT NULL,
    bytes INTEGER NOT NULL, sha256 TEXT NOT NULL,
    chunk_bytes INTEGER NOT NULL DEFAULT 0,
    acked BLOB NOT NULL DEFAULT x'',
    created INTEGER NOT NULL,
    sent INTEGER NOT NULL DEFAULT 0,
    UNIQUE (event, kind)
) STRICT;
CREATE TABLE IF NOT EXISTS delivered (event BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
";

/// From layout 1, which had no answers.
pub(super) const FROM_1: &str = "ALTER TABLE message ADD COLUMN reply_to BLOB";
/// From layout 2, in which the broker's word ended everything.
pub(super) const FROM_2: &str = "
ALTER TABLE message ADD COLUMN sha256 TEXT NOT NULL DEFAULT '';
ALTER TABLE message ADD COLUMN sent INTEGER NOT NULL DEFAULT 0;
ALTER TABLE media ADD COLUMN sent INTEGER NOT NULL DEFAULT 0;
";
/// From layout 3, in which all messages went in one order.
pub(super) const FROM_3: &str = "ALTER TABLE message ADD COLUMN event BLOB";
/// Few rows are with the broker at a time, and each confirmation looks for its own.
pub(super) const INDEXES: &str = "
CREATE INDEX IF NOT EXISTS message_sha256 ON message (sha256);
CREATE INDEX IF NOT EXISTS message_sent ON message (sent) WHERE sent > 0;
CREATE INDEX IF NOT EXISTS message_event ON message (event, id);
CREATE INDEX IF NOT EXISTS media_sent ON media (sent) WHERE sent > 0;
";

/// Totals of the waiting records. Each change updates them within its transaction, so that neither figures
/// nor the quota read the whole file. They are in memory only (the temporary database of the connection); one
/// read of the tables starts them.
pub(super) const TOTALS: &str = "
CREATE TEMP TABLE totals (messages INTEGER, message_bytes INTEGER, media INTEGER, media_bytes INTEGER);
INSERT INTO totals SELECT
    (SELECT count(*) FROM message), (SELECT coalesce(sum(length(payload)), 0) FROM message),
    (SELECT count(*) FROM media), (SELECT coalesce(sum(bytes), 0) FROM media);
CREATE TEMP TRIGGER message_in AFTER INSERT ON message BEGIN
    UPDATE totals SET messages = messages + 1, message_bytes = message_bytes + length(new.payload);
END;
CREATE TEMP TRIGGER message_out AFTER DELETE ON message BEGIN
    UPDATE totals SET messages = messages - 1, message_bytes = message_bytes - length(old.payload);
END;
CREATE TEMP TRIGGER media_in AFTER INSERT ON media BEGIN
    UPDATE totals SET media = media + 1, media_bytes = media_bytes + new.bytes;
END;
CREATE TEMP TRIGGER media_out AFTER DELETE ON media BEGIN
    UPDATE totals SET media = media - 1, media_bytes = media_bytes - old.bytes;
END;
";

/// Gives the messages of an earlier layout their hashes.
pub(super) fn hash_all(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut read = tx.prepare("SELECT id, payload FROM message WHERE sha256 = ''")?;
    let mut write = tx.prepare("UPDATE message SET sha256 = ? WHERE id = ?")?;
    let mut rows = read.query([])?;
    while let Some(row) = rows.next()? {
        let (id, payload): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
        write.execute(params![sha256(&payload), id])?;
    }
    Ok(())
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}
