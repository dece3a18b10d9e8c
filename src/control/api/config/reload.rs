//! `POST /config/reload`: reads the file and the environment again and serves what they say, or says what is wrong
//! with them and changes nothing. With `?dry_run=true` it only says what would change.

use crate::config::ConfigError;
use crate::control::Control;
use crate::domain::{ApiError, ErrorKind};
use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
pub(in crate::control) struct Wish {
    #[serde(default)]
    dry_run: bool,
}

pub(in crate::control) async fn run(State(control): State<Control>, Query(wish): Query<Wish>) -> Response {
    let reloader = std::sync::Arc::clone(&control.reloader);
    // A caller that leaves must not stop it half-way.
    let asked = tokio::spawn(async move {
        if wish.dry_run { reloader.plan().await } else { Box::pin(reloader.reload()).await }
    });
    let reloaded = match asked.await {
        Ok(Ok(reloaded)) => reloaded,
        Ok(Err(faults)) => return refused(&faults),
        Err(_) => return refused(&[]),
    };
    let mut answer = json!({
        "applied": !wish.dry_run,
        "changes": !reloaded.plan.is_empty(),
        "config_generation": reloaded.generation,
    });
    if let (Some(answer), Value::Object(plan)) = (answer.as_object_mut(), reloaded.plan.to_json()) {
        answer.extend(plan);
    }
    Json(answer).into_response()
}

fn refused(faults: &[ConfigError]) -> Response {
    let count = faults.len();
    let words = match faults.first() {
        Some(first) if count == 1 => format!("the configuration was not reloaded: {first}"),
        Some(first) => format!("the configuration was not reloaded: {first}, and {} more", count - 1),
        None => "the configuration was not reloaded".to_owned(),
    };
    let error = ApiError::new(ErrorKind::InvalidRequest, words);
    // What `to_json` writes is a JSON object.
    let mut body: Value = serde_json::from_str(&error.to_json()).unwrap_or_default();
    body["faults"] = faults.iter().map(fault).collect();
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

/// A fault with its place; a place outside of the file has no line.
pub(in crate::control) fn fault(fault: &ConfigError) -> Value {
    let place = &fault.place;
    let position = |n: usize| (n > 0).then_some(n);
    json!({
        "file": (!place.file.is_empty()).then_some(&*place.file),
        "line": position(place.line),
        "column": position(place.column),
        "path": place.path,
        "message": fault.message,
        "suggestion": fault.suggestion,
    })
}
