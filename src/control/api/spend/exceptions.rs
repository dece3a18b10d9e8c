//! `GET /global/activity/exceptions`: how often the deployments of a group answered with 429, by day.

use super::access::{self, About};
use super::activity::shown_day;
use super::dates;
use crate::auth::Principal;
use crate::control::Control;
use crate::control::input::{Answer, Params, Refusal};
use crate::store::LimitedDay;
use axum::extract::State;
use axum::{Extension, Json};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// `/global/activity/exceptions`: of the whole group.
pub(in crate::control) async fn run(
    State(control): State<Control>,
    Extension(principal): Extension<Principal>,
    params: Params,
) -> Answer {
    let rows = found(&control, &principal, &params).await?;
    Ok(Json(daily(rows.iter())))
}

/// `/global/activity/exceptions/deployment`: of each deployment, those with the most first.
pub(in crate::control) async fn by_deployment(
    State(control): State<Control>,
    Extension(principal): Extension<Principal>,
    params: Params,
) -> Answer {
    let rows = found(&control, &principal, &params).await?;
    let mut deployments: BTreeMap<(&str, &str), Vec<&LimitedDay>> = BTreeMap::new();
    for row in &rows {
        deployments.entry((&row.api_base, &row.model_id)).or_default().push(row);
    }
    let mut shown: Vec<(i64, Value)> = deployments
        .into_iter()
        .map(|((base, id), days)| {
            let mut value = daily(days.iter().copied());
            value["deployment"] = json!(if base.is_empty() { id } else { base });
            value["model_id"] = json!(id);
            (days.iter().map(|day| day.attempts).sum(), value)
        })
        .collect();
    shown.sort_by_key(|(attempts, _)| std::cmp::Reverse(*attempts));
    Ok(Json(shown.into_iter().map(|(_, value)| value).collect()))
}

async fn found(
    control: &Control,
    principal: &Principal,
    params: &Params,
) -> Result<Vec<LimitedDay>, Refusal> {
    access::sight(principal, About::Everybody, "/global/activity/exceptions")?;
    let group = params.need("model_group")?;
    let days = dates::named_days(params.text("start_date"), params.text("end_date"))?;
    let (from, to) = (days.0.to_string(), days.1.to_string());
    Ok(control.store.limited_days(group, &from, &to).await?)
}

fn daily<'a>(rows: impl Iterator<Item = &'a LimitedDay> + Clone) -> Value {
    let mut days: BTreeMap<&str, i64> = BTreeMap::new();
    for row in rows {
        *days.entry(&row.day).or_default() += row.attempts;
    }
    let shown = |(day, attempts): (&&str, &i64)| json!({ "date": shown_day(day), "num_rate_limit_exceptions": attempts });
    json!({
        "daily_data": days.iter().map(shown).collect::<Vec<_>>(),
        "sum_num_rate_limit_exceptions": days.values().sum::<i64>(),
    })
}
