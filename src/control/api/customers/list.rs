//! `GET /customer/list`: a plain array.

use super::ROW;
use crate::control::Control;
use crate::control::api::budgets;
use crate::control::input::{Answer, Caller};
use crate::control::records;
use crate::domain::Scope;
use crate::store::{BUDGETS, CUSTOMERS};
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use std::collections::HashMap;

pub(in crate::control) async fn run(State(control): State<Control>, caller: Caller) -> Answer {
    caller.must_see_all()?;
    let found = records::search(&control, &CUSTOMERS, Vec::new()).await?;
    let mut named: Vec<String> =
        found.iter().filter_map(|(_, doc)| records::text(doc, "budget_id").map(str::to_owned)).collect();
    named.sort_unstable();
    named.dedup();
    let budgets: HashMap<String, Value> = records::among(&control, &BUDGETS, &named)
        .await?
        .into_iter()
        .map(|(id, doc)| {
            let row = budgets::ROW.show(&id, &doc, 0.0);
            (id, Value::Object(row))
        })
        .collect();
    let mut rows = records::show(&control, &ROW, Some(Scope::Customer), &found).await?;
    for row in &mut rows {
        let budget = records::text(row, "budget_id").and_then(|id| budgets.get(id)).cloned();
        row.insert("litellm_budget_table".to_owned(), budget.unwrap_or_default());
    }
    Ok(Json(json!(rows)))
}
