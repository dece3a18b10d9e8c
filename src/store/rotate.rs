//! Keys that are replaced by others: at once, or with a time in which both work.

use super::changes::{self, now_ms};
use super::db::{Db, File, Store, StoreError, on};
use super::facts::Facts;
use super::spend;
use super::table::{Doc, KEYS};
use crate::domain::{KeyDigest, KeyFacts, Scope};
use crate::store::server::Server;
use serde_json::Value;
use sqlx::{Row, SqlitePool};

pub(super) const SUCCESSOR: &str =
    "SELECT successor, until_ms FROM tollgate_retired_key WHERE id = $1 AND until_ms > $2";
pub(super) const RETIRE: &str = "INSERT INTO tollgate_retired_key (id, successor, until_ms) VALUES ($1, $2, $3) \
    ON CONFLICT (id) DO UPDATE SET successor = excluded.successor, until_ms = excluded.until_ms";
pub(super) const FOLLOW: &str = "UPDATE tollgate_retired_key SET successor = $2 WHERE successor = $1";
pub(super) const INHERIT: &str = "INSERT INTO tollgate_spend (scope, id, slot, period_end, spent) \
    SELECT scope, $3, slot, period_end, spent FROM tollgate_spend WHERE scope = $1 AND id = $2 \
    ON CONFLICT (scope, id, slot) DO UPDATE SET period_end = excluded.period_end, spent = excluded.spent";

impl Store {
    /// The key of that digest, or the one that replaced it while the old one may still be used.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn key_facts(&self, digest: &KeyDigest) -> Result<Option<KeyFacts>, StoreError> {
        let id = digest.to_hex();
        if let Some(doc) = self.with_budget(&KEYS, &id).await? {
            return Ok(Some(Facts(&doc).key(*digest)));
        }
        let found: Option<(String, i64)> = on!(&self.db, pool => {
            let row = sqlx::query(SUCCESSOR).bind(&id).bind(now_ms()).fetch_optional(pool).await?;
            row.map(|row| Ok::<_, sqlx::Error>((row.try_get(0)?, row.try_get(1)?))).transpose()?
        });
        let Some((successor, until)) = found else { return Ok(None) };
        let Some(successor) = KeyDigest::from_hex(&successor) else { return Ok(None) };
        let doc = self.with_budget(&KEYS, &successor.to_hex()).await?;
        Ok(doc.map(|doc| {
            let facts = Facts(&doc).key(successor);
            KeyFacts { expires: Some(facts.expires.map_or(until, |expires| expires.min(until))), ..facts }
        }))
    }

    /// Lets a replaced key stand for its successor until a time, in unix milliseconds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn retire_key(
        &self,
        old: &KeyDigest,
        successor: &KeyDigest,
        until_ms: i64,
    ) -> Result<(), StoreError> {
        on!(&self.db, pool => {
            sqlx::query(RETIRE).bind(old.to_hex()).bind(successor.to_hex()).bind(until_ms).execute(pool).await.map(drop)
        })
        .map_err(StoreError::from)
    }

    /// Puts a key in the place of another, with what that one has spent, all at once. The old one goes on working
    /// until `until_ms` if that is given. False if there is no such old key.
    ///
    /// # Errors
    /// [`StoreError::Taken`] if the new key is there already.
    pub async fn replace_key(
        &self,
        old: &KeyDigest,
        new: &KeyDigest,
        doc: Doc,
        until_ms: Option<i64>,
    ) -> Result<bool, StoreError> {
        let swap = Swap { old: old.to_hex(), new: new.to_hex(), until_ms };
        match &self.db {
            Db::Postgres(pool) => on_server(pool, &swap, doc).await,
            Db::Sqlite(File { pool, .. }) => on_file(pool, &swap, doc).await,
        }
    }
}

/// A key in the place of another.
struct Swap {
    old: String,
    new: String,
    until_ms: Option<i64>,
}

/// Runs the statements of a swap in a transaction.
macro_rules! swap {
    ($pool:ident, $swap:ident, $doc:ident) => {{
        let Swap { old, new, until_ms } = $swap;
        let mut transaction = $pool.begin().await?;
        if sqlx::query(KEYS.delete).bind(old).execute(&mut *transaction).await?.rows_affected() == 0 {
            return Ok(false);
        }
        let added =
            sqlx::query(KEYS.insert).bind(new).bind(Value::Object($doc)).execute(&mut *transaction).await?;
        if added.rows_affected() == 0 {
            return Err(StoreError::Taken("this key".to_owned()));
        }
        let inherited = sqlx::query(INHERIT).bind(Scope::Key.as_str()).bind(old).bind(new);
        inherited.execute(&mut *transaction).await?;
        spend::forget!(transaction, Scope::Key, old);
        sqlx::query(FOLLOW).bind(old).bind(new).execute(&mut *transaction).await?;
        if let Some(until) = until_ms {
            sqlx::query(RETIRE).bind(old).bind(new).bind(until).execute(&mut *transaction).await?;
        }
        changes::note!(transaction, KEYS.kind, old);
        changes::note!(transaction, KEYS.kind, new);
        transaction.commit().await?;
        Ok(true)
    }};
}

async fn on_server(pool: &Server, swap: &Swap, doc: Doc) -> Result<bool, StoreError> {
    swap!(pool, swap, doc)
}

async fn on_file(pool: &SqlitePool, swap: &Swap, doc: Doc) -> Result<bool, StoreError> {
    swap!(pool, swap, doc)
}
