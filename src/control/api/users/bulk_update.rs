//! `POST /user/bulk_update`: many users at once, each for itself.

use super::update::apply;
use super::{FIELDS, records};
use crate::control::Control;
use crate::control::input::{Answer, Caller, Field, Input, Kind, Refusal, read, want};
use crate::control::records::{BUDGET, RATES};
use crate::store::{Doc, Query, USERS};
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

const FORM: &[Field] =
    &[want("users", Kind::List), want("all_users", Kind::Truth), want("user_updates", Kind::Map)];
/// Users of one call.
const MOST: usize = 500;

pub(in crate::control) async fn run(State(control): State<Control>, caller: Caller, input: Input) -> Answer {
    caller.must_be_admin()?;
    let form = input.read(&[FORM])?;
    let updates = updates(&control, &form).await?;
    let (mut results, mut done) = (Vec::new(), 0);
    for update in &updates {
        let applied = match read(update, &[FIELDS, RATES, BUDGET]) {
            Ok(said) => apply(&control, &caller, said).await,
            Err(refusal) => Err(refusal),
        };
        done += u32::from(applied.is_ok());
        let (error, row) = match applied {
            Ok((_, row)) => (None, row),
            Err(refusal) => (Some(refusal.words()), Value::Null),
        };
        results.push(json!({
            "user_id": update.get("user_id"),
            "user_email": update.get("user_email"),
            "success": error.is_none(),
            "error": error,
            "updated_user": row,
        }));
    }
    let requested = results.len();
    Ok(Json(json!({
        "results": results,
        "total_requested": requested,
        "successful_updates": done,
        "failed_updates": requested.saturating_sub(done as usize),
    })))
}

async fn updates(control: &Control, form: &Doc) -> Result<Vec<Doc>, Refusal> {
    if form.get("all_users") == Some(&Value::Bool(true)) {
        let Some(change) = form.get("user_updates").and_then(Value::as_object) else {
            return Err(Refusal::bad("user_updates is needed with all_users").of("user_updates"));
        };
        return of_all(control, change).await;
    }
    let users = form.get("users").and_then(Value::as_array).into_iter().flatten();
    let updates: Vec<Doc> = users.filter_map(|user| user.as_object().cloned()).collect();
    if updates.is_empty() || updates.len() > MOST {
        return Err(Refusal::bad(format!("users: wants 1 to {MOST} users")).of("users"));
    }
    Ok(updates)
}

async fn of_all(control: &Control, change: &Doc) -> Result<Vec<Doc>, Refusal> {
    let mut updates: Vec<Doc> = Vec::new();
    loop {
        let offset = u32::try_from(updates.len()).unwrap_or(u32::MAX);
        let query = Query { limit: records::MOST, offset, ..Query::default() };
        let page = control.store.list(&USERS, &query).await?.rows;
        if page.is_empty() {
            return Ok(updates);
        }
        updates.extend(page.into_iter().map(|(id, _)| {
            let mut update = change.clone();
            update.insert("user_id".to_owned(), Value::from(id));
            update
        }));
    }
}
