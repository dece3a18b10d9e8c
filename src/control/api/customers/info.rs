//! `GET /customer/info`

use super::{shown, unknown};
use crate::control::Control;
use crate::control::input::{Answer, Caller, Params};
use crate::store::CUSTOMERS;
use axum::Json;
use axum::extract::State;

pub(in crate::control) async fn run(
    State(control): State<Control>,
    caller: Caller,
    params: Params,
) -> Answer {
    caller.must_see_all()?;
    let id = params.need("end_user_id")?;
    let doc = control.store.get(&CUSTOMERS, id).await?.ok_or_else(|| unknown(id))?;
    Ok(Json(shown(&control, id, &doc).await?))
}
