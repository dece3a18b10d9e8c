//! Booking: everything that a batch of records changes, in one transaction.

use super::bulk::{postgres, sqlite};
use super::find;
use super::prepared::{Alikes, Prepared};
use super::tables::{CALLS, COUNTERS, USAGE};
use crate::domain::{CounterId, Money, TargetId, UsageRecord};
use crate::store::db::{Db, File, Store, StoreError};
use crate::store::server::Server;
use crate::store::writer::Writer;
use serde_json::Value;
use sqlx::Row;
use std::collections::HashSet;
use std::sync::Arc;

/// How far a segment of a journal is booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The segment.
    pub segment: u64,
    /// Its bytes that are booked.
    pub booked: u64,
}

/// A batch.
pub struct Booking<'a> {
    /// The records; ones that are booked already change nothing.
    pub records: &'a [UsageRecord],
    /// What is known of a deployment.
    pub deployed: &'a (dyn Fn(&TargetId) -> Option<Deployed> + Sync),
    /// Whether rows are kept; without them what is booked already is told by `progress` alone.
    pub rows: bool,
    /// How far the journal is booked with this batch.
    pub progress: &'a [Progress],
    /// Segments that are no more.
    pub gone: &'a [u64],
}

/// What records do not say of a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployed {
    /// Its group.
    pub group: Arc<str>,
    /// Its base URL.
    pub api_base: Arc<str>,
}

/// What a booking did to a counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CounterTotal {
    /// The counter.
    pub counter: CounterId,
    /// What it is now.
    pub total: Money,
    /// The period it is in, by its end in unix milliseconds; 0 without a period.
    pub period_end: i64,
    /// What was added by this booking; zero if the calls were of a period that is over.
    pub amount: Money,
}

/// What a booking did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Booked {
    /// Records that were new.
    pub records: usize,
    /// The counters they were charged to.
    pub counters: Vec<CounterTotal>,
}

pub(super) const KNOWN: [&str; 2] = [
    "SELECT id FROM tollgate_usage WHERE id = ANY($1)",
    "SELECT id FROM tollgate_usage WHERE id IN (SELECT value FROM json_each($1))",
];
pub(super) const PROGRESS_OF: &str = "SELECT booked FROM tollgate_journal WHERE segment = $1";
pub(super) const FORGET: &str = "DELETE FROM tollgate_journal WHERE segment = $1";
/// A change that needs to be on the disk like all before it.
pub(super) const TOUCH: &str = "DELETE FROM tollgate_journal WHERE segment = 0";

/// A segment's number as the database has it.
pub(super) const fn signed(segment: u64) -> i64 {
    segment.cast_signed()
}

/// Rows that are made ready at one time for a file: no more than a processor has near, and enough that what is the same in
/// row after row stays bound.
const ROWS: usize = 4 * super::bulk::STEPS[0];

/// Some records of the batch are there already.
struct Repeated;

async fn on_server(pool: &Server, prepared: &Prepared<'_>) -> Result<Result<Booked, Repeated>, StoreError> {
    let mut transaction = pool.begin().await?;
    if prepared.booking.rows {
        let added = postgres::execute(&USAGE, &prepared.rows(), &mut transaction).await?;
        if added != prepared.records.len() as u64 {
            transaction.rollback().await?;
            return Ok(Err(Repeated));
        }
    }
    for (table, cells) in prepared.tables() {
        postgres::execute(table, cells, &mut transaction).await?;
    }
    let counters =
        postgres::fetch(&COUNTERS, &prepared.counter_cells(), prepared.now, &mut transaction).await?;
    for segment in &prepared.gone {
        sqlx::query(FORGET).bind(segment).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(Ok(prepared.totals(counters)))
}

fn on_file(writer: &Writer, prepared: &Prepared<'_>) -> Result<Result<Booked, Repeated>, StoreError> {
    let mut alikes = Alikes::new(writer.take_numbers(), prepared);
    let booked = writer.transaction(|file| {
        if prepared.booking.rows {
            for at in (0..prepared.records.len()).step_by(ROWS) {
                let some = at..prepared.records.len().min(at + ROWS);
                let cells = prepared.calls(some.clone(), &mut alikes, file)?;
                if sqlite::execute(&CALLS, &cells, file)? != some.len() {
                    return Ok(Err(Repeated));
                }
            }
            find::enter_late(prepared.records.iter().map(|(_, id)| *id), file)?;
        }
        for (table, cells) in prepared.tables() {
            sqlite::execute(table, cells, file)?;
        }
        let counters = sqlite::fetch(&COUNTERS, &prepared.counter_cells(), prepared.now, file)?;
        for segment in &prepared.gone {
            file.prepare_cached(FORGET)?.execute([segment])?;
        }
        writer.added(prepared.records.len());
        Ok(Ok(prepared.totals(counters)))
    })?;
    if booked.is_ok() {
        writer.keep_numbers(alikes.numbers);
    }
    Ok(booked)
}

impl Store {
    /// Books a batch. All of it is done when this returns, or nothing. With SQLite the thread waits for the disk.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn book(&self, booking: &Booking<'_>) -> Result<Booked, StoreError> {
        let mut records: Vec<_> = booking.records.iter().map(|record| (record.id, record)).collect();
        records.sort_by_key(|(id, _)| *id);
        records.dedup_by_key(|(id, _)| *id);
        let ids: Vec<String> = records.iter().map(|(id, _)| id.to_string()).collect();
        let all: Vec<(&UsageRecord, &str)> =
            records.iter().map(|(_, record)| *record).zip(ids.iter().map(String::as_str)).collect();
        if let Ok(booked) = self.write(&Prepared::of(&all, booking)).await? {
            return Ok(booked);
        }
        let known = self.known(&ids).await?;
        let new: Vec<_> = all.into_iter().filter(|(_, id)| !known.contains(*id)).collect();
        let again = self.write(&Prepared::of(&new, booking)).await?;
        again.map_err(|Repeated| StoreError::Refused("another process books the same records".to_owned()))
    }

    async fn write(&self, prepared: &Prepared<'_>) -> Result<Result<Booked, Repeated>, StoreError> {
        match &self.db {
            Db::Postgres(pool) => on_server(pool, prepared).await,
            Db::Sqlite(file) => on_file(&file.writer, prepared),
        }
    }

    async fn known(&self, ids: &[String]) -> Result<HashSet<String>, StoreError> {
        let known: Vec<String> = match &self.db {
            Db::Postgres(pool) => sqlx::query_scalar(KNOWN[0]).bind(ids).fetch_all(pool).await?,
            Db::Sqlite(File { pool, .. }) => {
                sqlx::query_scalar(KNOWN[1])
                    .bind(Value::from(ids.to_vec()).to_string())
                    .fetch_all(pool)
                    .await?
            }
        };
        Ok(known.into_iter().collect())
    }

    /// How far a segment of a journal is booked; `None` if nothing of it is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn journal_progress(&self, segment: u64) -> Result<Option<u64>, StoreError> {
        crate::store::db::on!(&self.db, pool => {
            let row = sqlx::query(PROGRESS_OF).bind(signed(segment)).fetch_optional(pool).await?;
            row.map(|row| Ok(row.try_get::<i64, _>(0)?.cast_unsigned())).transpose()
        })
    }

    /// Makes everything committed so far outlive a power cut. Postgres does so at each commit; SQLite as we use it
    /// does when it is asked to.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn make_durable(&self) -> Result<(), StoreError> {
        let Db::Sqlite(file) = &self.db else { return Ok(()) };
        file.writer.with(|connection| {
            connection.pragma_update(None, "synchronous", "FULL")?;
            let touched = connection.execute(TOUCH, []);
            connection.pragma_update(None, "synchronous", "NORMAL")?;
            touched?;
            Ok(())
        })
    }
}
