//! `POST /user/delete`: users with their keys and their places in teams. The answer is a bare number.

use super::unknown;
use crate::control::Control;
use crate::control::api::keyrows;
use crate::control::api::teams::members;
use crate::control::input::{Answer, Caller, Field, Input, Kind, need};
use crate::control::records;
use crate::store::{Filter, MEMBERS, USERS};
use axum::Json;
use axum::extract::State;
use serde_json::Value;

const FORM: &[Field] = &[need("user_ids", Kind::Texts)];

pub(in crate::control) async fn run(State(control): State<Control>, caller: Caller, input: Input) -> Answer {
    caller.must_be_admin()?;
    let ids = records::texts(&input.read(&[FORM])?, "user_ids");
    for id in &ids {
        if control.store.get(&USERS, id).await?.is_none() {
            return Err(unknown(id));
        }
    }
    control.catch_up().await;
    let mut removed = 0;
    for id in &ids {
        // The user goes last: until then its keys are refused or its own.
        keyrows::remove_all(&control, &Filter::Is("user_id", id.clone()), caller.name()).await?;
        let user = control.store.get(&USERS, id).await?.unwrap_or_default();
        let places = records::search(&control, &MEMBERS, vec![Filter::Is("user_id", id.clone())]).await?;
        let of_places =
            places.iter().filter_map(|(_, place)| records::text(place, "team_id").map(str::to_owned));
        for team in records::texts(&user, "teams").into_iter().chain(of_places) {
            members::leave(&control, &team, id).await?;
        }
        removed += u32::from(records::remove(&control, &USERS, id).await?);
    }
    Ok(Json(Value::from(removed)))
}
