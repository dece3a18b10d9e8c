//! `GET /team/info`: a team with its keys and memberships.

use super::{ROW, find, leads, may_see};
use crate::control::Control;
use crate::control::api::{budgets, keyrows};
use crate::control::input::{Answer, Caller, Params, Refusal};
use crate::control::records;
use crate::domain::Scope;
use crate::store::{BUDGETS, Doc, Filter, MEMBERS};
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

pub(in crate::control) async fn run(
    State(control): State<Control>,
    caller: Caller,
    params: Params,
) -> Answer {
    let id = match params.text("team_id").or_else(|| caller.team()) {
        Some(id) => id.to_owned(),
        None => params.need("team_id")?.to_owned(),
    };
    // Whether a team exists is not for everybody to find out.
    let found = control.store.get(&crate::store::TEAMS, &id).await?;
    may_see(&caller, &id, &found.unwrap_or_default())?;
    let team = find(&control, &id).await?;
    let all = caller.sees_all() || leads(&caller, &team);
    let mut filters = vec![Filter::Is("team_id", id.clone())];
    if !all {
        filters.push(match caller.user() {
            Some(user) => Filter::Is("user_id", user.to_owned()),
            None => Filter::Id(caller.principal().key_hash.to_string()),
        });
    }
    let keys = keyrows::list(&control, filters).await?;
    let mut row = records::show_one(&control, &ROW, Some(Scope::Team), &id, &team).await?;
    row.insert("team_member_budget_table".to_owned(), member_budget(&control, &team).await?);
    let only = if all { None } else { Some(caller.user().unwrap_or_default()) };
    let memberships = memberships(&control, &id, only).await?;
    Ok(Json(json!({ "team_id": id, "team_info": row, "keys": keys, "team_memberships": memberships })))
}

async fn member_budget(control: &Control, team: &Doc) -> Result<Value, Refusal> {
    let metadata = team.get("metadata").and_then(Value::as_object);
    let Some(id) = metadata.and_then(|own| records::text(own, "team_member_budget_id")) else {
        return Ok(Value::Null);
    };
    budgets::table(control, Some(id)).await
}

/// The members that have limits of their own; `only` that one if it is given.
pub(super) async fn memberships(
    control: &Control,
    team: &str,
    only: Option<&str>,
) -> Result<Vec<Value>, Refusal> {
    let mut filters = vec![Filter::Is("team_id", team.to_owned())];
    filters.extend(only.map(|user| Filter::Is("user_id", user.to_owned())));
    let places = records::search(control, &MEMBERS, filters).await?;
    let budgets: Vec<String> =
        places.iter().filter_map(|(_, place)| records::text(place, "budget_id").map(str::to_owned)).collect();
    let budgets = records::among(control, &BUDGETS, &budgets).await?;
    let spent = records::show(control, &PLACE, Some(Scope::Member), &places).await?;
    let with_budget = spent.into_iter().map(|mut place| {
        let id = records::text(&place, "budget_id");
        let budget = budgets.iter().find(|(known, _)| Some(known.as_str()) == id);
        let table = budget.map(|(id, doc)| Value::Object(budgets::ROW.show(id, doc, 0.0)));
        place.insert("litellm_budget_table".to_owned(), table.unwrap_or_default());
        Value::Object(place)
    });
    Ok(with_budget.collect())
}

/// A row of memberships.
const PLACE: records::Row = records::Row(&[
    ("user_id", records::Blank::Null),
    ("team_id", records::Blank::Null),
    ("budget_id", records::Blank::Null),
    ("spend", records::Blank::Spend),
]);
