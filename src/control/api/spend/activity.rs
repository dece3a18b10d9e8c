//! `GET /global/activity` and `/global/activity/model`: calls and tokens by day.

use super::access::{self, About};
use super::global::{Filter, sums};
use super::{dates, dollars};
use crate::auth::Principal;
use crate::control::Control;
use crate::control::input::Answer;
use crate::store::{Dimension, SumQuery, Sums};
use axum::extract::{Query, State};
use axum::{Extension, Json};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// `Nov 21`, as LiteLLM prints days here.
pub(super) fn shown_day(date: &str) -> String {
    dates::day(date).map_or_else(|_| date.to_owned(), |day| day.strftime("%b %d").to_string())
}

fn tokens(sums: &Sums) -> i64 {
    sums.prompt_tokens + sums.completion_tokens
}

fn daily<'a>(rows: impl Iterator<Item = &'a Sums> + Clone) -> Value {
    let days = rows.clone().map(|sums| {
        let date = sums.group.first().map_or("", String::as_str);
        json!({ "date": shown_day(date), "api_requests": sums.requests, "total_tokens": tokens(sums) })
    });
    json!({
        "daily_data": days.collect::<Vec<_>>(),
        "sum_api_requests": rows.clone().map(|sums| sums.requests).sum::<i64>(),
        "sum_total_tokens": rows.map(tokens).sum::<i64>(),
    })
}

pub(in crate::control) async fn run(
    State(control): State<Control>,
    Extension(principal): Extension<Principal>,
    Query(filter): Query<Filter>,
) -> Answer {
    access::sight(&principal, About::Everybody, "/global/activity")?;
    let days = dates::named_days(filter.start_date.as_deref(), filter.end_date.as_deref())?;
    let rows = control.store.usage_sums(&sums(days, &[Dimension::Day])).await?;
    Ok(Json(daily(rows.iter())))
}

pub(in crate::control) async fn by_model(
    State(control): State<Control>,
    Extension(principal): Extension<Principal>,
    Query(filter): Query<Filter>,
) -> Answer {
    access::sight(&principal, About::Everybody, "/global/activity/model")?;
    let days = dates::named_days(filter.start_date.as_deref(), filter.end_date.as_deref())?;
    let only = filter.model.clone().map(|model| (Dimension::ModelGroup, vec![model]));
    let query = SumQuery {
        only: only.into_iter().collect(),
        known: Some(Dimension::ModelGroup),
        ..sums(days, &[Dimension::Day, Dimension::ModelGroup])
    };
    let rows = control.store.usage_sums(&query).await?;
    let mut models: BTreeMap<&str, Vec<&Sums>> = BTreeMap::new();
    for sums in &rows {
        models.entry(sums.group.get(1).map_or("", String::as_str)).or_default().push(sums);
    }
    let mut shown: Vec<(i64, Value)> = models
        .into_iter()
        .map(|(model, days)| {
            let mut value = daily(days.iter().copied());
            value["model"] = json!(model);
            (days.iter().map(|sums| sums.requests).sum(), value)
        })
        .collect();
    shown.sort_by_key(|(requests, _)| std::cmp::Reverse(*requests));
    Ok(Json(shown.into_iter().map(|(_, value)| value).collect()))
}

/// Nothing is cached yet, so nothing was hit.
pub(in crate::control) async fn cache_hits(
    State(control): State<Control>,
    Extension(principal): Extension<Principal>,
    Query(filter): Query<Filter>,
) -> Answer {
    access::sight(&principal, About::Everybody, "/global/activity/cache_hits")?;
    let rows =
        control.store.usage_sums(&sums(filter.days()?, &[Dimension::ApiKey, Dimension::ModelGroup])).await?;
    let shown = rows.iter().map(|sums| {
        json!({
            "api_key": sums.group.first(),
            "call_type": "acompletion",
            "model": sums.group.get(1),
            "total_rows": sums.requests,
            "cache_hit_true_rows": 0,
            "cached_completion_tokens": 0,
            "generated_completion_tokens": sums.completion_tokens,
            "total_spend": dollars(sums.cost),
        })
    });
    Ok(Json(shown.collect()))
}
