//! Keys as rows of other answers, and their end with whom they belong to.

use crate::control::Control;
use crate::control::input::Refusal;
use crate::control::records::{self, Blank, Row};
use crate::domain::Scope;
use crate::store::{Doc, Filter, KEYS, StoreError, TEAMS};
use serde_json::Value;
use std::collections::HashMap;

/// A row of keys; the id is the digest.
const ROW: Row = Row(&[
    ("token", Blank::Id),
    ("key_name", Blank::Null),
    ("key_alias", Blank::Null),
    ("soft_budget_cooldown", Blank::False),
    ("spend", Blank::Spend),
    ("expires", Blank::Null),
    ("models", Blank::List),
    ("aliases", Blank::Map),
    ("config", Blank::Map),
    ("user_id", Blank::Null),
    ("team_id", Blank::Null),
    ("permissions", Blank::Map),
    ("max_parallel_requests", Blank::Null),
    ("metadata", Blank::Map),
    ("blocked", Blank::Null),
    ("tpm_limit", Blank::Null),
    ("rpm_limit", Blank::Null),
    ("max_budget", Blank::Null),
    ("budget_duration", Blank::Null),
    ("budget_reset_at", Blank::Reset),
    ("allowed_cache_controls", Blank::List),
    ("allowed_routes", Blank::List),
    ("model_spend", Blank::Map),
    ("model_max_budget", Blank::Map),
    ("budget_id", Blank::Null),
    ("organization_id", Blank::Null),
    ("created_at", Blank::Null),
    ("created_by", Blank::Null),
    ("updated_at", Blank::Null),
    ("updated_by", Blank::Null),
]);

/// The keys that all filters find, with the names of their teams.
pub(in crate::control) async fn list(control: &Control, filters: Vec<Filter>) -> Result<Vec<Value>, Refusal> {
    let found = records::search(control, &KEYS, filters).await?;
    let mut teams: Vec<String> =
        found.iter().filter_map(|(_, doc)| records::text(doc, "team_id").map(str::to_owned)).collect();
    teams.sort_unstable();
    teams.dedup();
    let named = records::among(control, &TEAMS, &teams).await?;
    let aliases: HashMap<&str, Option<&str>> =
        named.iter().map(|(id, doc)| (id.as_str(), records::text(doc, "team_alias"))).collect();
    let rows = records::show(control, &ROW, Some(Scope::Key), &found).await?;
    let with_alias = rows.into_iter().map(|mut row| {
        let alias = records::text(&row, "team_id").and_then(|team| aliases.get(team).copied().flatten());
        let alias = Value::from(alias);
        row.insert("team_alias".to_owned(), alias);
        Value::Object(row)
    });
    Ok(with_alias.collect())
}

/// Removes one key, which is refused from now on, and notes who did; false if there was none.
pub(in crate::control) async fn remove_one(
    control: &Control,
    id: &str,
    by: Option<&str>,
) -> Result<bool, StoreError> {
    let mut farewell = Doc::new();
    farewell.insert("deleted_at".to_owned(), Value::from(records::now()));
    farewell.insert("deleted_by".to_owned(), Value::from(by));
    let removed = control.store.delete_key(id, farewell).await?;
    control.directory.changed(KEYS.kind, id);
    Ok(removed)
}

/// Removes all keys that a filter finds; they are refused from now on.
pub(in crate::control) async fn remove_all(
    control: &Control,
    filter: &Filter,
    by: &str,
) -> Result<(), Refusal> {
    loop {
        let found = records::search(control, &KEYS, vec![filter.clone()]).await?;
        for (id, _) in &found {
            remove_one(control, id, Some(by)).await?;
        }
        if found.len() < records::MOST as usize {
            return Ok(());
        }
    }
}
