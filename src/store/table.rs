//! The tables of documents: one set of operations for all of them.

use super::db::{Store, StoreError, on};
use super::{changes, spend};
use serde_json::{Map, Value};
use sqlx::Row;

/// A document: a JSON object in LiteLLM's shape, with neither its id nor its spend.
pub type Doc = Map<String, Value>;

/// A table of documents.
#[derive(Debug)]
pub struct Table {
    /// What its rows are, as announced when one changes.
    pub kind: &'static str,
    /// Columns that can be searched and sorted by.
    pub columns: &'static [&'static str],
    pub(super) from: &'static str,
    pub(super) get: &'static str,
    pub(super) insert: &'static str,
    pub(super) update: &'static str,
    pub(super) delete: &'static str,
}

macro_rules! table {
    ($kind:literal, [$($column:literal),*]) => {
        Table {
            kind: $kind,
            columns: &[$($column),*],
            from: concat!(" FROM tollgate_", $kind),
            get: concat!("SELECT doc, version FROM tollgate_", $kind, " WHERE id = $1"),
            insert: concat!(
                "INSERT INTO tollgate_", $kind, " (id, doc, version) VALUES ($1, $2, 1) ON CONFLICT (id) DO NOTHING"
            ),
            update: concat!(
                "UPDATE tollgate_", $kind, " SET doc = $2, version = version + 1 WHERE id = $1 AND version = $3"
            ),
            delete: concat!("DELETE FROM tollgate_", $kind, " WHERE id = $1"),
        }
    };
}

/// Virtual keys; the id is the digest in hex.
pub static KEYS: Table = table!(
    "key",
    [
        "key_alias",
        "key_name",
        "user_id",
        "team_id",
        "organization_id",
        "budget_id",
        "created_by",
        "created_at",
        "expires"
    ]
);
/// Keys that were deleted, each with its digest as `token`; the id is random, because a key may be made anew.
pub static DELETED_KEYS: Table = table!(
    "deleted_key",
    [
        "token",
        "key_alias",
        "key_name",
        "user_id",
        "team_id",
        "organization_id",
        "created_by",
        "created_at",
        "expires"
    ]
);
/// Internal users.
pub static USERS: Table = table!(
    "user",
    ["user_email", "user_alias", "user_role", "sso_user_id", "organization_id", "budget_id", "created_at"]
);
/// Teams.
pub static TEAMS: Table = table!("team", ["team_alias", "organization_id", "budget_id", "created_at"]);
/// Users within teams; the id is the user, a newline, the team.
pub static MEMBERS: Table = table!("member", ["user_id", "team_id", "budget_id", "created_at"]);
/// End users of the clients.
pub static CUSTOMERS: Table = table!("customer", ["alias", "budget_id", "created_at"]);
/// Organizations.
pub static ORGANIZATIONS: Table = table!("organization", ["organization_alias", "budget_id", "created_at"]);
/// Budgets that other rows name.
pub static BUDGETS: Table = table!("budget", ["created_at"]);
/// Deployments kept in the database.
pub static MODELS: Table = table!("model", ["model_name", "created_at"]);
/// Named credentials.
pub static CREDENTIALS: Table = table!("credential", ["created_at"]);
/// Projects that were brought over from LiteLLM.
pub static PROJECTS: Table = table!("project", ["team_id", "created_at"]);
/// Labels with a row of their own, brought over from LiteLLM; the id is the label.
pub static TAGS: Table = table!("tag", ["created_at"]);
/// Settings changed at run time.
pub static SETTINGS: Table = table!("setting", []);

/// Every table.
pub static ALL: [&Table; 13] = [
    &KEYS,
    &DELETED_KEYS,
    &USERS,
    &TEAMS,
    &MEMBERS,
    &CUSTOMERS,
    &ORGANIZATIONS,
    &BUDGETS,
    &MODELS,
    &CREDENTIALS,
    &PROJECTS,
    &TAGS,
    &SETTINGS,
];

/// Writers of one row that may come in between before a change gives up.
const TRIES: u32 = 20;

impl Store {
    /// The document with that id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get(&self, table: &Table, id: &str) -> Result<Option<Doc>, StoreError> {
        Ok(self.versioned(table, id).await?.map(|(doc, _)| doc))
    }

    async fn versioned(&self, table: &Table, id: &str) -> Result<Option<(Doc, i64)>, StoreError> {
        on!(&self.db, pool => {
            let row = sqlx::query(table.get).bind(id).fetch_optional(pool).await?;
            row.map(|row| Ok((object(row.try_get(0)?), row.try_get(1)?))).transpose()
        })
    }

    /// Adds a document.
    ///
    /// # Errors
    /// [`StoreError::Taken`] if the id, or a value that must be unique, is there already.
    pub async fn insert(&self, table: &Table, id: &str, doc: Doc) -> Result<(), StoreError> {
        let added = on!(&self.db, pool => {
            let mut transaction = pool.begin().await?;
            let done = sqlx::query(table.insert).bind(id).bind(Value::Object(doc)).execute(&mut *transaction).await?;
            changes::note!(transaction, table.kind, id);
            transaction.commit().await?;
            done.rows_affected()
        });
        if added == 0 { Err(StoreError::Taken(format!("this {}", table.kind))) } else { Ok(()) }
    }

    /// Reads a document, lets `edit` change it and writes it, unless somebody else did in between: then again.
    /// `None` if there is no such row.
    ///
    /// # Errors
    /// [`StoreError`], or what `edit` says.
    pub async fn edit<E: From<StoreError>>(
        &self,
        table: &Table,
        id: &str,
        mut edit: impl FnMut(&mut Doc) -> Result<(), E>,
    ) -> Result<Option<Doc>, E> {
        for _ in 0..TRIES {
            let Some((mut doc, version)) = self.versioned(table, id).await? else { return Ok(None) };
            edit(&mut doc)?;
            if self.replace(table, id, doc.clone(), version).await? {
                return Ok(Some(doc));
            }
        }
        Err(StoreError::Refused(format!("this {} changes too often", table.kind)).into())
    }

    async fn replace(&self, table: &Table, id: &str, doc: Doc, version: i64) -> Result<bool, StoreError> {
        let doc = Value::Object(doc);
        let done = on!(&self.db, pool => {
            let mut transaction = pool.begin().await?;
            let done =
                sqlx::query(table.update).bind(id).bind(doc).bind(version).execute(&mut *transaction).await?;
            changes::note!(transaction, table.kind, id);
            transaction.commit().await?;
            done.rows_affected()
        });
        Ok(done > 0)
    }

    /// Removes a document, with what its own has spent; false if there was none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete(&self, table: &Table, id: &str) -> Result<bool, StoreError> {
        let done = on!(&self.db, pool => {
            let mut transaction = pool.begin().await?;
            let done = sqlx::query(table.delete).bind(id).execute(&mut *transaction).await?;
            if let Some(scope) = spend::scope_of(table) {
                spend::forget!(transaction, scope, id);
            }
            changes::note!(transaction, table.kind, id);
            transaction.commit().await?;
            done.rows_affected()
        });
        Ok(done > 0)
    }
}

pub(super) fn object(value: Value) -> Doc {
    match value {
        Value::Object(map) => map,
        _ => Doc::new(),
    }
}
