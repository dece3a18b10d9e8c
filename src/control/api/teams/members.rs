//! Users within teams: both the team's list and the user's are kept.

use crate::control::Control;
use crate::control::input::Refusal;
use crate::control::records::{self, budget_row, forget_limits};
use crate::store::{Doc, MEMBERS, StoreError, TEAMS, USERS, member_id};
use serde_json::{Value, json};

/// Who joins a team.
pub(in crate::control) struct Joining<'a> {
    /// The user.
    pub(in crate::control) user: &'a str,
    /// Its address, if known.
    pub(in crate::control) email: Option<&'a str>,
    /// `admin` or `user`.
    pub(in crate::control) role: &'a str,
}

/// Adds a user to a team, or gives it another role there.
pub(in crate::control) async fn join(
    control: &Control,
    team: &str,
    who: &Joining<'_>,
) -> Result<Doc, Refusal> {
    let joined = records::change(control, &TEAMS, team, |doc| {
        let list = doc.entry("members_with_roles").or_insert_with(|| json!([]));
        if !list.is_array() {
            *list = json!([]);
        }
        let entry = json!({ "role": who.role, "user_id": who.user, "user_email": who.email });
        let Some(list) = list.as_array_mut() else { return Ok(()) };
        match list.iter_mut().find(|entry| entry["user_id"] == who.user) {
            Some(known) => *known = entry,
            None => list.push(entry),
        }
        Ok::<_, Refusal>(())
    });
    let doc = joined.await?.ok_or_else(|| super::unknown(team))?;
    on_list(control, who.user, |teams| {
        if !teams.iter().any(|known| known == team) {
            teams.push(json!(team));
        }
    })
    .await?;
    Ok(doc)
}

/// Removes a user from a team, with the limits it had there; `None` if there is no such team.
pub(in crate::control) async fn leave(
    control: &Control,
    team: &str,
    user: &str,
) -> Result<Option<Doc>, Refusal> {
    let left = records::change(control, &TEAMS, team, |doc| {
        if let Some(list) = doc.get_mut("members_with_roles").and_then(Value::as_array_mut) {
            list.retain(|entry| entry["user_id"] != user);
        }
        Ok::<_, Refusal>(())
    });
    let left = left.await?;
    on_list(control, user, |teams| teams.retain(|known| known != team)).await?;
    forget(control, team, user).await?;
    Ok(left)
}

/// Removes what a user's limits within a team were, and what it spent there.
pub(super) async fn forget(control: &Control, team: &str, user: &str) -> Result<(), Refusal> {
    let id = member_id(user, team);
    let place = control.store.get(&MEMBERS, &id).await?.unwrap_or_default();
    records::remove(control, &MEMBERS, &id).await?;
    forget_limits(control, records::text(&place, "budget_id")).await
}

/// Sets a user's limits within a team.
pub(super) async fn limit(
    control: &Control,
    team: &str,
    user: &str,
    mut terms: Doc,
    by: &str,
) -> Result<(), Refusal> {
    if terms.is_empty() {
        return Ok(());
    }
    let id = member_id(user, team);
    let place = control.store.get(&MEMBERS, &id).await?;
    let present = place.as_ref().and_then(|place| records::text(place, "budget_id"));
    let Some(budget) = budget_row(control, &mut terms, present, by).await? else { return Ok(()) };
    let mut doc = Doc::new();
    doc.insert("user_id".to_owned(), json!(user));
    doc.insert("team_id".to_owned(), json!(team));
    doc.insert("budget_id".to_owned(), json!(budget));
    records::stamp(&mut doc, by);
    match records::add(control, &MEMBERS, &id, doc).await {
        Err(StoreError::Taken(_)) => {}
        other => return other.map_err(Refusal::from),
    }
    let changed = records::change(control, &MEMBERS, &id, |doc| {
        doc.insert("budget_id".to_owned(), json!(budget));
        records::touch(doc, by);
        Ok::<_, Refusal>(())
    });
    changed.await.map(drop)
}

async fn on_list(
    control: &Control,
    user: &str,
    mut edit: impl FnMut(&mut Vec<Value>),
) -> Result<(), Refusal> {
    let changed = records::change(control, &USERS, user, |doc| {
        let list = doc.entry("teams").or_insert_with(|| json!([]));
        if !list.is_array() {
            *list = json!([]);
        }
        if let Some(list) = list.as_array_mut() {
            edit(list);
        }
        Ok::<_, Refusal>(())
    });
    changed.await.map(drop)
}
