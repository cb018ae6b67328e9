//! Whose turn it is: new messages in their order, then what waits, the newest event first.
//!
//! What waits when the records are looked at anew is the backlog. It may be a day's work for the line, and what has
//! just happened is wanted first. The messages of one event always go in their order.

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

#[derive(Debug, Default)]
pub(super) struct Turn {
    /// `None` until the first look.
    ends: Option<Ends>,
    event: Option<OfEvent>,
}

#[derive(Debug)]
struct Ends {
    /// Newer messages up to here had their turn.
    up: i64,
    /// Of the backlog, those from here on had theirs.
    down: i64,
}

/// The event whose messages go now; messages of none count as one.
#[derive(Debug)]
struct OfEvent {
    event: Option<Uuid>,
    /// Those up to here had their turn, and those up to there have it.
    had: i64,
    last: i64,
}

impl Turn {
    /// The id of the next message that is not `held`. Each message has its turn once.
    pub fn next(&mut self, db: &Connection, held: impl Fn(i64) -> bool) -> rusqlite::Result<Option<i64>> {
        loop {
            if let Some(now) = &mut self.event {
                match now.next(db)? {
                    Some(id) if held(id) => {}
                    Some(id) => return Ok(Some(id)),
                    None => self.event = None,
                }
                continue;
            }
            let Some((id, event)) = self.next_event(db)? else { return Ok(None) };
            if !held(id) {
                self.event = Some(OfEvent { event, had: 0, last: id });
            }
        }
    }

    fn next_event(&mut self, db: &Connection) -> rusqlite::Result<Option<(i64, Option<Uuid>)>> {
        let ends = match &mut self.ends {
            Some(ends) => ends,
            none => {
                let newest: i64 =
                    db.query_row("SELECT coalesce(max(id), 0) FROM message", [], |row| row.get(0))?;
                none.insert(Ends { up: newest, down: newest + 1 })
            }
        };
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1).unwrap_or(None)));
        let newer = db
            .prepare_cached("SELECT id, event FROM message WHERE id > ? AND sent = 0 ORDER BY id LIMIT 1")?
            .query_row([ends.up], read)
            .optional()?;
        if let Some((id, event)) = newer {
            ends.up = id;
            return Ok(Some((id, event)));
        }
        let older = db
            .prepare_cached(
                "SELECT id, event FROM message WHERE id < ? AND sent = 0 ORDER BY id DESC LIMIT 1",
            )?
            .query_row([ends.down], read)
            .optional()?;
        // Nothing is left of the backlog: do not look through what was sent each time.
        ends.down = older.as_ref().map_or(0, |(id, _)| *id);
        Ok(older)
    }
}

impl OfEvent {
    fn next(&mut self, db: &Connection) -> rusqlite::Result<Option<i64>> {
        let found = db
            .prepare_cached(
                "SELECT id FROM message WHERE event IS ? AND id > ? AND id <= ? AND sent = 0 ORDER BY id LIMIT 1",
            )?
            .query_row(params![self.event, self.had, self.last], |row| row.get(0))
            .optional()?;
        // The last one has its turn in any case, also if bit rot has changed what event it is of.
        let found = found.or((self.had < self.last).then_some(self.last));
        self.had = found.unwrap_or(self.had);
        Ok(found)
    }
}
