//! Booking: everything that a batch of records changes, in one transaction.

use super::alike::{Alikes, Numbers};
use super::bulk::{Bulk, Cell, Cells, postgres, sqlite};
use super::find;
use super::limited::{LIMITED_DAYS, Limited};
use super::rollup::{Rollups, Tables};
use super::tables::{self, ATTEMPTS, CALLS, COUNTERS, DAYS, HOURS, PROGRESS, TAG_DAYS, USAGE};
use crate::domain::{CounterId, Money, Scope, TargetId, UsageRecord};
use crate::store::db::{Db, File, Store, StoreError};
use crate::store::server::Server;
use crate::store::writer::Writer;
use ahash::RandomState;
use rusqlite::Connection;
use serde_json::Value;
use sqlx::Row;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
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
    /// What was added by this booking; zero if the calls were of an earlier period.
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
const fn signed(segment: u64) -> i64 {
    segment.cast_signed()
}

/// Rows that are made ready at one time for a file.
const ROWS: usize = 512;

/// One batch made ready.
struct Prepared<'a> {
    booking: &'a Booking<'a>,
    /// New records, in the order of their ids.
    records: &'a [(&'a UsageRecord, &'a str)],
    attempts: Cells<'a>,
    rollups: Tables<'a>,
    limited: Cells<'a>,
    /// The period and the sum of each.
    counters: HashMap<&'a CounterId, (i64, i64), RandomState>,
    progress: Cells<'a>,
    gone: Vec<i64>,
}

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
    let counters = postgres::fetch(&COUNTERS, &prepared.counter_cells(), &mut transaction).await?;
    for segment in &prepared.gone {
        sqlx::query(FORGET).bind(segment).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(Ok(prepared.totals(counters)))
}

fn on_file(writer: &Writer, prepared: &Prepared<'_>) -> Result<Result<Booked, Repeated>, StoreError> {
    let mut alikes = Alikes::new(writer.take_numbers(), prepared.booking);
    let booked = writer.transaction(|file| {
        if prepared.booking.rows {
            for some in prepared.records.chunks(ROWS) {
                if sqlite::execute(&CALLS, &prepared.calls(some, &mut alikes, file)?, file)? != some.len() {
                    return Ok(Err(Repeated));
                }
            }
            find::enter_late(prepared.records.iter().map(|(_, id)| *id), file)?;
        }
        for (table, cells) in prepared.tables() {
            sqlite::execute(table, cells, file)?;
        }
        let counters = sqlite::fetch(&COUNTERS, &prepared.counter_cells(), file)?;
        for segment in &prepared.gone {
            file.prepare_cached(FORGET)?.execute([segment])?;
        }
        writer.added(prepared.records.len());
        Ok(Ok(prepared.totals(counters)))
    })?;
    if booked.is_ok() {
        writer.keep_numbers(alikes.numbers());
    }
    Ok(booked)
}

impl Store {
    /// Books a batch. All of it is done when this returns, or nothing. With SQLite the thread waits for the disk.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn book(&self, booking: &Booking<'_>) -> Result<Booked, StoreError> {
        let mut records: Vec<&UsageRecord> = booking.records.iter().collect();
        records.sort_by_key(|record| record.id);
        records.dedup_by_key(|record| record.id);
        let ids: Vec<String> = records.iter().map(|record| record.id.to_string()).collect();
        let all: Vec<(&UsageRecord, &str)> =
            records.iter().copied().zip(ids.iter().map(String::as_str)).collect();
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

/// Addresses as text. To write one out takes as long as to book a tenth of a call.
#[derive(Default)]
struct Ips(HashMap<IpAddr, Arc<str>, RandomState>);

impl Ips {
    fn text(&mut self, record: &UsageRecord) -> Option<Arc<str>> {
        let ip = record.attribution.as_deref()?.ip?;
        Some(Arc::clone(self.0.entry(ip).or_insert_with(|| Arc::from(ip.to_string()))))
    }
}

impl<'a> Prepared<'a> {
    fn of(records: &'a [(&'a UsageRecord, &'a str)], booking: &'a Booking<'a>) -> Self {
        let (mut rollups, mut limited) = (Rollups::default(), Limited::default());
        let mut prepared = Self {
            booking,
            records,
            attempts: Cells::new(),
            rollups: Tables::default(),
            limited: Cells::new(),
            counters: HashMap::default(),
            progress: Cells::new(),
            gone: booking.gone.iter().copied().map(signed).collect(),
        };
        let mut progress = booking.progress.to_vec();
        progress.sort_by_key(|progress| progress.segment);
        for Progress { segment, booked } in progress {
            prepared.progress.extend([Cell::Int(signed(segment)), Cell::count(booked)]);
        }
        for (record, id) in records {
            if booking.rows {
                tables::attempts(record, id, &mut prepared.attempts);
            }
            rollups.add(record);
            limited.add(record);
            prepared.charge(record);
        }
        prepared.rollups = rollups.tables();
        prepared.limited = limited.cells(booking.deployed);
        prepared
    }

    /// Rows for a server.
    fn rows(&self) -> Cells<'a> {
        let mut cells = Cells::with_capacity(self.records.len() * USAGE.width());
        let (mut ips, mut alikes) = (Ips::default(), Alikes::new(Numbers::default(), self.booking));
        for (record, id) in self.records {
            tables::own(record, id, ips.text(record), &mut cells);
            tables::shared(record, alikes.base(record), &mut cells);
        }
        cells
    }

    /// Rows for a file.
    fn calls(
        &self,
        records: &[(&'a UsageRecord, &'a str)],
        alikes: &mut Alikes<'a>,
        file: &Connection,
    ) -> rusqlite::Result<Cells<'a>> {
        let mut cells = Cells::with_capacity(records.len() * CALLS.width());
        let mut ips = Ips::default();
        for (record, id) in records {
            tables::own(record, id, ips.text(record), &mut cells);
            cells.push(Cell::Int(alikes.number(record, file)?));
        }
        Ok(cells)
    }

    /// What is written besides the rows of calls and the counters, in the order in which all writers do.
    fn tables(&self) -> [(&'static Bulk, &Cells<'a>); 6] {
        let Tables { hours, days, tags } = &self.rollups;
        [
            (&ATTEMPTS, &self.attempts),
            (&HOURS, hours),
            (&DAYS, days),
            (&TAG_DAYS, tags),
            (&LIMITED_DAYS, &self.limited),
            (&PROGRESS, &self.progress),
        ]
    }

    /// Adds a record to its counters, each in the latest period that the batch has of it.
    fn charge(&mut self, record: &'a UsageRecord) {
        let Some(own) = record.attribution.as_deref().filter(|_| !record.cost.is_zero()) else { return };
        for charge in &own.charges {
            let (period, sum) = self.counters.entry(&charge.counter).or_insert((charge.period_end, 0));
            if charge.period_end > *period {
                (*period, *sum) = (charge.period_end, 0);
            }
            if charge.period_end == *period {
                *sum = sum.saturating_add(record.cost.pico());
            }
        }
    }

    fn counter_cells(&self) -> Cells<'a> {
        let mut cells = Cells::new();
        // Sorted, so that two writers lock them in the same order.
        let mut counters: Vec<_> = self.counters.iter().collect();
        counters.sort_unstable_by_key(|(counter, _)| **counter);
        for (counter, (period, sum)) in counters {
            cells.extend([
                Cell::text(counter.scope.as_str()),
                Cell::text(&counter.id),
                Cell::text(&counter.slot),
            ]);
            cells.extend([Cell::Int(*period), Cell::Int(*sum)]);
            cells.extend([Cell::Int(*period), Cell::Int(if self.booking.rows { *sum } else { 0 })]);
        }
        cells
    }

    fn totals(&self, rows: Vec<super::bulk::Returned>) -> Booked {
        let total = |(scope, id, slot, period_end, spent): super::bulk::Returned| {
            let counter =
                CounterId { scope: Scope::from_name(&scope)?, id: Arc::from(id), slot: Arc::from(slot) };
            let (period, sum) = self.counters.get(&counter)?;
            let amount = Money::from_pico(if *period == period_end { *sum } else { 0 });
            Some(CounterTotal { counter, total: Money::from_pico(spent), period_end, amount })
        };
        Booked { records: self.records.len(), counters: rows.into_iter().filter_map(total).collect() }
    }
}
