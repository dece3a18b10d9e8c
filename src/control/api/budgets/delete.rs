//! `POST /budget/delete`; not while a row names it, which would be left without limits.

use super::{ROW, unknown};
use crate::control::Control;
use crate::control::input::{Answer, Caller, Field, Input, Kind, Refusal, need};
use crate::control::records;
use crate::store::{BUDGETS, CUSTOMERS, Filter, KEYS, MEMBERS, ORGANIZATIONS, Query, TEAMS, Table, USERS};
use axum::Json;
use axum::extract::State;
use serde_json::Value;

const FORM: &[Field] = &[need("id", Kind::Text)];
static NAMING: [&Table; 6] = [&KEYS, &USERS, &TEAMS, &MEMBERS, &CUSTOMERS, &ORGANIZATIONS];

pub(in crate::control) async fn run(State(control): State<Control>, caller: Caller, input: Input) -> Answer {
    caller.must_be_admin()?;
    let form = input.read(&[FORM])?;
    let id = records::text(&form, "id").unwrap_or_default();
    let budget = control.store.get(&BUDGETS, id).await?.ok_or_else(|| unknown(id))?;
    for table in NAMING {
        let filters = vec![Filter::Is("budget_id", id.to_owned())];
        let used = control.store.list(table, &Query { filters, ..Query::default() }).await?.total;
        if used > 0 {
            let words = format!("Budget {id} is in use: {used} rows of kind {} name it", table.kind);
            return Err(Refusal::bad(&words).of("id"));
        }
    }
    records::remove(&control, &BUDGETS, id).await?;
    Ok(Json(Value::Object(ROW.show(id, &budget, 0.0))))
}
