//! `POST /team/new`: a team; whoever makes it is its first admin.

use super::members::{Joining, join};
use super::{FIELDS, OF_MEMBERS, ROW, fold};
use crate::control::Control;
use crate::control::input::{Answer, Caller, Field, Input, Kind, Refusal, check_id, want};
use crate::control::records::{self, BUDGET, RATES, take};
use crate::domain::Scope;
use crate::store::{Doc, StoreError, TEAMS};
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

const ONCE: &[Field] = &[want("team_id", Kind::Text), want("members_with_roles", Kind::List)];

pub(in crate::control) async fn run(State(control): State<Control>, caller: Caller, input: Input) -> Answer {
    caller.must_be_admin()?;
    let mut once = input.read(&[ONCE])?;
    let mut team = input.read(&[FIELDS, RATES, BUDGET])?;
    let of_members = input.read(&[OF_MEMBERS])?;
    let id = match take(&mut once, "team_id") {
        Some(Value::String(id)) if !id.is_empty() => id,
        _ => records::new_id(),
    };
    check_id("team_id", &id)?;
    check_id("team_alias", records::text(&team, "team_alias").unwrap_or_default())?;
    let members = members(&once, &caller)?;
    let taken = || {
        Refusal::bad(format!("{{'error': 'Team id = {id} already exists. Please use a different team id.'}}"))
    };
    // Looked up first so that no budget row is made for nothing.
    if control.store.get(&TEAMS, &id).await?.is_some() {
        return Err(taken());
    }
    fold(&control, &mut team, of_members, None, caller.name()).await?;
    team.retain(|_, value| !value.is_null());
    records::stamp(&mut team, caller.name());
    match records::add(&control, &TEAMS, &id, team.clone()).await {
        Ok(()) => {}
        Err(StoreError::Taken(_)) => return Err(taken()),
        Err(error) => return Err(error.into()),
    }
    for (user, role) in &members {
        team = join(&control, &id, &Joining { user, email: None, role }).await?;
    }
    let row = records::show_one(&control, &ROW, Some(Scope::Team), &id, &team).await?;
    Ok(Json(Value::Object(row)))
}

/// The first members: those named, and the caller as admin.
fn members(once: &Doc, caller: &Caller) -> Result<Vec<(String, String)>, Refusal> {
    let mut members: Vec<(String, String)> = Vec::new();
    for entry in once.get("members_with_roles").and_then(Value::as_array).into_iter().flatten() {
        let Some(user) = entry["user_id"].as_str().filter(|id| !id.is_empty()) else {
            return Err(Refusal::bad("members_with_roles: each wants a user_id").of("members_with_roles"));
        };
        check_id("user_id", user)?;
        let role = super::member_add::role(&entry["role"])?;
        members.push((user.to_owned(), role.to_owned()));
    }
    let own = caller.user().filter(|own| !members.iter().any(|(user, _)| user == own));
    members.extend(own.map(|own| (own.to_owned(), "admin".to_owned())));
    Ok(members)
}

/// The row of a team as answers show it.
pub(super) async fn shown(control: &Control, id: &str, team: &Doc) -> Answer {
    let row = records::show_one(control, &ROW, Some(Scope::Team), id, team).await?;
    Ok(Json(json!(row)))
}
