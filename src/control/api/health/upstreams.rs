//! `GET /health`: asks each upstream key for its model list, which costs no token and wakes no model.

use crate::control::Control;
use crate::upstream::{Asked, Deployment, ask_for_models};
use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures::future::join_all;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

/// Which deployments to ask.
#[derive(Deserialize)]
pub(in crate::control) struct Filter {
    model: Option<String>,
    model_id: Option<String>,
}

pub(in crate::control) async fn run(
    State(control): State<Control>,
    Query(filter): Query<Filter>,
) -> Response {
    let snapshot = control.runtime.load();
    let chosen: Vec<Arc<Deployment>> =
        snapshot.deployments.iter().filter(|deployment| filter.takes(deployment)).cloned().collect();
    if let (Some(id), true) = (&filter.model_id, chosen.is_empty()) {
        let words = json!({ "detail": format!("Model with ID {id} not found") });
        return (StatusCode::NOT_FOUND, Json(words)).into_response();
    }
    let answers = ask_each_key_once(&chosen).await;
    let (mut healthy, mut unhealthy) = (Vec::new(), Vec::new());
    for deployment in &chosen {
        let asked = answers.get(&key(deployment)).cloned().unwrap_or(Asked::Unreachable);
        match report(deployment, &asked) {
            (row, true) => healthy.push(row),
            (row, false) => unhealthy.push(row),
        }
    }
    let (healthy_count, unhealthy_count) = (healthy.len(), unhealthy.len());
    Json(json!({
        "healthy_endpoints": healthy,
        "unhealthy_endpoints": unhealthy,
        "healthy_count": healthy_count,
        "unhealthy_count": unhealthy_count,
    }))
    .into_response()
}

impl Filter {
    fn takes(&self, deployment: &Deployment) -> bool {
        self.model.as_ref().is_none_or(|model| *model == deployment.target.group)
            && self.model_id.as_ref().is_none_or(|id| id == deployment.target.id.as_str())
    }
}

/// Deployments that share an origin, a path and a key get one answer.
type Key = (String, Option<crate::domain::Secret>);

fn key(deployment: &Deployment) -> Key {
    let target = &deployment.target;
    (format!("{:?}{}", target.origin, target.base_path), target.api_key.clone())
}

async fn ask_each_key_once(deployments: &[Arc<Deployment>]) -> HashMap<Key, Asked> {
    let mut distinct: HashMap<Key, &Arc<Deployment>> = HashMap::new();
    for deployment in deployments.iter().filter(|d| d.target.unserved.is_none()) {
        distinct.entry(key(deployment)).or_insert(deployment);
    }
    let asked =
        distinct.into_iter().map(|(key, deployment)| async move { (key, ask_for_models(deployment).await) });
    join_all(asked).await.into_iter().collect()
}

fn report(deployment: &Deployment, asked: &Asked) -> (Value, bool) {
    let target = &deployment.target;
    let mut row = json!({
        "api_base": target.api_base,
        "model": &*deployment.traits.words.upstream_model,
        "model_name": target.group,
        "model_id": target.id.as_str(),
        "use_in_pass_through": false,
        "use_litellm_proxy": false,
        "merge_reasoning_content_in_choices": false,
    });
    if let Some(tpm) = target.weights.tpm {
        row["tpm"] = tpm.into();
    }
    if let Some(rpm) = target.weights.rpm {
        row["rpm"] = rpm.into();
    }
    if let Some(left) = deployment.state.cooled() {
        row["cooldown_seconds"] = left.as_secs_f64().into();
    }
    let fault = target.unserved.clone().or_else(|| asked.fault());
    if let Some(fault) = &fault {
        row["error"] = fault.clone().into();
        row["exception_status"] = asked.status().into();
    }
    (row, fault.is_none())
}
