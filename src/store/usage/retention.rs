//! Old rows go, a piece at a time; the sums stay.

use super::charges::{self, Whose};
use crate::domain::{CounterId, RecordId};
use crate::store::changes::now_ms;
use crate::store::db::{Db, File, Store, StoreError};
use crate::store::server::Server;
use sqlx::{Row, SqlitePool};
use std::collections::BTreeMap;
use std::time::Duration;

const DAY: i64 = 24 * 3_600_000;

/// The oldest rows before an id. Two processes that delete at one time do not wait for each other.
const DELETE: [&str; 2] = [
    "DELETE FROM tollgate_usage WHERE id IN \
     (SELECT id FROM tollgate_usage WHERE id < $1 ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED) \
     RETURNING id, cost, charges, api_key, user_id, team_id, organization_id, customer, provider",
    "DELETE FROM tollgate_usage WHERE id IN (SELECT id FROM tollgate_usage WHERE id < $1 ORDER BY id LIMIT $2) \
     RETURNING id, cost, customer, \
     CASE WHEN alike IS NULL THEN charges ELSE (SELECT a.charges FROM tollgate_alike a WHERE a.n = alike) END AS charges, \
     CASE WHEN alike IS NULL THEN api_key ELSE (SELECT a.api_key FROM tollgate_alike a WHERE a.n = alike) END AS api_key, \
     CASE WHEN alike IS NULL THEN user_id ELSE (SELECT a.user_id FROM tollgate_alike a WHERE a.n = alike) END AS user_id, \
     CASE WHEN alike IS NULL THEN team_id ELSE (SELECT a.team_id FROM tollgate_alike a WHERE a.n = alike) END AS team_id, \
     CASE WHEN alike IS NULL THEN provider ELSE (SELECT a.provider FROM tollgate_alike a WHERE a.n = alike) END AS provider, \
     CASE WHEN alike IS NULL THEN organization_id \
     ELSE (SELECT a.organization_id FROM tollgate_alike a WHERE a.n = alike) END AS organization_id",
];
/// What no call names any more, by its day.
const DELETE_ALIKE: &str = "DELETE FROM tollgate_alike WHERE n IN \
    (SELECT n FROM tollgate_alike WHERE day < $1 ORDER BY day LIMIT $2)";
const DELETE_ATTEMPTS: [&str; 2] = [
    "DELETE FROM tollgate_attempt WHERE usage_id = ANY($1)",
    "DELETE FROM tollgate_attempt WHERE usage_id IN (SELECT value FROM json_each($1))",
];
/// The oldest span that ends before an id; the last one stays, because it says where the open rows begin.
const OLD_SPAN: &str = "SELECT MIN(span) FROM tollgate_seek_span \
    WHERE next <= $1 AND span < (SELECT MAX(span) FROM tollgate_seek_span)";
const DELETE_FOUND: &str = "DELETE FROM tollgate_seek WHERE span = $1";
const DELETE_SPAN: &str = "DELETE FROM tollgate_seek_span WHERE span = $1";
const UNBOOK: &str = "UPDATE tollgate_spend SET booked = booked - $5 \
    WHERE scope = $1 AND id = $2 AND slot = $3 AND booked_period = $4";

#[cfg(test)]
pub(super) fn statements(is_file: bool) -> Vec<&'static str> {
    let which = usize::from(is_file);
    let spans = [OLD_SPAN, DELETE_FOUND, DELETE_SPAN, DELETE_ALIKE];
    let spans = if is_file { &spans[..] } else { &[] };
    [&[DELETE[which], DELETE_ATTEMPTS[which], UNBOOK], spans].concat()
}

/// What deleted rows take from the counters, by counter and period.
type Taken = BTreeMap<(CounterId, i64), i64>;

/// Reads the deleted rows: their ids, and what they were charged to.
macro_rules! taken {
    ($rows:ident) => {{
        let mut ids: Vec<String> = Vec::with_capacity($rows.len());
        let mut taken = Taken::new();
        for row in &$rows {
            ids.push(row.try_get("id")?);
            let text = |name: &str| row.try_get::<Option<&str>, _>(name).map(Option::unwrap_or_default);
            let whose = Whose {
                api_key: text("api_key")?,
                user_id: text("user_id")?,
                team_id: text("team_id")?,
                organization_id: text("organization_id")?,
                customer: text("customer")?,
                provider: text("provider")?,
            };
            let cost: i64 = row.try_get("cost")?;
            for charge in charges::read(text("charges")?, &whose) {
                let sum = taken.entry((charge.counter, charge.period_end)).or_insert(0);
                *sum = i64::saturating_add(*sum, cost);
            }
        }
        (ids, taken)
    }};
}

macro_rules! unbook {
    ($transaction:ident, $taken:ident) => {
        for ((counter, period), sum) in &$taken {
            sqlx::query(UNBOOK)
                .bind(counter.scope.as_str())
                .bind(&*counter.id)
                .bind(&*counter.slot)
                .bind(period)
                .bind(sum)
                .execute(&mut *$transaction)
                .await?;
        }
    };
}

impl Store {
    /// Deletes up to `most` of the rows of days that ended longer ago than `age`, oldest first; 0 if there is
    /// nothing left to do. Whole days, so that what is left of a day is all of it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete_old_usage(&self, age: Duration, most: u32) -> Result<usize, StoreError> {
        let cut = now_ms().saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
        let day = cut.div_euclid(DAY).max(0);
        let before = RecordId::new((day * DAY).unsigned_abs(), 0).to_string();
        match &self.db {
            Db::Postgres(pool) => on_server(pool, &before, most).await,
            Db::Sqlite(File { pool, writer }) => {
                let done = on_file(pool, &before, day, most).await;
                // Some may be gone.
                drop(writer.take_numbers());
                done
            }
        }
    }
}

async fn on_server(pool: &Server, before: &str, most: u32) -> Result<usize, StoreError> {
    let mut transaction = pool.begin().await?;
    let rows = sqlx::query(DELETE[0]).bind(before).bind(i64::from(most)).fetch_all(&mut *transaction).await?;
    let (ids, taken) = taken!(rows);
    sqlx::query(DELETE_ATTEMPTS[0]).bind(&ids).execute(&mut *transaction).await?;
    unbook!(transaction, taken);
    transaction.commit().await?;
    Ok(ids.len())
}

async fn on_file(pool: &SqlitePool, before: &str, day: i64, most: u32) -> Result<usize, StoreError> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    let rows = sqlx::query(DELETE[1]).bind(before).bind(i64::from(most)).fetch_all(&mut *transaction).await?;
    let (ids, taken) = taken!(rows);
    let list = serde_json::Value::from(ids.clone()).to_string();
    sqlx::query(DELETE_ATTEMPTS[1]).bind(list).execute(&mut *transaction).await?;
    unbook!(transaction, taken);
    let mut done = ids.len();
    if ids.len() < usize::try_from(most).unwrap_or(usize::MAX) {
        let old: Option<i64> = sqlx::query_scalar(OLD_SPAN).bind(before).fetch_one(&mut *transaction).await?;
        if let Some(span) = old {
            for sql in [DELETE_FOUND, DELETE_SPAN] {
                sqlx::query(sql).bind(span).execute(&mut *transaction).await?;
            }
            done += 1;
        }
        let alike =
            sqlx::query(DELETE_ALIKE).bind(day).bind(i64::from(most)).execute(&mut *transaction).await?;
        done += usize::from(alike.rows_affected() == u64::from(most));
    }
    transaction.commit().await?;
    Ok(done)
}
