//! `GET /team/list`, a plain array with keys, and `GET /v2/team/list` by page.

use super::{ROW, leads, role_of};
use crate::control::Control;
use crate::control::api::keyrows;
use crate::control::input::{Answer, Caller, Params, Refusal};
use crate::control::records;
use crate::domain::Scope;
use crate::store::{Doc, Filter, Order, Query, TEAMS, USERS};
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

const SORTED_BY: [&str; 3] = ["team_alias", "organization_id", "created_at"];

/// `GET /team/list`
pub(in crate::control) async fn plain(
    State(control): State<Control>,
    caller: Caller,
    params: Params,
) -> Answer {
    let query = Query { limit: records::MOST, ..query(&control, &caller, &params).await? };
    let found = control.store.list(&TEAMS, &query).await?.rows;
    let mut rows = records::show(&control, &ROW, Some(Scope::Team), &found).await?;
    for (row, (id, team)) in rows.iter_mut().zip(&found) {
        let mut filters = vec![Filter::Is("team_id", id.clone())];
        if !caller.sees_all() && !leads(&caller, team) {
            filters.push(Filter::Is("user_id", caller.user().unwrap_or_default().to_owned()));
        }
        row.insert("keys".to_owned(), Value::from(keyrows::list(&control, filters).await?));
    }
    Ok(Json(json!(rows)))
}

/// `GET /v2/team/list`
pub(in crate::control) async fn paged(
    State(control): State<Control>,
    caller: Caller,
    params: Params,
) -> Answer {
    let page = params.count("page", 1, 1_000_000)?;
    let size = params.count("page_size", 10, 100)?;
    let asked = params.text("sort_by");
    let column = SORTED_BY.into_iter().find(|column| Some(*column) == asked);
    let order = column.map(|column| Order { column, descending: params.text("sort_order") == Some("desc") });
    let offset = (page - 1).saturating_mul(size);
    let query = Query { order, limit: size, offset, ..query(&control, &caller, &params).await? };
    let found = control.store.list(&TEAMS, &query).await?;
    let rows = records::show(&control, &ROW, Some(Scope::Team), &found.rows).await?;
    let pages = found.total.div_ceil(u64::from(size));
    Ok(Json(json!({
        "teams": rows, "total": found.total, "page": page, "page_size": size, "total_pages": pages,
    })))
}

/// What is asked for; whoever does not see all gets the teams it is a member of.
async fn query(control: &Control, caller: &Caller, params: &Params) -> Result<Query, Refusal> {
    let organization = params.text("organization_id").map(|id| Filter::Is("organization_id", id.to_owned()));
    let team = params.text("team_id").map(|id| Filter::Id(id.to_owned()));
    let alias = params.text("team_alias").map(|text| Filter::Contains("team_alias", text.to_owned()));
    let filters = organization.into_iter().chain(team).chain(alias).collect();
    let user = params.text("user_id");
    let any = match (caller.sees_all(), user.or_else(|| caller.user())) {
        (true, _) if user.is_none() => Vec::new(),
        (sees_all, Some(user)) if sees_all || caller.user() == Some(user) => of_user(control, user).await?,
        _ => {
            let words = "Only admin users can query all teams/other teams.";
            return Err(Refusal::forbidden(words));
        }
    };
    Ok(Query { filters, any, ..Query::default() })
}

async fn of_user(control: &Control, user: &str) -> Result<Vec<Vec<Filter>>, Refusal> {
    let doc: Doc = control.store.get(&USERS, user).await?.unwrap_or_default();
    let named = records::among(control, &TEAMS, &records::texts(&doc, "teams")).await?;
    let own: Vec<String> =
        named.into_iter().filter(|(_, team)| role_of(team, user).is_some()).map(|(id, _)| id).collect();
    // A condition that nothing meets.
    let nothing = vec![vec![Filter::OneOf("team_alias", Vec::new())]];
    Ok(if own.is_empty() { nothing } else { records::any_of(&own) })
}
