//! `GET /user/list`: users by page.

use super::ROW;
use crate::control::Control;
use crate::control::input::{Answer, Caller, Params, Refusal};
use crate::control::records;
use crate::domain::Scope;
use crate::store::{Filter, KEYS, Order, Query, TEAMS, USERS};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

const SORTED_BY: [&str; 4] = ["user_email", "user_alias", "user_role", "created_at"];

pub(in crate::control) async fn run(
    State(control): State<Control>,
    caller: Caller,
    params: Params,
) -> Result<Response, Refusal> {
    if !caller.sees_all() {
        let words = "Only proxy admins and organization admins can list users.";
        let body = Json(json!({ "detail": { "error": words } }));
        return Ok((StatusCode::FORBIDDEN, body).into_response());
    }
    page(&control, &params).await.map(IntoResponse::into_response)
}

async fn page(control: &Control, params: &Params) -> Answer {
    let page = params.count("page", 1, 1_000_000)?;
    let size = params.count("page_size", 25, 100)?;
    let query = Query {
        filters: filters(params),
        any: ids(control, params).await?,
        order: order(params),
        limit: size,
        offset: (page - 1).saturating_mul(size),
    };
    let found = control.store.list(&USERS, &query).await?;
    let mut users = records::show(control, &ROW, Some(Scope::User), &found.rows).await?;
    for (user, (id, _)) in users.iter_mut().zip(&found.rows) {
        let filters = vec![Filter::Is("user_id", id.clone())];
        let keys = control.store.list(&KEYS, &Query { filters, ..Query::default() }).await?.total;
        user.insert("key_count".to_owned(), Value::from(keys));
    }
    Ok(Json(json!({
        "users": users,
        "total": found.total,
        "page": page,
        "page_size": size,
        "total_pages": found.total.div_ceil(u64::from(size)),
    })))
}

fn filters(params: &Params) -> Vec<Filter> {
    let role = params.text("role").map(|role| Filter::Is("user_role", role.to_owned()));
    let email = params.text("user_email").map(|text| Filter::Contains("user_email", text.to_owned()));
    let sso = params.text("sso_user_ids").map(|list| Filter::OneOf("sso_user_id", split(list)));
    role.into_iter().chain(email).chain(sso).collect()
}

/// The ids that `user_ids` and `team` leave; none is any.
async fn ids(control: &Control, params: &Params) -> Result<Vec<Vec<Filter>>, Refusal> {
    let mut ids = params.text("user_ids").map(split);
    if let Some(team) = params.text("team") {
        let doc = control.store.get(&TEAMS, team).await?.unwrap_or_default();
        let mut members = super::super::teams::members_of(&doc);
        members.retain(|id| ids.as_ref().is_none_or(|ids| ids.contains(id)));
        ids = Some(members);
    }
    Ok(match ids {
        None => Vec::new(),
        // A condition that nothing meets.
        Some(ids) if ids.is_empty() => vec![vec![Filter::OneOf("user_role", Vec::new())]],
        Some(ids) => records::any_of(&ids),
    })
}

fn split(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect()
}

fn order(params: &Params) -> Option<Order> {
    let asked = params.text("sort_by");
    let column = SORTED_BY.into_iter().find(|column| Some(*column) == asked);
    let descending = params.text("sort_order").map_or(column.is_none(), |word| word == "desc");
    Some(Order { column: column.unwrap_or("created_at"), descending })
}
