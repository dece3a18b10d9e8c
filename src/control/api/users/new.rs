//! `POST /user/new`: a user, and a key of its own unless told otherwise.

use super::mint::mint;
use super::{FIELDS, ROW, by_email, fold_model_limits, set_spend};
use crate::control::Control;
use crate::control::api::teams::members::{self, Joining};
use crate::control::input::{Answer, Caller, Field, Input, Kind, Refusal, check_id, want};
use crate::control::records::{self, BUDGET, Blank, RATES, Row, lay_over, take};
use crate::domain::Scope;
use crate::store::{Doc, StoreError, TEAMS, USERS};
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

/// What is said of the user's first key.
const KEY: &[Field] = &[
    want("auto_create_key", Kind::Truth),
    want("teams", Kind::List),
    want("key_alias", Kind::Text),
    want("duration", Kind::Period),
    want("team_id", Kind::Text),
    want("aliases", Kind::Map),
    want("config", Kind::Map),
    want("permissions", Kind::Map),
    want("blocked", Kind::Truth),
    want("allowed_routes", Kind::Texts),
];

/// What the answer says of the user and not of its key.
const OF_USER: [(&str, &str); 7] = [
    ("max_budget", "max_budget"),
    ("budget_duration", "budget_duration"),
    ("spend", "spend"),
    ("user_email", "user_email"),
    ("user_role", "user_role"),
    ("user_alias", "user_alias"),
    ("metadata", "metadata"),
];

/// The answer without a key.
const ANSWER: Row = Row(&[
    ("models", Blank::List),
    ("user_id", Blank::Id),
    ("max_parallel_requests", Blank::Null),
    ("tpm_limit", Blank::Null),
    ("rpm_limit", Blank::Null),
    ("expires", Blank::Null),
    ("key_name", Blank::Null),
    ("created_at", Blank::Null),
    ("updated_at", Blank::Null),
]);

pub(in crate::control) async fn run(State(control): State<Control>, caller: Caller, input: Input) -> Answer {
    caller.must_be_admin()?;
    let user = input.read(&[FIELDS, RATES, BUDGET])?;
    let mut key = input.read(&[KEY])?;
    let joined = teams(&control, take(&mut key, "teams")).await?;
    let makes_key = take(&mut key, "auto_create_key") != Some(Value::Bool(false));
    let (id, user) = add(&control, user, &caller).await?;
    for team in &joined {
        let joining = Joining { user: &id, email: records::text(&user, "user_email"), role: "user" };
        members::join(&control, team, &joining).await?;
    }
    let mut answer = if makes_key {
        match mint(&control, &caller, key_of(&id, &user, key)).await {
            Ok(answer) => answer,
            Err(refusal) => {
                // Else the same call, put right, would be told that the user is there already.
                take_back(&control, &id, &joined).await?;
                return Err(refusal);
            }
        }
    } else {
        ANSWER.show(&id, &user, 0.0)
    };
    let row = records::show_one(&control, &ROW, Some(Scope::User), &id, &user).await?;
    for (name, of_row) in OF_USER {
        answer.insert(name.to_owned(), row.get(of_row).cloned().unwrap_or_default());
    }
    answer.entry("key").or_insert_with(|| json!(""));
    answer.insert("teams".to_owned(), json!(joined));
    for name in ["token", "token_id", "created_by", "updated_by"] {
        answer.insert(name.to_owned(), Value::Null);
    }
    Ok(Json(Value::Object(answer)))
}

async fn take_back(control: &Control, id: &str, joined: &[String]) -> Result<(), Refusal> {
    for team in joined {
        members::leave(control, team, id).await?;
    }
    records::remove(control, &USERS, id).await?;
    Ok(())
}

/// Adds a user; its id is made up if none is given.
pub(in crate::control) async fn add(
    control: &Control,
    mut user: Doc,
    caller: &Caller,
) -> Result<(String, Doc), Refusal> {
    let id = match take(&mut user, "user_id") {
        Some(Value::String(id)) if !id.is_empty() => id,
        _ => records::new_id(),
    };
    check_id("user_id", &id)?;
    for name in ["user_email", "user_alias", "sso_user_id"] {
        check_id(name, records::text(&user, name).unwrap_or_default())?;
    }
    if let Some(email) = records::text(&user, "user_email")
        && by_email(control, email).await?.is_some()
    {
        return Err(Refusal::bad(format!("{{'error': 'User with email {email} already exists'}}")));
    }
    let spend = take(&mut user, "spend");
    fold_model_limits(&mut user);
    user.retain(|_, value| !value.is_null());
    records::stamp(&mut user, caller.name());
    match records::add(control, &USERS, &id, user.clone()).await {
        Ok(()) => {}
        Err(StoreError::Taken(_)) => {
            return Err(Refusal::taken(format!("{{'error': 'User with id {id} already exists'}}")));
        }
        Err(error) => return Err(error.into()),
    }
    set_spend(control, &id, spend).await?;
    Ok((id, user))
}

/// The ids of the teams to join, all of which are there.
async fn teams(control: &Control, list: Option<Value>) -> Result<Vec<String>, Refusal> {
    let mut ids: Vec<String> = Vec::new();
    for entry in list.as_ref().and_then(Value::as_array).into_iter().flatten() {
        let id = entry.as_str().or_else(|| entry.get("team_id").and_then(Value::as_str));
        let Some(id) = id else { return Err(Refusal::bad("teams: wants ids of teams").of("teams")) };
        if control.store.get(&TEAMS, id).await?.is_none() {
            return Err(super::super::teams::unknown(id));
        }
        if !ids.iter().any(|known| known == id) {
            ids.push(id.to_owned());
        }
    }
    Ok(ids)
}

/// The user's key has its models and speed; its money is the user's own.
fn key_of(id: &str, user: &Doc, said: Doc) -> Doc {
    let names = ["models", "tpm_limit", "rpm_limit", "max_parallel_requests", "allowed_cache_controls"];
    let mut key: Doc =
        names.iter().filter_map(|name| Some(((*name).to_owned(), user.get(*name)?.clone()))).collect();
    lay_over(&mut key, &said);
    key.insert("user_id".to_owned(), Value::from(id));
    key
}

/// The row of a new user, for those who add one by the way.
pub(in crate::control) const fn row() -> &'static Row {
    &ROW
}
