//! Ids and times of documents.

use crate::store::Doc;
use jiff::Timestamp;
use serde_json::Value;

/// A new id.
pub(in crate::control) fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// The time now, as documents hold it.
pub(in crate::control) fn now() -> String {
    text(Timestamp::now())
}

/// A time as documents hold it.
pub(super) fn text(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// Notes who made a document, and when.
pub(in crate::control) fn stamp(doc: &mut Doc, by: &str) {
    doc.insert("created_at".to_owned(), Value::from(now()));
    doc.insert("created_by".to_owned(), Value::from(by));
    touch(doc, by);
}

/// Notes who changed a document, and when.
pub(in crate::control) fn touch(doc: &mut Doc, by: &str) {
    doc.insert("updated_at".to_owned(), Value::from(now()));
    doc.insert("updated_by".to_owned(), Value::from(by));
}
