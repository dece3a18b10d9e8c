//! How a SQLite file finds calls by what they say, rather than by their time.
//!
//! An index that is kept with each row would touch a page for nearly every row and index, which costs more than the
//! row. So the newest rows are in no index, and are looked through; once there are twice [`SPAN`] of them, the older
//! half is entered at once, sorted, at the end of one table, some calls of one value in one entry. A search looks into each span, the newest first. No two
//! values share a hash, so calls are counted, skipped and found by several values without a look at their rows.

use super::bulk::{Bulk, Cell, Cells, Kind, sqlite};
use super::calls::CallColumn;
use crate::store::db::{Db, Store, StoreError};
use crate::store::writer::Writer;
use ahash::RandomState;
use rusqlite::{Connection, OptionalExtension, Row};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::HashMap;

/// Rows that are entered at one time.
pub(super) const SPAN: u64 = 8192;

/// What calls are found by, and the first bytes of what is hashed. Bytes never change their meaning; the one that finds
/// the fewest comes first.
pub(super) const COLUMNS: [(CallColumn, u8); 6] = [
    (CallColumn::RequestId, b'r'),
    (CallColumn::Session, b's'),
    (CallColumn::Customer, b'c'),
    (CallColumn::ApiKey, b'k'),
    (CallColumn::User, b'u'),
    (CallColumn::Team, b't'),
];

/// One that is there already is written over, which saves looking for it: nearly all go behind all that is there.
#[rustfmt::skip]
pub(super) static FIND: Bulk = Bulk::new("tollgate_seek", &[
    ("span", Kind::Int), ("hash", Kind::Int), ("id", Kind::Text), ("more", Kind::Text),
], "").replacing();
/// Calls of one entry: as many as fit into a page of the table, rather than behind it.
const LIST: usize = 24;
/// The ids of the entry `f`, as JSON.
pub(super) const IDS: &str = r#"COALESCE(f.more, '["' || f.id || '"]')"#;

/// Where the rows begin that are not entered yet.
pub(super) const OPEN: &str =
    "SELECT COALESCE((SELECT next FROM tollgate_seek_span ORDER BY span DESC LIMIT 1), '')";
const LAST: &str = "SELECT COALESCE(MAX(span), 0) FROM tollgate_seek_span";
const END: &str = "SELECT id FROM tollgate_usage WHERE id >= ?1 ORDER BY id LIMIT 1 OFFSET ?2";
const CLOSE: &str = "INSERT INTO tollgate_seek_span (span, next) VALUES (?1, ?2)";
const SPAN_OF: &str = "SELECT MIN(span) FROM tollgate_seek_span WHERE next > ?1";
const BETWEEN: &str = "SELECT u.id, u.request_id, u.session_id, u.customer, COALESCE(a.api_key, u.api_key), \
    COALESCE(a.user_id, u.user_id), COALESCE(a.team_id, u.team_id) \
    FROM tollgate_usage u LEFT JOIN tollgate_alike a ON a.n = u.alike WHERE u.id >= ?1 AND u.id < ?2";
const ONE: &str = "SELECT u.id, u.request_id, u.session_id, u.customer, COALESCE(a.api_key, u.api_key), \
    COALESCE(a.user_id, u.user_id), COALESCE(a.team_id, u.team_id) \
    FROM tollgate_usage u LEFT JOIN tollgate_alike a ON a.n = u.alike WHERE u.id = ?1";

#[cfg(test)]
pub(super) const STATEMENTS: [&str; 7] = [OPEN, LAST, END, CLOSE, SPAN_OF, BETWEEN, ONE];

/// What a row with this value is entered under.
pub(super) fn hash(mark: u8, value: &str) -> i64 {
    let digest = Sha256::new().chain_update([mark]).chain_update(value).finalize();
    let start = digest.first_chunk().copied().unwrap_or_default();
    i64::from_be_bytes(start)
}

/// What is to be entered: ids, and hashes each with the place of its id.
#[derive(Default)]
struct Entries {
    ids: Vec<String>,
    hashes: Vec<(i64, usize)>,
    /// The hashes of values, by column: most come again and again.
    known: [HashMap<String, i64, RandomState>; COLUMNS.len()],
}

impl Entries {
    fn add(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        for (n, ((column, mark), known)) in COLUMNS.iter().zip(&mut self.known).enumerate() {
            let Some(value) = row.get_ref(n + 1)?.as_str_or_null()?.filter(|value| !value.is_empty()) else {
                continue;
            };
            let hash = match known.get(value) {
                Some(hash) => *hash,
                None if *column == CallColumn::RequestId => hash(*mark, value),
                None => *known.entry(value.to_owned()).or_insert_with(|| hash(*mark, value)),
            };
            self.hashes.push((hash, self.ids.len()));
        }
        self.ids.push(row.get(0)?);
        Ok(())
    }

    /// The rows come in the order of their ids.
    fn enter(mut self, span: i64, file: &Connection) -> rusqlite::Result<()> {
        self.hashes.sort_unstable();
        let mut cells = Cells::with_capacity(self.hashes.len() * FIND.width());
        for same in self.hashes.chunk_by(|(one, _), (other, _)| one == other) {
            for some in same.chunks(LIST) {
                let mut ids = some.iter().filter_map(|(_, place)| self.ids.get(*place));
                let (Some((hash, _)), Some(first)) = (some.first(), ids.next()) else { continue };
                let more = if some.len() > 1 { Cell::Text(Cow::Owned(list(first, ids))) } else { Cell::Null };
                cells.extend([Cell::Int(span), Cell::Int(*hash), Cell::text(first), more]);
            }
        }
        sqlite::execute(&FIND, &cells, file).map(drop)
    }
}

/// A JSON list of ids, which are digits.
fn list<'i>(first: &str, others: impl Iterator<Item = &'i String>) -> String {
    let mut list = String::with_capacity(LIST * (first.len() + 3) + 1);
    list.push_str("[\"");
    list.push_str(first);
    for other in others {
        list.push_str("\",\"");
        list.push_str(other);
    }
    list.push_str("\"]");
    list
}

/// Enters those of these rows whose span is closed already: calls that took long, or were booked late.
pub(super) fn enter_late<'i>(ids: impl Iterator<Item = &'i str>, file: &Connection) -> rusqlite::Result<()> {
    let open: String = file.prepare_cached(OPEN)?.query_row([], |row| row.get(0))?;
    for id in ids.filter(|id| **id < *open) {
        let span: i64 = file.prepare_cached(SPAN_OF)?.query_row([id], |row| row.get(0))?;
        let mut found = Entries::default();
        file.prepare_cached(ONE)?.query_row([id], |row| found.add(row))?;
        found.enter(span, file)?;
    }
    Ok(())
}

/// Enters the oldest rows that are not entered yet, if there are enough; whether there were.
fn close(file: &Connection) -> rusqlite::Result<bool> {
    let open: String = file.prepare_cached(OPEN)?.query_row([], |row| row.get(0))?;
    let mut end = file.prepare_cached(END)?;
    let mut after = |rows: u64| end.query_row((&open, rows), |row| row.get::<_, String>(0)).optional();
    let (Some(next), Some(_)) = (after(SPAN)?, after(2 * SPAN)?) else { return Ok(false) };
    let mut found = Entries::default();
    let mut statement = file.prepare_cached(BETWEEN)?;
    let mut rows = statement.query([&open, &next])?;
    while let Some(row) = rows.next()? {
        found.add(row)?;
    }
    let last: i64 = file.prepare_cached(LAST)?.query_row([], |row| row.get(0))?;
    found.enter(last + 1, file)?;
    file.prepare_cached(CLOSE)?.execute((last + 1, next))?;
    Ok(true)
}

fn close_if_due(writer: &Writer) -> Result<bool, StoreError> {
    if !writer.span_is_due(SPAN) {
        return Ok(false);
    }
    let closed = writer.transaction(|file| Ok(Ok::<_, ()>(close(file)?)))?.unwrap_or(false);
    if !closed {
        writer.span_is_open();
    }
    Ok(closed)
}

impl Store {
    /// Makes some thousands of the newest calls quick to find, if there are so many that are not; whether there may be more
    /// to do. Postgres has nothing to do.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn index_calls(&self) -> Result<bool, StoreError> {
        match &self.db {
            Db::Postgres(_) => Ok(false),
            Db::Sqlite(file) => close_if_due(&file.writer),
        }
    }
}
