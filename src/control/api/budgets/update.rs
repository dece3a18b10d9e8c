//! `POST /budget/update`; null clears.

use super::{FIELDS, ROW, unknown};
use crate::control::Control;
use crate::control::input::{Answer, Caller, Field, Input, Kind, Refusal, need};
use crate::control::records::{self, BUDGET, RATES};
use crate::store::BUDGETS;
use axum::Json;
use axum::extract::State;
use serde_json::Value;

const WHICH: &[Field] = &[need("budget_id", Kind::Text)];

pub(in crate::control) async fn run(State(control): State<Control>, caller: Caller, input: Input) -> Answer {
    caller.must_be_admin()?;
    let which = input.read(&[WHICH])?;
    let id = records::text(&which, "budget_id").unwrap_or_default();
    let mut said = input.read(&[FIELDS, RATES, BUDGET])?;
    said.remove("budget_id");
    records::set_budget(&mut said);
    let changed = records::change(&control, &BUDGETS, id, |budget| {
        records::lay_over(budget, &said);
        records::touch(budget, caller.name());
        Ok::<_, Refusal>(())
    });
    let budget = changed.await?.ok_or_else(|| unknown(id))?;
    Ok(Json(Value::Object(ROW.show(id, &budget, 0.0))))
}
