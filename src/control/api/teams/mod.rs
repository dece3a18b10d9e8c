//! `/team/*`: teams, their members and their models.

pub(in crate::control) mod available;
pub(in crate::control) mod block;
pub(in crate::control) mod delete;
pub(in crate::control) mod info;
pub(in crate::control) mod list;
pub(in crate::control) mod member_add;
pub(in crate::control) mod member_delete;
pub(in crate::control) mod member_update;
pub(in crate::control) mod members;
pub(in crate::control) mod model;
pub(in crate::control) mod new;
pub(in crate::control) mod update;

use crate::control::Control;
use crate::control::input::{Caller, Field, Kind, Refusal, want};
use crate::control::records::{self, Blank, Row, budget_row};
use crate::domain::{ApiError, ErrorKind};
use crate::store::{Doc, TEAMS};
use serde_json::{Value, json};

/// What is said of a team besides its limits.
const FIELDS: &[Field] = &[
    want("team_alias", Kind::Text),
    want("models", Kind::Texts),
    want("metadata", Kind::Map),
    want("organization_id", Kind::Text),
    want("model_aliases", Kind::Map),
    want("blocked", Kind::Truth),
    want("model_rpm_limit", Kind::Counts),
    want("model_tpm_limit", Kind::Counts),
    want("tags", Kind::Texts),
    want("guardrails", Kind::Texts),
    want("policies", Kind::Texts),
    want("router_settings", Kind::Map),
    want("object_permission", Kind::Map),
    want("team_member_permissions", Kind::Texts),
    want("team_member_key_duration", Kind::Period),
];

/// What holds for each member: kept in a budget row that the metadata names.
const OF_MEMBERS: &[Field] = &[
    want("team_member_budget", Kind::Money),
    want("team_member_budget_duration", Kind::Period),
    want("team_member_rpm_limit", Kind::Count),
    want("team_member_tpm_limit", Kind::Count),
];

/// A row of teams.
pub(super) const ROW: Row = Row(&[
    ("team_alias", Blank::Null),
    ("team_id", Blank::Id),
    ("organization_id", Blank::Null),
    ("admins", Blank::List),
    ("members", Blank::List),
    ("members_with_roles", Blank::List),
    ("team_member_permissions", Blank::List),
    ("metadata", Blank::Map),
    ("tpm_limit", Blank::Null),
    ("rpm_limit", Blank::Null),
    ("max_budget", Blank::Null),
    ("soft_budget", Blank::Null),
    ("budget_duration", Blank::Null),
    ("models", Blank::List),
    ("blocked", Blank::False),
    ("router_settings", Blank::Null),
    ("spend", Blank::Spend),
    ("max_parallel_requests", Blank::Null),
    ("budget_reset_at", Blank::Reset),
    ("policies", Blank::List),
    ("model_spend", Blank::Map),
    ("model_max_budget", Blank::Map),
    ("model_aliases", Blank::Map),
    ("model_id", Blank::Null),
    ("litellm_model_table", Blank::Null),
    ("object_permission_id", Blank::Null),
    ("object_permission", Blank::Null),
    ("created_at", Blank::Null),
    ("updated_at", Blank::Null),
]);

/// The team of that id.
async fn find(control: &Control, id: &str) -> Result<Doc, Refusal> {
    control.store.get(&TEAMS, id).await?.ok_or_else(|| unknown(id))
}

/// LiteLLM's words for a team that is not there.
pub(super) fn unknown(id: &str) -> Refusal {
    let words = format!("{{'message': 'Team not found, passed team id: {id}.'}}");
    let mut error = ApiError::new(ErrorKind::Missing, words);
    error.kind_word = Some("auth_error".to_owned());
    Refusal::Api(error)
}

/// A user's role in a team; `None` for somebody else.
pub(super) fn role_of<'a>(team: &'a Doc, user: &str) -> Option<&'a str> {
    let member = entries(team).find(|entry| entry["user_id"] == user)?;
    Some(member.get("role").and_then(Value::as_str).unwrap_or("user"))
}

/// The ids of all members.
pub(super) fn members_of(team: &Doc) -> Vec<String> {
    entries(team).filter_map(|entry| entry["user_id"].as_str().map(str::to_owned)).collect()
}

fn entries(team: &Doc) -> impl Iterator<Item = &Value> {
    team.get("members_with_roles").and_then(Value::as_array).into_iter().flatten()
}

/// Lets those go on who see all, the team's members and its keys.
fn may_see(caller: &Caller, id: &str, team: &Doc) -> Result<(), Refusal> {
    let member = caller.user().is_some_and(|user| role_of(team, user).is_some());
    if caller.sees_all() || member || caller.team() == Some(id) {
        return Ok(());
    }
    Err(Refusal::forbidden(format!("User is not allowed to view this team's info. Team={id}")))
}

/// Whether the caller is an admin of the team.
fn leads(caller: &Caller, team: &Doc) -> bool {
    caller.manages() && caller.user().is_some_and(|user| role_of(team, user) == Some("admin"))
}

/// The team that a form names, if the caller may manage it; to others a team that is not there is as one that is.
async fn managed(control: &Control, caller: &Caller, form: &Doc) -> Result<(String, Doc), Refusal> {
    let id = records::text(form, "team_id").unwrap_or_default();
    let found = control.store.get(&TEAMS, id).await?;
    may_manage(caller, id, found.as_ref().unwrap_or(&Doc::new()))?;
    let team = found.ok_or_else(|| unknown(id))?;
    Ok((id.to_owned(), team))
}

/// Lets admins go on, and the team's own.
fn may_manage(caller: &Caller, id: &str, team: &Doc) -> Result<(), Refusal> {
    if caller.is_admin() || leads(caller, team) {
        return Ok(());
    }
    Err(Refusal::forbidden(format!("User is not proxy admin OR team admin. Team={id}")))
}

/// Moves what LiteLLM keeps in the metadata there, and writes the members' budget row.
async fn fold(
    control: &Control,
    said: &mut Doc,
    of_members: Doc,
    present: Option<&Doc>,
    by: &str,
) -> Result<(), Refusal> {
    let kept = present.and_then(|team| team.get("metadata")).and_then(Value::as_object);
    let budget = kept.and_then(|metadata| records::text(metadata, "team_member_budget_id"));
    let mut terms = Doc::new();
    for (name, value) in of_members {
        let name = match name.as_str() {
            "team_member_budget" => "max_budget",
            "team_member_budget_duration" => "budget_duration",
            "team_member_rpm_limit" => "rpm_limit",
            _ => "tpm_limit",
        };
        terms.insert(name.to_owned(), value);
    }
    let budget = budget_row(control, &mut terms, budget, by).await?;
    let mut metadata = match said.remove("metadata") {
        Some(Value::Object(metadata)) => metadata,
        Some(_) => Doc::new(),
        None => kept.cloned().unwrap_or_default(),
    };
    // The name of the budget row is not the caller's to choose.
    metadata.remove("team_member_budget_id");
    if let Some(id) = budget {
        metadata.insert("team_member_budget_id".to_owned(), json!(id));
    }
    for name in ["model_rpm_limit", "model_tpm_limit", "tags", "guardrails", "team_member_key_duration"] {
        if let Some(value) = said.remove(name) {
            metadata.insert(name.to_owned(), value);
        }
    }
    said.insert("metadata".to_owned(), Value::Object(metadata));
    Ok(())
}
