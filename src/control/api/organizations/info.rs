//! `GET /organization/info`: an organization with its teams, to admins and its members.

use super::{shown, unknown};
use crate::control::Control;
use crate::control::api::teams;
use crate::control::input::{Answer, Caller, Params, Refusal};
use crate::control::records;
use crate::domain::Scope;
use crate::store::{Doc, Filter, ORGANIZATIONS, TEAMS};
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

pub(in crate::control) async fn run(
    State(control): State<Control>,
    caller: Caller,
    params: Params,
) -> Answer {
    let id = params.need("organization_id")?;
    let found = control.store.get(&ORGANIZATIONS, id).await?;
    if !caller.sees_all() && !found.as_ref().is_some_and(|doc| is_member(&caller, doc)) {
        return Err(Refusal::forbidden("This organization is not yours to see."));
    }
    let doc = found.ok_or_else(|| unknown(id))?;
    let mut row = shown(&control, id, &doc).await?;
    let filter = Filter::Is("organization_id", id.to_owned());
    let mut found = records::search(&control, &TEAMS, vec![filter]).await?;
    if !caller.sees_all() {
        let own = |team: &Doc| caller.user().is_some_and(|user| teams::role_of(team, user).is_some());
        found.retain(|(_, team)| own(team));
    }
    let rows = records::show(&control, &teams::ROW, Some(Scope::Team), &found).await?;
    row.insert("teams".to_owned(), json!(rows));
    Ok(Json(Value::Object(row)))
}

/// Whether the caller is among an organization's members.
pub(super) fn is_member(caller: &Caller, doc: &Doc) -> bool {
    let members = doc.get("members").and_then(Value::as_array).into_iter().flatten();
    caller.user().is_some_and(|user| members.into_iter().any(|member| member["user_id"] == user))
}
