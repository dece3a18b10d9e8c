//! `GET /team/available`: teams that anybody may join. There is no such list, so there are none.

use crate::control::input::{Answer, Caller};
use axum::Json;
use serde_json::json;

pub(in crate::control) async fn run(_caller: Caller) -> Answer {
    Ok(Json(json!([])))
}
