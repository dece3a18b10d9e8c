//! `GET /spend/logs/v2` and `/spend/logs/ui`: pages of calls; `/spend/logs/ui/{request_id}`: what was said in one.

use super::access::{self, About, Sight};
use super::logs::stored_key;
use super::{dates, row};
use crate::auth::Principal;
use crate::control::Control;
use crate::control::input::{Answer, Refusal};
use crate::domain::Money;
use crate::store::{CallColumn, CallOrder, CallQuery, MOST_CALLS};
use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};

const PAGE: u32 = 50;
const LARGEST_PAGE: u32 = 100;

/// Which calls, in which order.
#[derive(Deserialize)]
pub(in crate::control) struct Filter {
    start_date: Option<String>,
    end_date: Option<String>,
    api_key: Option<String>,
    user_id: Option<String>,
    team_id: Option<String>,
    request_id: Option<String>,
    model: Option<String>,
    model_id: Option<String>,
    key_alias: Option<String>,
    end_user: Option<String>,
    session_id: Option<String>,
    status_filter: Option<String>,
    min_spend: Option<f64>,
    max_spend: Option<f64>,
    sort_by: Option<String>,
    sort_order: Option<String>,
    page: Option<u32>,
    page_size: Option<u32>,
}

pub(in crate::control) async fn run(
    State(control): State<Control>,
    Extension(principal): Extension<Principal>,
    Query(filter): Query<Filter>,
) -> Answer {
    let sight = access::sight(&principal, About::Single, "/spend/logs/v2")?;
    let size = filter.page_size.unwrap_or(PAGE).clamp(1, LARGEST_PAGE);
    let page = filter.page.unwrap_or(1).max(1);
    let query = filter.query(sight, size, page)?;
    let total = control.store.count_calls(&query).await?;
    let rows = control.store.calls(&query).await?;
    Ok(Json(json!({
        "data": rows.iter().map(row::shown).collect::<Vec<_>>(),
        "total": total,
        "page": page,
        "page_size": size,
        "total_pages": total.div_ceil(u64::from(size)),
    })))
}

impl Filter {
    fn query(self, sight: Sight, size: u32, page: u32) -> Result<CallQuery, Refusal> {
        let (Some(from), Some(to)) = (&self.start_date, &self.end_date) else {
            return Err(Refusal::bad("Start date and end date are required"));
        };
        let (from_ms, to_ms) = (dates::moment(from)?, dates::moment(to)?.saturating_add(1000));
        let order = match self.sort_by.as_deref() {
            Some("spend") => CallOrder::Cost,
            Some("total_tokens") => CallOrder::Tokens,
            Some("request_duration_ms") => CallOrder::Duration,
            None | Some("startTime" | "endTime") => CallOrder::Time,
            Some(_) => {
                return Err(Refusal::bad(
                    "sort_by wants startTime, endTime, spend, total_tokens or request_duration_ms",
                ));
            }
        };
        let only = [
            (CallColumn::RequestId, self.request_id),
            (CallColumn::ApiKey, self.api_key.map(stored_key)),
            (CallColumn::KeyAlias, self.key_alias),
            (CallColumn::User, sight.narrowed(self.user_id)),
            (CallColumn::Team, self.team_id),
            (CallColumn::Customer, self.end_user),
            (CallColumn::Model, self.model),
            (CallColumn::ModelId, self.model_id),
            (CallColumn::Session, self.session_id),
            (CallColumn::Status, self.status_filter),
        ];
        let filled = |(column, value): (CallColumn, Option<String>)| {
            Some((column, value.filter(|text| !text.is_empty())?))
        };
        let pico = |dollars: Option<f64>| dollars.and_then(Money::from_dollars).map(Money::pico);
        Ok(CallQuery {
            only: only.into_iter().filter_map(filled).collect(),
            from_ms: Some(from_ms),
            to_ms: Some(to_ms),
            min_cost: pico(self.min_spend),
            max_cost: pico(self.max_spend),
            order,
            ascending: self.sort_order.as_deref() == Some("asc"),
            limit: size,
            offset: (page - 1).saturating_mul(size).min(MOST_CALLS),
        })
    }
}

/// What was said in a call, where that is kept.
pub(in crate::control) async fn content(
    State(control): State<Control>,
    Extension(principal): Extension<Principal>,
    Path(id): Path<String>,
) -> Answer {
    let sight = access::sight(&principal, About::Single, "/spend/logs/ui")?;
    let mut only = vec![(CallColumn::RequestId, id.clone())];
    only.extend(sight.narrowed(None).map(|user| (CallColumn::User, user)));
    let nothing = json!({ "messages": {}, "response": {}, "proxy_server_request": {} });
    if control.store.calls(&CallQuery { only, limit: 1, ..CallQuery::default() }).await?.is_empty() {
        return Ok(Json(nothing));
    }
    let Some((request, response)) = control.store.call_content(&id).await? else { return Ok(Json(nothing)) };
    let request = request.map_or_else(|| json!({}), json_or_text);
    let messages = request.get("messages").or_else(|| request.get("input")).or_else(|| request.get("prompt"));
    Ok(Json(json!({
        "messages": messages.cloned().unwrap_or_else(|| json!({})),
        "response": response.map_or_else(|| json!({}), json_or_text),
        "proxy_server_request": request,
    })))
}

/// What was cut at a bound is no JSON any more.
fn json_or_text(text: String) -> Value {
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}
