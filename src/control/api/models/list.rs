//! `GET /v1/models`: every public name the key may call, aliases first. A wildcard gives way to the models
//! that its servers have; one whose servers do not tell stays as it is written.

use super::{may_see, model};
use crate::auth::Principal;
use crate::control::Control;
use crate::runtime::Snapshot;
use crate::upstream::{Deployment, refresh_lists};
use axum::extract::State;
use axum::{Extension, Json};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// How long a first list is waited for.
const FIRST: Duration = Duration::from_secs(2);

pub(in crate::control) async fn run(
    State(control): State<Control>,
    Extension(principal): Extension<Principal>,
) -> Json<Value> {
    let snapshot = control.runtime.load();
    ask_servers(&snapshot).await;
    let names = snapshot.listed_names();
    let seen = names.iter().filter(|name| may_see(&snapshot, &principal, name));
    let data: Vec<Value> = seen.map(|name| model(name)).collect();
    Json(json!({ "data": data, "object": "list" }))
}

/// Has servers asked for their models in the background; only for a first list it is waited.
async fn ask_servers(snapshot: &Snapshot) {
    let deployments = snapshot.listing();
    if deployments.is_empty() {
        return;
    }
    let is_new = |deployment: &Arc<Deployment>| {
        deployment.station.as_ref().is_some_and(|station| station.models().is_none())
    };
    let waits = deployments.iter().any(is_new);
    let asking = tokio::spawn(async move { refresh_lists(&deployments).await });
    if waits {
        // Without an answer the wildcard is shown as it is.
        drop(tokio::time::timeout(FIRST, asking).await);
    }
}
