//! What changed lately, told to every process on the same database.

use super::db::{Store, StoreError, on};
use crate::domain::unix_ms;
use sqlx::Row;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

/// One changed row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Counts the changes; those of one transaction may show later than higher ones of another.
    pub seq: i64,
    /// The `Table::kind`.
    pub kind: String,
    /// The row's id.
    pub id: String,
}

/// A database that has not answered for so long is taken to be away.
const LATE: Duration = Duration::from_secs(1);

pub(super) const NOTE: &str = "INSERT INTO tollgate_change (at_ms, kind, id) VALUES ($1, $2, $3)";
pub(super) const SINCE: &str =
    "SELECT seq, kind, id FROM tollgate_change WHERE at_ms >= $1 OR seq > $2 ORDER BY seq LIMIT 10000";
pub(super) const PRUNE: &str = "DELETE FROM tollgate_change WHERE at_ms < $1";

/// Notes a change in a transaction.
macro_rules! note {
    ($transaction:ident, $kind:expr, $id:expr) => {
        sqlx::query($crate::store::changes::NOTE)
            .bind($crate::store::changes::now_ms())
            .bind($kind)
            .bind($id)
            .execute(&mut *$transaction)
            .await?
    };
}
pub(super) use note;

pub(super) fn now_ms() -> i64 {
    unix_ms(SystemTime::now())
}

impl Store {
    /// The changes of the last `window` and those counted above `last`, at most 10,000. A reader asks with an overlap and
    /// skips what it has seen, because a slow transaction's change appears late; and by the count, because the time is
    /// that of the writer's clock.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn changes(&self, window: Duration, last: i64) -> Result<Vec<Change>, StoreError> {
        let since = now_ms().saturating_sub(i64::try_from(window.as_millis()).unwrap_or(i64::MAX));
        let read = self.read_changes(since, last);
        tokio::pin!(read);
        // While nothing listens, the pool tries on for as long as it may.
        let read = match tokio::time::timeout(LATE, &mut read).await {
            Ok(read) => read,
            Err(_) => {
                self.answers.store(false, Ordering::Relaxed);
                read.await
            }
        };
        self.answers.store(read.is_ok(), Ordering::Relaxed);
        read
    }

    async fn read_changes(&self, since: i64, last: i64) -> Result<Vec<Change>, StoreError> {
        on!(&self.db, pool => {
            let rows = sqlx::query(SINCE).bind(since).bind(last).fetch_all(pool).await?;
            let read = |row: &_| Ok(Change { seq: Row::try_get(row, 0)?, kind: Row::try_get(row, 1)?, id: Row::try_get(row, 2)? });
            rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(StoreError::from)
        })
    }

    /// Forgets changes older than `age`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn prune_changes(&self, age: Duration) -> Result<(), StoreError> {
        let before = now_ms().saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
        on!(&self.db, pool => sqlx::query(PRUNE).bind(before).execute(pool).await.map(drop))
            .map_err(StoreError::from)
    }
}
