//! The counters of spent money.

use super::changes;
use super::db::{Store, StoreError, on};
use super::table::Table;
use crate::domain::{CounterId, Money, Scope};
use sqlx::Row;
use std::collections::HashMap;
use std::sync::Arc;

/// A counter's value and the period it is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Spent in the period.
    pub amount: Money,
    /// When the period ends, in unix milliseconds; 0 without a period.
    pub period_end: i64,
}

pub(super) const OF_ENTITY: &str =
    "SELECT slot, period_end, spent FROM tollgate_spend WHERE scope = $1 AND id = $2";
pub(super) const SET: &str = "INSERT INTO tollgate_spend (scope, id, slot, period_end, spent) VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT (scope, id, slot) DO UPDATE SET period_end = excluded.period_end, spent = excluded.spent";
pub(super) const FORGET: &str =
    "UPDATE tollgate_spend SET spent = 0, period_end = 0 WHERE scope = $1 AND id = $2";

/// The statement that asks for the main counters of so many things.
pub(super) fn among(count: usize) -> String {
    let places: Vec<String> = (2..count + 2).map(|place| format!("${place}")).collect();
    format!(
        "SELECT id, period_end, spent FROM tollgate_spend WHERE scope = $1 AND slot = '' AND id IN ({})",
        places.join(", ")
    )
}

/// Things that one statement asks for.
const AMONG: usize = 500;

/// The counters of the rows of a table, if they have any: scopes are named as the kinds of rows are.
pub(super) fn scope_of(table: &Table) -> Option<Scope> {
    Scope::from_name(table.kind)
}

/// What somebody spent is nothing from now on, in a transaction. What rows of calls say stays.
macro_rules! forget {
    ($transaction:ident, $scope:expr, $id:expr) => {
        sqlx::query($crate::store::spend::FORGET)
            .bind($scope.as_str())
            .bind($id)
            .execute(&mut *$transaction)
            .await?
    };
}
pub(super) use forget;

impl Store {
    /// The main counters of these things, by id; what spent nothing may be absent.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn spent_among(
        &self,
        scope: Scope,
        ids: &[&str],
    ) -> Result<HashMap<String, Spent>, StoreError> {
        let mut found = HashMap::new();
        for some in ids.chunks(AMONG) {
            let sql = among(some.len());
            on!(&self.db, pool => {
                let mut asked = sqlx::query(&sql).bind(scope.as_str());
                for id in some {
                    asked = asked.bind(*id);
                }
                for row in asked.fetch_all(pool).await? {
                    let amount = Money::from_pico(Row::try_get(&row, 2)?);
                    found.insert(Row::try_get(&row, 0)?, Spent { period_end: Row::try_get(&row, 1)?, amount });
                }
            });
        }
        Ok(found)
    }

    /// All counters of one thing, by slot.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn spent(&self, scope: Scope, id: &str) -> Result<HashMap<Arc<str>, Spent>, StoreError> {
        on!(&self.db, pool => {
            let rows = sqlx::query(OF_ENTITY).bind(scope.as_str()).bind(id).fetch_all(pool).await?;
            let read = |row: &_| {
                let slot: String = Row::try_get(row, 0)?;
                let spent = Spent { period_end: Row::try_get(row, 1)?, amount: Money::from_pico(Row::try_get(row, 2)?) };
                Ok((Arc::from(slot), spent))
            };
            rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(StoreError::from)
        })
    }

    /// Sets a counter, whatever it was, which makes every process ask anew.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn set_spent(&self, counter: &CounterId, spent: Spent) -> Result<(), StoreError> {
        on!(&self.db, pool => {
            let mut transaction = pool.begin().await?;
            sqlx::query(SET)
                .bind(counter.scope.as_str())
                .bind(&*counter.id)
                .bind(&*counter.slot)
                .bind(spent.period_end)
                .bind(spent.amount.pico())
                .execute(&mut *transaction)
                .await?;
            changes::note!(transaction, counter.scope.as_str(), &*counter.id);
            transaction.commit().await?;
        });
        Ok(())
    }
}
