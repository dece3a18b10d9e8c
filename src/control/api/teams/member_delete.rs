//! `POST /team/member_delete`: a user's place in a team, and its keys of that team.

use super::{entries, managed, members};
use crate::control::Control;
use crate::control::api::keyrows;
use crate::control::input::{Answer, Caller, Field, Input, Kind, Refusal, need, want};
use crate::control::records;
use crate::store::{Doc, Filter, KEYS};
use axum::extract::State;
use serde_json::Value;

const FORM: &[Field] =
    &[need("team_id", Kind::Text), want("user_id", Kind::Text), want("user_email", Kind::Text)];

pub(in crate::control) async fn run(State(control): State<Control>, caller: Caller, input: Input) -> Answer {
    let form = input.read(&[FORM])?;
    let (id, team) = managed(&control, &caller, &form).await?;
    let id = id.as_str();
    let user = member(&team, &form)?;
    control.catch_up().await;
    let own = [Filter::Is("team_id", id.to_owned()), Filter::Is("user_id", user.clone())];
    for (key, _) in records::search(&control, &KEYS, own.to_vec()).await? {
        keyrows::remove_one(&control, &key, Some(caller.name())).await?;
    }
    let team = members::leave(&control, id, &user).await?.unwrap_or_default();
    super::new::shown(&control, id, &team).await
}

/// The member that is meant, by id or address.
pub(super) fn member(team: &Doc, form: &Doc) -> Result<String, Refusal> {
    let (id, email) = (records::text(form, "user_id"), records::text(form, "user_email"));
    if id.is_none() && email.is_none() {
        return Err(Refusal::bad("Either user_id or user_email needs to be provided"));
    }
    let is_meant = |entry: &&Value| match id {
        Some(id) => entry["user_id"] == id,
        None => email.is_some_and(|email| entry["user_email"] == email),
    };
    let found = entries(team).find(is_meant).and_then(|entry| entry["user_id"].as_str());
    found.map(str::to_owned).ok_or_else(|| Refusal::bad("{'error': 'User not found in team.'}"))
}
