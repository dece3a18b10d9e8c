//! `POST /customer/block` and `POST /customer/unblock`: effective with the next request.

use super::shown;
use crate::control::Control;
use crate::control::input::{Answer, Caller, Field, Input, Kind, Refusal, check_id, need};
use crate::control::records;
use crate::store::{CUSTOMERS, Doc, StoreError};
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

const FORM: &[Field] = &[need("user_ids", Kind::Texts)];

/// `POST /customer/block`; one that was never seen is made, so that it is blocked from the first request.
pub(in crate::control) async fn block(
    State(control): State<Control>,
    caller: Caller,
    input: Input,
) -> Answer {
    caller.must_be_admin()?;
    let mut rows = Vec::new();
    for id in records::texts(&input.read(&[FORM])?, "user_ids") {
        check_id("user_ids", &id)?;
        let mut doc = Doc::new();
        records::stamp(&mut doc, caller.name());
        match records::add(&control, &CUSTOMERS, &id, doc).await {
            Ok(()) | Err(StoreError::Taken(_)) => {}
            Err(error) => return Err(error.into()),
        }
        rows.extend(set(&control, &caller, &id, true).await?);
    }
    Ok(Json(json!({ "blocked_users": rows })))
}

/// `POST /customer/unblock`
pub(in crate::control) async fn unblock(
    State(control): State<Control>,
    caller: Caller,
    input: Input,
) -> Answer {
    caller.must_be_admin()?;
    let mut rows = Vec::new();
    for id in records::texts(&input.read(&[FORM])?, "user_ids") {
        rows.extend(set(&control, &caller, &id, false).await?);
    }
    Ok(Json(json!({ "unblocked_users": rows })))
}

async fn set(control: &Control, caller: &Caller, id: &str, blocked: bool) -> Result<Option<Value>, Refusal> {
    let changed = records::change(control, &CUSTOMERS, id, |customer| {
        customer.insert("blocked".to_owned(), Value::Bool(blocked));
        records::touch(customer, caller.name());
        Ok::<_, Refusal>(())
    });
    match changed.await? {
        Some(customer) => Ok(Some(shown(control, id, &customer).await?)),
        None => Ok(None),
    }
}
