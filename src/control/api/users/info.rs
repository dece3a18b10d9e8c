//! `GET /user/info` and `GET /v2/user/info`: a user with its keys and teams, and a user alone.

use super::{ROW, may_see, unknown};
use crate::control::Control;
use crate::control::api::{keyrows, teams};
use crate::control::input::{Answer, Caller, Params, Refusal};
use crate::control::records;
use crate::domain::Scope;
use crate::store::{Doc, Filter, TEAMS, USERS};
use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};

pub(in crate::control) async fn run(
    State(control): State<Control>,
    caller: Caller,
    params: Params,
) -> Answer {
    let asked = params.text("user_id");
    if asked.is_none() && caller.sees_all() {
        let keys = keyrows::list(&control, Vec::new()).await?;
        return Ok(Json(json!({ "user_id": null, "user_info": null, "keys": keys, "teams": [] })));
    }
    let id = own_or(&caller, asked)?;
    let (row, doc) = row(&control, &caller, &id).await?;
    let mut shown = row;
    for (name, value) in RELATED {
        shown.insert(name.to_owned(), if value { json!([]) } else { Value::Null });
    }
    let keys = keyrows::list(&control, vec![Filter::Is("user_id", id.clone())]).await?;
    let teams = teams_of(&control, &id, &doc).await?;
    Ok(Json(json!({ "user_id": id, "user_info": shown, "keys": keys, "teams": teams })))
}

/// `GET /v2/user/info`
pub(in crate::control) async fn flat(
    State(control): State<Control>,
    caller: Caller,
    params: Params,
) -> Answer {
    let id = own_or(&caller, params.text("user_id"))?;
    Ok(Json(Value::Object(row(&control, &caller, &id).await?.0)))
}

/// What LiteLLM shows of other tables, and whether it is a list.
const RELATED: [(&str, bool); 6] = [
    ("litellm_organization_table", false),
    ("organization_memberships", true),
    ("invitations_created", true),
    ("invitations_updated", true),
    ("invitations_user", true),
    ("object_permission", false),
];

fn own_or(caller: &Caller, asked: Option<&str>) -> Result<String, Refusal> {
    let id = asked.or_else(|| caller.user());
    let id = id.ok_or_else(|| Refusal::forbidden("This key belongs to no user."))?;
    may_see(caller, id)?;
    Ok(id.to_owned())
}

async fn row(control: &Control, caller: &Caller, id: &str) -> Result<(Map<String, Value>, Doc), Refusal> {
    may_see(caller, id)?;
    let Some(doc) = control.store.get(&USERS, id).await? else { return Err(unknown(id)) };
    Ok((records::show_one(control, &ROW, Some(Scope::User), id, &doc).await?, doc))
}

/// The teams that count this user among their members.
async fn teams_of(control: &Control, id: &str, doc: &Doc) -> Result<Vec<Value>, Refusal> {
    let mut rows = records::among(control, &TEAMS, &records::texts(doc, "teams")).await?;
    rows.retain(|(_, team)| teams::role_of(team, id).is_some());
    let shown = records::show(control, &teams::ROW, Some(Scope::Team), &rows).await?;
    Ok(shown.into_iter().map(Value::Object).collect())
}
