//! Keys that were deleted, as they were then.

use super::db::{Store, StoreError, on};
use super::table::{DELETED_KEYS, Doc, KEYS, object};
use super::{changes, spend};
use crate::domain::{Money, Scope};
use serde_json::Value;

pub(super) const TAKE: &str = "DELETE FROM tollgate_key WHERE id = $1 RETURNING doc";
pub(super) const SPENT: &str = "SELECT slot, spent FROM tollgate_spend WHERE scope = $1 AND id = $2";

impl Store {
    /// Deletes a key with what it has spent, all at once, and keeps its document in [`DELETED_KEYS`] with its digest
    /// (`token`), what it had spent (`spend`, in dollars) and what `more` says. False if there is no such key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete_key(&self, id: &str, more: Doc) -> Result<bool, StoreError> {
        let grave = uuid::Uuid::new_v4().simple().to_string();
        on!(&self.db, pool => {
            let mut transaction = pool.begin().await?;
            let taken: Option<Value> = sqlx::query_scalar(TAKE).bind(id).fetch_optional(&mut *transaction).await?;
            let Some(taken) = taken else { return Ok(false) };
            let counters: Vec<(String, i64)> =
                sqlx::query_as(SPENT).bind(Scope::Key.as_str()).bind(id).fetch_all(&mut *transaction).await?;
            spend::forget!(transaction, Scope::Key, id);
            let doc = Value::Object(epitaph(id, object(taken), &counters, more));
            sqlx::query(DELETED_KEYS.insert).bind(grave).bind(doc).execute(&mut *transaction).await?;
            changes::note!(transaction, KEYS.kind, id);
            transaction.commit().await?;
        });
        Ok(true)
    }
}

/// The document of a key that is no more.
fn epitaph(id: &str, mut doc: Doc, counters: &[(String, i64)], more: Doc) -> Doc {
    if let Some((_, spent)) = counters.iter().find(|(slot, _)| slot.is_empty()) {
        doc.insert("spend".to_owned(), Value::from(Money::from_pico(*spent).dollars()));
    }
    doc.insert("token".to_owned(), Value::from(id));
    doc.extend(more);
    doc
}
