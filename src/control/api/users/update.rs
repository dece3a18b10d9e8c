//! `POST /user/update`: a user's own members are changed, null clears.

use super::{FIELDS, ROW, fold_model_limits, named, set_spend};
use crate::control::Control;
use crate::control::input::{Answer, Caller, Input, Refusal, check_id};
use crate::control::records::{self, BUDGET, RATES, take};
use crate::domain::Scope;
use crate::store::{Doc, USERS};
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

/// What users may change of themselves.
const OWN: [&str; 2] = ["user_id", "user_alias"];

pub(in crate::control) async fn run(State(control): State<Control>, caller: Caller, input: Input) -> Answer {
    let said = input.read(&[FIELDS, RATES, BUDGET])?;
    let (id, row) = apply(&control, &caller, said).await?;
    Ok(Json(json!({ "user_id": id, "data": row })))
}

/// Changes one user; answers with its id and row.
pub(super) async fn apply(
    control: &Control,
    caller: &Caller,
    mut said: Doc,
) -> Result<(String, Value), Refusal> {
    if !caller.is_admin() {
        let own = caller.user().is_some() && records::text(&said, "user_id") == caller.user();
        if !own || !caller.manages() || said.keys().any(|name| !OWN.contains(&name.as_str())) {
            return Err(caller.not_admin());
        }
    }
    let (id, _) = named(control, &said).await?;
    for name in ["user_email", "user_alias", "sso_user_id"] {
        check_id(name, records::text(&said, name).unwrap_or_default())?;
    }
    said.remove("user_id");
    let spend = take(&mut said, "spend");
    fold_model_limits(&mut said);
    let changed = records::change(control, &USERS, &id, |doc| {
        records::lay_over(doc, &said);
        records::touch(doc, caller.name());
        Ok::<_, Refusal>(())
    });
    let doc = changed.await?.ok_or_else(|| super::unknown(&id))?;
    set_spend(control, &id, spend).await?;
    let row = records::show_one(control, &ROW, Some(Scope::User), &id, &doc).await?;
    Ok((id, Value::Object(row)))
}
