//! `POST /key/{key}/reset_spend`.

use super::update::write_spend;
use super::{Keeper, Stored, rows};
use crate::auth::Principal;
use crate::control::input::{Input, Kind, Refusal, want};
use crate::control::{Control, calendar};
use crate::domain::Money;
use axum::Extension;
use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};

pub(in crate::control) async fn run(
    State(control): State<Control>,
    Extension(principal): Extension<Principal>,
    Path(named): Path<String>,
    input: Input,
) -> Result<Json<Value>, Refusal> {
    let read = input.read(&[&[want("reset_to", Kind::Number)]])?;
    let Some(target) = read.get("reset_to").and_then(Value::as_f64) else {
        return Err(input.lacks("reset_to"));
    };
    let key = Stored::must_find(&control, &named).await?;
    Keeper { control: &control, principal: &principal }.must_own(&key).await?;
    control.must_be_booked().await?;
    let now = rows::current(rows::spent(&control, &key).await?, calendar::now());
    let Some(amount) = Money::from_dollars(target).filter(|_| target <= now) else {
        let words = format!("reset_to must be from 0 to the current spend ({now}).");
        return Err(Refusal::bad_member("reset_to", words));
    };
    write_spend(&control, &key, amount).await?;
    key.announce(&control);
    let row = rows::with_token(&control, &key).await?;
    Ok(Json(json!({
        "key_hash": key.id(),
        "spend": target,
        "previous_spend": now,
        "max_budget": row.get("max_budget"),
        "budget_reset_at": row.get("budget_reset_at"),
    })))
}
