//! `POST /team/member_add`: one member or several; users that are not there yet are made.

use super::info::memberships;
use super::members::{self, Joining};
use super::{ROW, managed};
use crate::control::Control;
use crate::control::api::users;
use crate::control::input::{Answer, Caller, Field, Input, Kind, Refusal, check_id, need, want};
use crate::control::records;
use crate::domain::Scope;
use crate::store::{Doc, StoreError, USERS};
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

const FORM: &[Field] = &[
    need("team_id", Kind::Text),
    need("member", Kind::Any),
    want("max_budget_in_team", Kind::Money),
    want("budget_duration", Kind::Period),
    want("rpm_limit", Kind::Count),
    want("tpm_limit", Kind::Count),
];

pub(in crate::control) async fn run(State(control): State<Control>, caller: Caller, input: Input) -> Answer {
    let form = input.read(&[FORM])?;
    let (id, mut team) = managed(&control, &caller, &form).await?;
    let id = id.as_str();
    let (mut users, mut places) = (Vec::new(), Vec::new());
    for entry in list(form.get("member"))? {
        let role = role(&entry["role"])?;
        let (user, doc) = user(&control, &caller, &entry).await?;
        let email = records::text(&doc, "user_email");
        team = members::join(&control, id, &Joining { user: &user, email, role }).await?;
        members::limit(&control, id, &user, terms(&form), caller.name()).await?;
        users.push(shown(&control, &caller, &user).await?);
        places.extend(memberships(&control, id, Some(&user)).await?);
    }
    let mut row = records::show_one(&control, &ROW, Some(Scope::Team), id, &team).await?;
    row.insert("updated_users".to_owned(), Value::from(users));
    row.insert("updated_team_memberships".to_owned(), Value::from(places));
    Ok(Json(Value::Object(row)))
}

fn list(member: Option<&Value>) -> Result<Vec<Value>, Refusal> {
    let list = match member {
        Some(Value::Array(list)) => list.clone(),
        Some(one @ Value::Object(_)) => vec![one.clone()],
        _ => Vec::new(),
    };
    if list.is_empty() || !list.iter().all(Value::is_object) {
        return Err(Refusal::bad(
            "member: wants {\"role\", \"user_id\" or \"user_email\"} or a list of such",
        )
        .of("member"));
    }
    Ok(list)
}

/// `admin` or `user`; the latter if nothing is said.
pub(super) fn role(role: &Value) -> Result<&'static str, Refusal> {
    match role.as_str() {
        Some("admin") => Ok("admin"),
        Some("user") => Ok("user"),
        None if role.is_null() => Ok("user"),
        _ => {
            let words = "Input should be 'admin' or 'user'";
            let fault = json!({ "type": "literal_error", "loc": ["body", "member", "role"], "msg": words, "input": role });
            Err(Refusal::Fields(vec![fault]))
        }
    }
}

/// What `max_budget_in_team` and its like are in a budget row.
pub(super) fn terms(form: &Doc) -> Doc {
    let names = [
        ("max_budget_in_team", "max_budget"),
        ("budget_duration", "budget_duration"),
        ("rpm_limit", "rpm_limit"),
        ("tpm_limit", "tpm_limit"),
    ];
    let terms = names.iter().filter_map(|(from, to)| Some(((*to).to_owned(), form.get(*from)?.clone())));
    terms.collect()
}

/// The user that is meant; made if it is not there.
async fn user(control: &Control, caller: &Caller, entry: &Value) -> Result<(String, Doc), Refusal> {
    let (id, email) = (filled(&entry["user_id"]), filled(&entry["user_email"]));
    let known = match (id, email) {
        (Some(id), _) => control.store.get(&USERS, id).await?.map(|doc| (id.to_owned(), doc)),
        (None, Some(email)) => users::by_email(control, email).await?,
        (None, None) => return Err(Refusal::bad("member: wants a user_id or a user_email").of("member")),
    };
    if let Some(known) = known {
        return Ok(known);
    }
    let id = id.map_or_else(records::new_id, str::to_owned);
    check_id("user_id", &id)?;
    let mut doc = Doc::new();
    if let Some(email) = email {
        check_id("user_email", email)?;
        doc.insert("user_email".to_owned(), json!(email));
    }
    records::stamp(&mut doc, caller.name());
    match records::add(control, &USERS, &id, doc.clone()).await {
        Ok(()) | Err(StoreError::Taken(_)) => Ok((id, doc)),
        Err(error) => Err(error.into()),
    }
}

fn filled(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

/// A user's row to an admin; to a team's own admin no more than that it is a member now.
async fn shown(control: &Control, caller: &Caller, id: &str) -> Result<Value, Refusal> {
    if !caller.sees_all() {
        return Ok(json!({ "user_id": id }));
    }
    let doc = control.store.get(&USERS, id).await?.unwrap_or_default();
    Ok(Value::Object(records::show_one(control, users::new::row(), Some(Scope::User), id, &doc).await?))
}
