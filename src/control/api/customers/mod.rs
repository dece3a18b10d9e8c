//! `/customer/*` and `/end_user/*`: end users of the clients.

pub(in crate::control) mod block;
pub(in crate::control) mod delete;
pub(in crate::control) mod info;
pub(in crate::control) mod list;
pub(in crate::control) mod new;
pub(in crate::control) mod update;

use super::budgets;
use crate::control::Control;
use crate::control::input::{Field, Kind, Refusal, need, want};
use crate::control::records::{self, Blank, Row};
use crate::domain::{ApiError, ErrorKind, Scope};
use crate::store::Doc;
use serde_json::Value;

const FIELDS: &[Field] = &[
    need("user_id", Kind::Text),
    want("alias", Kind::Text),
    want("blocked", Kind::Truth),
    want("budget_id", Kind::Text),
    want("default_model", Kind::Text),
    want("allowed_model_region", Kind::Word(&["eu", "us"])),
    want("spend", Kind::Money),
    want("object_permission", Kind::Map),
];

/// A row of customers.
const ROW: Row = Row(&[
    ("user_id", Blank::Id),
    ("alias", Blank::Null),
    ("spend", Blank::Spend),
    ("allowed_model_region", Blank::Null),
    ("default_model", Blank::Null),
    ("budget_id", Blank::Null),
    ("object_permission_id", Blank::Null),
    ("litellm_budget_table", Blank::Null),
    ("object_permission", Blank::Null),
    ("blocked", Blank::False),
]);

/// One customer with its budget.
async fn shown(control: &Control, id: &str, doc: &Doc) -> Result<Value, Refusal> {
    let mut row = records::show_one(control, &ROW, Some(Scope::Customer), id, doc).await?;
    let budget = budgets::table(control, records::text(doc, "budget_id")).await?;
    row.insert("litellm_budget_table".to_owned(), budget);
    Ok(Value::Object(row))
}

fn unknown(id: &str) -> Refusal {
    let words = format!("End User Id={id} does not exist in db");
    Refusal::Api(ApiError::new(ErrorKind::Missing, words).with_param("end_user_id"))
}
