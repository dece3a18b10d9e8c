//! Who is behind the ids in sums and counters.

use crate::domain::{Money, Scope};
use crate::store::changes;
use crate::store::db::{Db, File, Store, StoreError, on};
use crate::store::table::BUDGETS;
use serde_json::Value;
use sqlx::Row;
use std::collections::HashMap;

/// What people call a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyName {
    /// Its alias.
    pub alias: Option<String>,
    /// `sk-...` and the last four characters.
    pub name: Option<String>,
    /// Its team.
    pub team_id: Option<String>,
}

const KEYS: [&str; 2] = [
    "SELECT id, key_alias, key_name, team_id FROM tollgate_key WHERE id = ANY($1)",
    "SELECT id, key_alias, key_name, team_id FROM tollgate_key WHERE id IN (SELECT value FROM json_each($1))",
];
const TEAMS: [&str; 2] = [
    "SELECT id, team_alias FROM tollgate_team WHERE id = ANY($1)",
    "SELECT id, team_alias FROM tollgate_team WHERE id IN (SELECT value FROM json_each($1))",
];
const TOP: &str =
    "SELECT id, spent FROM tollgate_spend WHERE scope = $1 AND slot = '' ORDER BY spent DESC LIMIT $2";
const RESET: &str = "UPDATE tollgate_spend SET spent = 0 WHERE scope IN ('key', 'team')";

#[cfg(test)]
pub(super) fn statements(is_file: bool) -> [&'static str; 4] {
    [KEYS[usize::from(is_file)], TEAMS[usize::from(is_file)], TOP, RESET]
}

macro_rules! by_ids {
    ($self:ident, $sql:ident, $ids:ident, |$row:ident| $read:expr) => {
        match &$self.db {
            Db::Postgres(pool) => {
                let rows = sqlx::query($sql[0]).bind($ids).fetch_all(pool).await?;
                rows.iter().map(|$row| $read).collect::<Result<_, sqlx::Error>>().map_err(StoreError::from)
            }
            Db::Sqlite(File { pool, .. }) => {
                let list = Value::from($ids.to_vec()).to_string();
                let rows = sqlx::query($sql[1]).bind(list).fetch_all(pool).await?;
                rows.iter().map(|$row| $read).collect::<Result<_, sqlx::Error>>().map_err(StoreError::from)
            }
        }
    };
}

impl Store {
    /// What these keys are called; those that are gone are left out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn key_names(&self, ids: &[String]) -> Result<HashMap<String, KeyName>, StoreError> {
        by_ids!(self, KEYS, ids, |row| {
            let name = KeyName { alias: row.try_get(1)?, name: row.try_get(2)?, team_id: row.try_get(3)? };
            Ok((row.try_get(0)?, name))
        })
    }

    /// The aliases of these teams; those that are gone, or have none, are left out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn team_names(&self, ids: &[String]) -> Result<HashMap<String, String>, StoreError> {
        let found: Result<Vec<(String, Option<String>)>, StoreError> =
            by_ids!(self, TEAMS, ids, |row| Ok((row.try_get(0)?, row.try_get(1)?)));
        Ok(found?.into_iter().filter_map(|(id, alias)| Some((id, alias?))).collect())
    }

    /// Who has spent the most, as counted for its budget.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn top_spenders(&self, scope: Scope, limit: u32) -> Result<Vec<(String, Money)>, StoreError> {
        on!(&self.db, pool => {
            let rows = sqlx::query(TOP).bind(scope.as_str()).bind(i64::from(limit)).fetch_all(pool).await?;
            let read = |row: &_| Ok((Row::try_get(row, 0)?, Money::from_pico(Row::try_get(row, 1)?)));
            rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(StoreError::from)
        })
    }

    /// Sets what all keys and teams have spent to nothing, which makes every process ask anew. Rows and roll-ups stay.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn reset_spent(&self) -> Result<(), StoreError> {
        on!(&self.db, pool => {
            let mut transaction = pool.begin().await?;
            sqlx::query(RESET).execute(&mut *transaction).await?;
            changes::note!(transaction, BUDGETS.kind, "");
            transaction.commit().await?;
        });
        Ok(())
    }
}
