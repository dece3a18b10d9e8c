//! `POST /team/member_update`: a member's role and limits.

use super::managed;
use super::member_add::{role, terms};
use super::member_delete::member;
use super::members::{self, Joining};
use crate::control::Control;
use crate::control::input::{Answer, Caller, Field, Input, Kind, need, want};
use crate::control::records;
use crate::store::USERS;
use axum::Json;
use axum::extract::State;
use serde_json::json;

const FORM: &[Field] = &[
    need("team_id", Kind::Text),
    want("user_id", Kind::Text),
    want("user_email", Kind::Text),
    want("role", Kind::Word(&["admin", "user"])),
    want("max_budget_in_team", Kind::Money),
    want("budget_duration", Kind::Period),
    want("rpm_limit", Kind::Count),
    want("tpm_limit", Kind::Count),
];

pub(in crate::control) async fn run(State(control): State<Control>, caller: Caller, input: Input) -> Answer {
    let form = input.read(&[FORM])?;
    let (id, team) = managed(&control, &caller, &form).await?;
    let id = id.as_str();
    let user = member(&team, &form)?;
    if let Some(word) = form.get("role").filter(|role| !role.is_null()) {
        let doc = control.store.get(&USERS, &user).await?.unwrap_or_default();
        let email = records::text(&doc, "user_email");
        members::join(&control, id, &Joining { user: &user, email, role: role(word)? }).await?;
    }
    members::limit(&control, id, &user, terms(&form), caller.name()).await?;
    Ok(Json(json!({
        "team_id": id,
        "user_id": user,
        "user_email": form.get("user_email"),
        "max_budget_in_team": form.get("max_budget_in_team"),
        "rpm_limit": form.get("rpm_limit"),
        "tpm_limit": form.get("tpm_limit"),
    })))
}
