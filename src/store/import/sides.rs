//! What is here already, read and written for many rows at a time.

use crate::domain::{Money, Scope};
use crate::store::changes;
use crate::store::db::{Db, File, Store, StoreError, on};
use crate::store::spend::Spent;
use crate::store::table::{BUDGETS, Doc, Table, object};
use serde_json::{Value, json};
use sqlx::Row;
use std::collections::HashMap;

/// How a row was when it was brought over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// Of its document.
    pub(super) digest: String,
    /// LiteLLM's amount and its `budget_reset_at`.
    pub(super) spent: Spent,
}

/// The rows of a batch that are here.
#[derive(Debug, Default)]
pub(super) struct Here {
    pub(super) docs: HashMap<String, (Doc, i64)>,
    pub(super) marks: HashMap<String, Mark>,
    /// Who has which of the aliases that are asked for.
    pub(super) aliases: HashMap<String, String>,
}

/// What is to be written of a batch.
#[derive(Debug, Default)]
pub(super) struct Writes {
    /// `[id, doc]`
    pub(super) added: Vec<Value>,
    /// `[id, doc, version]`
    pub(super) changed: Vec<Value>,
    /// `[scope, id, period_end, amount]`
    pub(super) counters: Vec<Value>,
    /// `[id, digest, amount, period_end]`
    pub(super) marks: Vec<Value>,
}

/// How the two databases take a list of rows that is bound as one JSON value. `$N` are its places, `t` its rows.
pub(super) struct Dialect {
    pub(super) rows: &'static str,
    pub(super) text: fn(u8) -> String,
    pub(super) number: fn(u8) -> String,
}

/// That of a file, or of a server.
pub(super) const fn dialect(is_file: bool) -> Dialect {
    if is_file { SQLITE } else { POSTGRES }
}

/// The items of a list of texts that is bound as one JSON value.
pub(super) const fn ids(is_file: bool) -> &'static str {
    if is_file { "SELECT value FROM json_each($1)" } else { "SELECT jsonb_array_elements_text($1)" }
}

const POSTGRES: Dialect = Dialect {
    rows: "jsonb_array_elements($1) t (value)",
    text: |place| format!("t.value ->> {place}"),
    number: |place| format!("(t.value ->> {place})::bigint"),
};
const SQLITE: Dialect = Dialect {
    rows: "json_each($1) t",
    text: |place| format!("t.value ->> {place}"),
    number: |place| format!("CAST(t.value ->> {place} AS INTEGER)"),
};

/// The statements for one database.
pub(super) struct Statements {
    pub(super) docs: String,
    pub(super) aliases: String,
    pub(super) marks: String,
    pub(super) add: String,
    pub(super) change: String,
    pub(super) count: String,
    pub(super) mark: String,
    pub(super) note: String,
}

impl Statements {
    pub(super) fn of(is_file: bool, kind: &str) -> Self {
        let Dialect { rows, text, number } = dialect(is_file);
        let ids = ids(is_file);
        let (id, now) = (text(0), "tollgate_spend");
        Self {
            docs: format!("SELECT id, doc, version FROM tollgate_{kind} WHERE id IN ({ids})"),
            aliases: format!("SELECT key_alias, id FROM tollgate_key WHERE key_alias IN ({ids})"),
            marks: format!(
                "SELECT id, digest, amount, period_end FROM tollgate_import WHERE kind = $2 AND id IN ({ids})"
            ),
            add: format!(
                "INSERT INTO tollgate_{kind} (id, doc, version) SELECT {id}, t.value -> 1, 1 FROM {rows} WHERE true \
                 ON CONFLICT (id) DO NOTHING"
            ),
            change: format!(
                "UPDATE tollgate_{kind} SET doc = t.value -> 1, version = tollgate_{kind}.version + 1 FROM {rows} \
                 WHERE tollgate_{kind}.id = {id} AND tollgate_{kind}.version = {}",
                number(2)
            ),
            count: format!(
                "INSERT INTO tollgate_spend (scope, id, slot, period_end, spent) \
                 SELECT {}, {}, '', {}, {} FROM {rows} WHERE true ON CONFLICT (scope, id, slot) DO UPDATE SET \
                 spent = CASE WHEN excluded.period_end > {now}.period_end THEN excluded.spent \
                     WHEN excluded.period_end < {now}.period_end THEN {now}.spent \
                     WHEN {now}.spent > 9223372036854775807 - excluded.spent THEN 9223372036854775807 \
                     WHEN {now}.spent + excluded.spent < 0 THEN 0 ELSE {now}.spent + excluded.spent END, \
                 period_end = CASE WHEN excluded.period_end > {now}.period_end THEN excluded.period_end \
                     ELSE {now}.period_end END",
                text(0),
                text(1),
                number(2),
                number(3)
            ),
            mark: format!(
                "INSERT INTO tollgate_import (kind, id, digest, amount, period_end) \
                 SELECT '{kind}', {id}, {}, {}, {} FROM {rows} WHERE true ON CONFLICT (kind, id) DO UPDATE SET \
                 digest = excluded.digest, amount = excluded.amount, period_end = excluded.period_end",
                text(1),
                number(2),
                number(3)
            ),
            note: format!(
                "INSERT INTO tollgate_change (at_ms, kind, id) SELECT {}, {}, {} FROM {rows}",
                number(0),
                text(1),
                text(2)
            ),
        }
    }
}

/// The tables that a dry run may find missing.
pub(super) async fn has(store: &Store, table: &str) -> Result<bool, StoreError> {
    let (server, file) =
        ("SELECT count(to_regclass($1))", "SELECT count(*) FROM sqlite_master WHERE name = $1");
    let found: i64 = match &store.db {
        Db::Postgres(pool) => sqlx::query_scalar(server).bind(table).fetch_one(pool).await?,
        Db::Sqlite(File { pool, .. }) => sqlx::query_scalar(file).bind(table).fetch_one(pool).await?,
    };
    Ok(found > 0)
}

/// Reads what is here of these ids, and who has these aliases.
pub(super) async fn here(
    store: &Store,
    table: &Table,
    ids: &[String],
    aliases: &[String],
) -> Result<Here, StoreError> {
    let sql = Statements::of(store.is_file(), table.kind);
    let mut here = Here::default();
    on!(&store.db, pool => {
        for row in sqlx::query(&sql.docs).bind(json!(ids)).fetch_all(pool).await? {
            here.docs.insert(row.try_get(0)?, (object(row.try_get(1)?), row.try_get(2)?));
        }
        if !aliases.is_empty() {
            for row in sqlx::query(&sql.aliases).bind(json!(aliases)).fetch_all(pool).await? {
                here.aliases.insert(row.try_get(0)?, row.try_get(1)?);
            }
        }
    });
    Ok(here)
}

/// Reads how these rows were when they were brought over.
pub(super) async fn marks(
    store: &Store,
    kind: &str,
    ids: &[String],
) -> Result<HashMap<String, Mark>, StoreError> {
    let sql = Statements::of(store.is_file(), kind);
    let mut marks = HashMap::new();
    on!(&store.db, pool => {
        for row in sqlx::query(&sql.marks).bind(json!(ids)).bind(kind).fetch_all(pool).await? {
            let spent = Spent { amount: Money::from_pico(row.try_get(2)?), period_end: row.try_get(3)? };
            marks.insert(row.try_get(0)?, Mark { digest: row.try_get(1)?, spent });
        }
    });
    Ok(marks)
}

/// Writes a batch, all of it or nothing. With `each` other processes are told of each row, else to forget everything.
pub(super) async fn write(store: &Store, kind: &str, writes: Writes, each: bool) -> Result<(), StoreError> {
    let sql = Statements::of(store.is_file(), kind);
    let notes = notes(kind, &writes, each);
    let all = [
        (&sql.add, writes.added),
        (&sql.change, writes.changed),
        (&sql.count, writes.counters),
        (&sql.mark, writes.marks),
        (&sql.note, notes),
    ];
    let all = all.into_iter().filter(|(_, rows)| !rows.is_empty());
    on!(&store.db, pool => {
        let mut transaction = pool.begin().await?;
        for (statement, rows) in all {
            sqlx::query(statement).bind(Value::Array(rows)).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
    });
    Ok(())
}

/// `[at_ms, kind, id]` for each row that others may know. A changed budget makes them forget all they know.
fn notes(kind: &str, writes: &Writes, each: bool) -> Vec<Value> {
    let now = changes::now_ms();
    if !each {
        return vec![json!([now, BUDGETS.kind, ""])];
    }
    let rows = writes.added.iter().chain(&writes.changed).map(|row| json!([now, kind, row[0]]));
    let of_scope =
        |row: &Value| row[0].as_str().and_then(Scope::from_name).is_some_and(|scope| scope.as_str() == kind);
    let counters = writes.counters.iter().filter(|row| of_scope(row)).map(|row| json!([now, kind, row[1]]));
    rows.chain(counters).collect()
}
