//! `/organization/*`: what teams and keys may belong to.

pub(in crate::control) mod delete;
pub(in crate::control) mod info;
pub(in crate::control) mod list;
pub(in crate::control) mod member_add;
pub(in crate::control) mod new;
pub(in crate::control) mod update;

use super::budgets;
use crate::control::Control;
use crate::control::input::{Field, Kind, Refusal, want};
use crate::control::records::{self, Blank, Row};
use crate::domain::Scope;
use crate::store::Doc;
use serde_json::{Map, Value};

const FIELDS: &[Field] = &[
    want("models", Kind::Texts),
    want("metadata", Kind::Map),
    want("budget_id", Kind::Text),
    want("model_aliases", Kind::Map),
    want("object_permission", Kind::Map),
    want("spend", Kind::Money),
];

/// A row of organizations.
const ROW: Row = Row(&[
    ("organization_id", Blank::Id),
    ("organization_alias", Blank::Null),
    ("budget_id", Blank::Null),
    ("spend", Blank::Spend),
    ("metadata", Blank::Map),
    ("models", Blank::List),
    ("model_spend", Blank::Map),
    ("object_permission_id", Blank::Null),
    ("created_at", Blank::Null),
    ("created_by", Blank::Null),
    ("updated_at", Blank::Null),
    ("updated_by", Blank::Null),
    ("members", Blank::List),
]);

/// One organization with its budget.
async fn shown(control: &Control, id: &str, doc: &Doc) -> Result<Map<String, Value>, Refusal> {
    let mut row = records::show_one(control, &ROW, Some(Scope::Organization), id, doc).await?;
    let budget = budgets::table(control, records::text(doc, "budget_id")).await?;
    row.insert("litellm_budget_table".to_owned(), budget);
    Ok(row)
}

fn unknown(id: &str) -> Refusal {
    Refusal::missing(format!("{{'error': 'Organization not found, passed organization_id={id}'}}"))
}
