//! `GET /v1/search/tools`: the search tools there are.

use crate::control::Control;
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

pub(in crate::control) async fn tools(State(control): State<Control>) -> Json<Value> {
    let snapshot = control.runtime.load();
    let tools = snapshot.config.search_tools.iter().map(|tool| {
        let mut row = json!({ "search_tool_name": tool.name, "search_provider": tool.engine.name });
        if let Some(description) = &tool.description {
            row["description"] = description.as_str().into();
        }
        row
    });
    Json(json!({ "object": "list", "data": tools.collect::<Vec<_>>() }))
}
