//! `POST /team/delete`: teams with their keys and memberships.

use super::{find, members, members_of};
use crate::control::Control;
use crate::control::api::keyrows;
use crate::control::input::{Answer, Caller, Field, Input, Kind, need};
use crate::control::records::{self, forget_limits};
use crate::store::{Filter, MEMBERS, TEAMS};
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

const FORM: &[Field] = &[need("team_ids", Kind::Texts)];

pub(in crate::control) async fn run(State(control): State<Control>, caller: Caller, input: Input) -> Answer {
    caller.must_be_admin()?;
    let ids = records::texts(&input.read(&[FORM])?, "team_ids");
    for id in &ids {
        find(&control, id).await?;
    }
    control.catch_up().await;
    let mut removed = 0;
    for id in &ids {
        // The team goes last: until then its keys are held by its limits.
        keyrows::remove_all(&control, &Filter::Is("team_id", id.clone()), caller.name()).await?;
        let team = control.store.get(&TEAMS, id).await?.unwrap_or_default();
        for user in members_of(&team) {
            members::leave(&control, id, &user).await?;
        }
        for (_, place) in records::search(&control, &MEMBERS, vec![Filter::Is("team_id", id.clone())]).await?
        {
            members::forget(&control, id, records::text(&place, "user_id").unwrap_or_default()).await?;
        }
        let metadata = team.get("metadata").and_then(Value::as_object);
        forget_limits(&control, metadata.and_then(|own| records::text(own, "team_member_budget_id"))).await?;
        removed += u32::from(records::remove(&control, &TEAMS, id).await?);
    }
    Ok(Json(json!(removed)))
}
