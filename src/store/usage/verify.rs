//! Recomputes sums from the rows of calls, and compares them with counters and roll-ups.

use super::charges::{self, Whose};
use crate::domain::{Charge, CounterId, Money, Scope};
use crate::store::changes::now_ms;
use crate::store::db::{Db, File, Store, StoreError};
use crate::store::server::Server;
use crate::store::table::{KEYS, TEAMS, Table, USERS};
use futures::TryStreamExt;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sqlx::{Executor, Row, SqlitePool};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

const CALLS: [&str; 2] = [
    "SELECT cost, charges, api_key, user_id, team_id, organization_id, customer, provider, started_ms \
     FROM tollgate_usage ORDER BY id",
    "SELECT cost, charges, api_key, user_id, team_id, organization_id, customer, provider, started_ms \
     FROM tollgate_calls ORDER BY id",
];
const COUNTERS: &str = "SELECT scope, id, slot, period_end, spent, booked_period, booked FROM tollgate_spend";
/// Totals that were brought over from LiteLLM have an `i` before their digest, and neither rows nor hours.
const DAYS: &str = "SELECT day, CAST(SUM(requests) AS BIGINT), CAST(SUM(cost) AS BIGINT) FROM tollgate_usage_day \
    WHERE SUBSTR(id, 12, 1) <> 'i' GROUP BY day";
const HOURS: &str = "SELECT SUBSTR(hour, 1, 10), CAST(SUM(requests) AS BIGINT), CAST(SUM(cost) AS BIGINT) \
    FROM tollgate_usage_hour GROUP BY 1";
/// One moment for all of it; SQLite's transactions are so by themselves.
const ONE_MOMENT: &str = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY";

#[cfg(test)]
pub(super) fn statements(is_file: bool) -> [&'static str; 4] {
    [CALLS[usize::from(is_file)], COUNTERS, DAYS, HOURS]
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Rows of calls.
    pub calls: u64,
    /// What they cost.
    pub cost: Money,
    /// Counters that were compared.
    pub counters: u64,
    /// Counters that hold something else besides: set by hand, imported, or of rows that were deleted.
    pub adjusted: u64,
    /// Days that were compared.
    pub days: u64,
    /// Days whose rows are not kept, or not any more.
    pub skipped: u64,
    /// What does not agree, in words.
    pub differences: Vec<String>,
}

/// Requests and pico-dollars.
type Sum = (i64, i64);

#[derive(Default)]
struct Books {
    calls: u64,
    cost: i64,
    charged: HashMap<(CounterId, i64), i64>,
    by_day: BTreeMap<String, Sum>,
    days: BTreeMap<String, Sum>,
    hours: BTreeMap<String, Sum>,
    counters: Vec<Counter>,
}

struct Counter {
    id: CounterId,
    period_end: i64,
    spent: i64,
    booked_period: i64,
    booked: i64,
}

fn day_of(ms: i64) -> String {
    let at = Timestamp::from_millisecond(ms).unwrap_or_default().to_zoned(TimeZone::UTC);
    at.strftime("%Y-%m-%d").to_string()
}

fn add(sum: &mut Sum, requests: i64, cost: i64) {
    *sum = (sum.0 + requests, sum.1.saturating_add(cost));
}

/// Reads everything in one transaction, row by row.
macro_rules! read {
    ($transaction:ident, $books:ident, $calls:expr) => {{
        let mut rows = sqlx::query($calls).fetch(&mut *$transaction);
        while let Some(row) = rows.try_next().await? {
            let text = |n: usize| row.try_get::<Option<&str>, _>(n).map(Option::unwrap_or_default);
            let whose = Whose {
                api_key: text(2)?,
                user_id: text(3)?,
                team_id: text(4)?,
                organization_id: text(5)?,
                customer: text(6)?,
                provider: text(7)?,
            };
            $books.call(row.try_get(0)?, charges::read(text(1)?, &whose), row.try_get(8)?);
        }
        drop(rows);
        let mut rows = sqlx::query(COUNTERS).fetch(&mut *$transaction);
        while let Some(row) = rows.try_next().await? {
            let text = |n: usize| row.try_get::<&str, _>(n);
            let Some(scope) = Scope::from_name(text(0)?) else { continue };
            let id = CounterId { scope, id: Arc::from(text(1)?), slot: Arc::from(text(2)?) };
            $books.counters.push(Counter {
                id,
                period_end: row.try_get(3)?,
                spent: row.try_get(4)?,
                booked_period: row.try_get(5)?,
                booked: row.try_get(6)?,
            });
        }
        drop(rows);
        for (sql, sums) in [(DAYS, &mut $books.days), (HOURS, &mut $books.hours)] {
            for row in sqlx::query(sql).fetch_all(&mut *$transaction).await? {
                sums.insert(row.try_get(0)?, (row.try_get(1)?, row.try_get(2)?));
            }
        }
        $transaction.rollback().await?;
    }};
}

async fn on_server(pool: &Server) -> Result<Books, StoreError> {
    let mut books = Books::default();
    let mut transaction = pool.begin().await?;
    transaction.execute(ONE_MOMENT).await?;
    read!(transaction, books, CALLS[0]);
    Ok(books)
}

async fn on_file(pool: &SqlitePool) -> Result<Books, StoreError> {
    let mut books = Books::default();
    let mut transaction = pool.begin_with("BEGIN").await?;
    read!(transaction, books, CALLS[1]);
    Ok(books)
}

impl Store {
    /// Compares what rows say with counters and roll-ups. `rows_kept` is whether every call has a row, `retention` for
    /// how long.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn verify_usage(
        &self,
        rows_kept: bool,
        retention: Option<Duration>,
    ) -> Result<Verified, StoreError> {
        let books = self.read_books().await?;
        let mut verified =
            Verified { calls: books.calls, cost: Money::from_pico(books.cost), ..Verified::default() };
        let age = retention.map(|age| i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
        let first = age
            .map(|age| day_of(now_ms().saturating_sub(age)))
            .or_else(|| books.by_day.keys().next().cloned());
        verified.days(&books, first.filter(|_| rows_kept).as_deref());
        for (id, charged) in verified.counters(books) {
            if self.is_there(&id).await? {
                verified.differ(format!("{}: rows charge {charged}, there is no counter", shown(&id)));
            }
        }
        Ok(verified)
    }

    async fn read_books(&self) -> Result<Books, StoreError> {
        match &self.db {
            Db::Postgres(pool) => on_server(pool).await,
            Db::Sqlite(File { pool, .. }) => on_file(pool).await,
        }
    }

    /// Whether the entity of a counter exists; one that was deleted took its counters along.
    async fn is_there(&self, counter: &CounterId) -> Result<bool, StoreError> {
        let table: &Table = match counter.scope {
            Scope::Key => &KEYS,
            Scope::User => &USERS,
            Scope::Team => &TEAMS,
            _ => return Ok(false),
        };
        Ok(self.get(table, &counter.id).await?.is_some())
    }
}

impl Books {
    fn call(&mut self, cost: i64, charges: Vec<Charge>, started_ms: i64) {
        self.calls += 1;
        self.cost = self.cost.saturating_add(cost);
        add(self.by_day.entry(day_of(started_ms)).or_default(), 1, cost);
        if cost != 0 {
            for charge in charges {
                let sum = self.charged.entry((charge.counter, charge.period_end)).or_insert(0);
                *sum = sum.saturating_add(cost);
            }
        }
    }
}

/// Differences that are told one by one.
const MOST: usize = 1000;

impl Verified {
    fn differ(&mut self, words: String) {
        if self.differences.len() < MOST {
            self.differences.push(words);
        }
    }

    /// Compares the days from the first one whose rows are all there; none are if it is `None`.
    fn days(&mut self, books: &Books, first: Option<&str>) {
        for (day, sums) in &books.days {
            let hours = books.hours.get(day).copied().unwrap_or_default();
            if hours != *sums {
                self.differ(format!("{day}: {} by day, {} by hour", shown_sum(*sums), shown_sum(hours)));
            }
            if first.is_none_or(|first| day.as_str() < first) {
                self.skipped += 1;
                continue;
            }
            self.days += 1;
            let rows = books.by_day.get(day).copied().unwrap_or_default();
            if rows != *sums {
                self.differ(format!("{day}: {} in rows, {} by day", shown_sum(rows), shown_sum(*sums)));
            }
        }
        for (day, rows) in books.by_day.iter().filter(|(day, _)| !books.days.contains_key(*day)) {
            self.differ(format!("{day}: {} in rows, nothing by day", shown_sum(*rows)));
        }
    }

    /// Compares the counters, and gives back what is charged to counters that do not exist.
    fn counters(&mut self, books: Books) -> Vec<(CounterId, i64)> {
        let mut charged = books.charged;
        let mut periods: HashMap<CounterId, i64> = HashMap::new();
        for counter in books.counters {
            let rows = charged.remove(&(counter.id.clone(), counter.booked_period)).unwrap_or_default();
            self.counters += 1;
            if rows != counter.booked {
                self.differ(format!(
                    "{}: rows charge {rows}, the counter has {}",
                    shown(&counter.id),
                    counter.booked
                ));
            }
            self.adjusted +=
                u64::from((counter.period_end, counter.spent) != (counter.booked_period, counter.booked));
            periods.insert(counter.id, counter.booked_period);
        }
        let mut missing = Vec::new();
        for ((id, period), rows) in charged {
            match periods.get(&id) {
                // A period that is over.
                Some(present) if period < *present => {}
                Some(_) => self.differ(format!("{}: rows charge {rows} in a later period", shown(&id))),
                None => missing.push((id, rows)),
            }
        }
        missing.sort();
        missing
    }
}

fn shown(counter: &CounterId) -> String {
    let slot = if counter.slot.is_empty() { String::new() } else { format!(" {:?}", &*counter.slot) };
    format!("{} {:?}{slot}", counter.scope, &*counter.id)
}

fn shown_sum((requests, pico): Sum) -> String {
    format!("{requests} calls and {pico} pico-dollars")
}
