//! `/global/spend*`: what everybody spends, the last 30 days unless days are named.

use super::access::{self, About};
use super::logs::stored_key;
use super::{MOST_GROUPS, dates, dollars};
use crate::auth::Principal;
use crate::control::Control;
use crate::control::input::{Answer, Refusal};
use crate::domain::Scope;
use crate::store::{BUDGETS, Dimension, Source, SumOrder, SumQuery, Sums};
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::{Extension, Json};
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Entries of a list of those who spent the most.
const TOP: u32 = 100;

/// Which days, and how many.
#[derive(Deserialize, Default)]
pub(in crate::control) struct Filter {
    pub(super) start_date: Option<String>,
    pub(super) end_date: Option<String>,
    pub(super) api_key: Option<String>,
    pub(super) model: Option<String>,
    limit: Option<u32>,
    tags: Option<String>,
}

impl Filter {
    pub(super) fn days(&self) -> Result<(Date, Date), Refusal> {
        dates::days(self.start_date.as_deref(), self.end_date.as_deref())
    }

    fn top(&self) -> u32 {
        self.limit.unwrap_or(TOP).clamp(1, TOP)
    }
}

/// A question about those days.
pub(super) fn sums((from, to): (Date, Date), by: &[Dimension]) -> SumQuery {
    let (from, to) = (from.to_string(), to.to_string());
    SumQuery { by: by.to_vec(), from, to, limit: MOST_GROUPS, ..SumQuery::default() }
}

fn by_cost(days: (Date, Date), by: Dimension, limit: u32) -> SumQuery {
    SumQuery { order: SumOrder::Cost, known: Some(by), limit, ..sums(days, &[by]) }
}

fn name(sums: &Sums) -> &str {
    sums.group.first().map_or("", String::as_str)
}

type Asked = (State<Control>, Extension<Principal>, Query<Filter>);

pub(in crate::control) async fn spend(
    State(control): State<Control>,
    Extension(principal): Extension<Principal>,
) -> Answer {
    access::sight(&principal, About::Everybody, "/global/spend")?;
    let found = control.store.usage_sums(&sums(dates::last_month(), &[])).await?;
    let spent = found.first().map(|sums| sums.cost).unwrap_or_default();
    Ok(Json(json!({ "spend": dollars(spent), "max_budget": 0.0 })))
}

pub(in crate::control) async fn logs((State(control), Extension(principal), Query(filter)): Asked) -> Answer {
    access::sight(&principal, About::Everybody, "/global/spend/logs")?;
    let only = filter.api_key.clone().map(|key| (Dimension::ApiKey, vec![stored_key(key)]));
    let query = SumQuery { only: only.into_iter().collect(), ..sums(filter.days()?, &[Dimension::Day]) };
    let rows = control.store.usage_sums(&query).await?;
    Ok(Json(rows.iter().map(|sums| json!({ "date": name(sums), "spend": dollars(sums.cost) })).collect()))
}

pub(in crate::control) async fn keys((State(control), Extension(principal), Query(filter)): Asked) -> Answer {
    access::sight(&principal, About::Everybody, "/global/spend/keys")?;
    let rows = control.store.usage_sums(&by_cost(filter.days()?, Dimension::ApiKey, filter.top())).await?;
    let ids: Vec<String> = rows.iter().map(|sums| name(sums).to_owned()).collect();
    let names = control.store.key_names(&ids).await?;
    let shown = rows.iter().map(|sums| {
        let known = names.get(name(sums));
        json!({
            "api_key": name(sums),
            "key_alias": known.and_then(|known| known.alias.as_ref()),
            "key_name": known.and_then(|known| known.name.as_ref()),
            "total_spend": dollars(sums.cost),
        })
    });
    Ok(Json(shown.collect()))
}

pub(in crate::control) async fn models(
    (State(control), Extension(principal), Query(filter)): Asked,
) -> Answer {
    access::sight(&principal, About::Everybody, "/global/spend/models")?;
    let rows = control.store.usage_sums(&by_cost(filter.days()?, Dimension::Model, filter.top())).await?;
    Ok(Json(
        rows.iter().map(|sums| json!({ "model": name(sums), "total_spend": dollars(sums.cost) })).collect(),
    ))
}

pub(in crate::control) async fn provider(
    (State(control), Extension(principal), Query(filter)): Asked,
) -> Answer {
    access::sight(&principal, About::Everybody, "/global/spend/provider")?;
    let rows = control.store.usage_sums(&by_cost(filter.days()?, Dimension::Provider, TOP)).await?;
    Ok(Json(rows.iter().map(|sums| json!({ "provider": name(sums), "spend": dollars(sums.cost) })).collect()))
}

pub(in crate::control) async fn teams(
    (State(control), Extension(principal), Query(filter)): Asked,
) -> Answer {
    access::sight(&principal, About::Everybody, "/global/spend/teams")?;
    let rows = control.store.usage_sums(&sums(filter.days()?, &[Dimension::Day, Dimension::Team])).await?;
    let mut ids: Vec<String> = rows.iter().filter_map(|sums| sums.group.get(1).cloned()).collect();
    ids.sort_unstable();
    ids.dedup();
    let aliases = control.store.team_names(&ids).await?;
    let shown = |id: &str| match (id, aliases.get(id)) {
        ("", _) => "Unassigned".to_owned(),
        (id, alias) => alias.cloned().unwrap_or_else(|| id.to_owned()),
    };
    let names: Vec<String> = ids.iter().map(|id| shown(id)).collect();
    let mut days: Vec<Map<String, Value>> = Vec::new();
    let mut totals = vec![0; ids.len()];
    for sums in &rows {
        let [date, team] = &sums.group[..] else { continue };
        if days.last().is_none_or(|day| day.get("date") != Some(&json!(date))) {
            let zeros = names.iter().map(|name| (name.clone(), json!(0.0)));
            days.push([("date".to_owned(), json!(date))].into_iter().chain(zeros).collect());
        }
        let Ok(at) = ids.binary_search(team) else { continue };
        totals[at] += sums.cost;
        if let Some(day) = days.last_mut() {
            day.insert(names[at].clone(), json!(dollars(sums.cost)));
        }
    }
    let per_team =
        names.iter().zip(totals).map(|(name, cost)| json!({ "team_id": name, "total_spend": dollars(cost) }));
    Ok(Json(json!({
        "daily_spend": days,
        "teams": names,
        "total_spend_per_team": per_team.collect::<Vec<_>>(),
    })))
}

pub(in crate::control) async fn tags((State(control), Extension(principal), Query(filter)): Asked) -> Answer {
    access::sight(&principal, About::Everybody, "/global/spend/tags")?;
    let mut query = SumQuery { source: Source::Tags, ..by_cost(filter.days()?, Dimension::Tag, TOP) };
    if let Some(tags) = filter.tags.as_deref().filter(|tags| !tags.is_empty() && *tags != "all-tags") {
        query.only.push((Dimension::Tag, tags.split(',').take(100).map(str::to_owned).collect()));
    }
    let rows = control.store.usage_sums(&query).await?;
    let shown = rows
        .iter()
        .map(|sums| json!({ "name": name(sums), "spend": dollars(sums.cost), "log_count": sums.requests }));
    Ok(Json(json!({ "spend_per_tag": shown.collect::<Vec<_>>() })))
}

/// The body of `/global/spend/end_users`; all of it may be left out.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct EndUsers {
    #[serde(rename = "api_key", alias = "apiKey")]
    api_key: Option<String>,
    start_time: Option<String>,
    end_time: Option<String>,
}

pub(in crate::control) async fn end_users(
    State(control): State<Control>,
    Extension(principal): Extension<Principal>,
    body: Bytes,
) -> Answer {
    access::sight(&principal, About::Everybody, "/global/spend/end_users")?;
    let asked: EndUsers = if body.trim_ascii().is_empty() {
        EndUsers::default()
    } else {
        serde_json::from_slice(&body).map_err(|_| Refusal::bad("Invalid JSON"))?
    };
    let days = dates::days(asked.start_time.as_deref(), asked.end_time.as_deref())?;
    let only = asked.api_key.map(|key| (Dimension::ApiKey, vec![stored_key(key)]));
    let query = SumQuery { only: only.into_iter().collect(), ..by_cost(days, Dimension::Customer, TOP) };
    let rows = control.store.usage_sums(&query).await?;
    let shown = rows.iter().map(|sums| {
        json!({ "end_user": name(sums), "total_count": sums.requests, "total_spend": dollars(sums.cost) })
    });
    Ok(Json(shown.collect()))
}

/// Sets what keys and teams have spent to nothing; the books stay.
pub(in crate::control) async fn reset(
    State(control): State<Control>,
    Extension(principal): Extension<Principal>,
) -> Answer {
    access::admin(&principal, "/global/spend/reset")?;
    control.must_be_booked().await?;
    control.store.reset_spent().await?;
    control.directory.changed(BUDGETS.kind, "");
    for scope in [Scope::Key, Scope::Team] {
        log::warn!("what every {scope} has spent was set to nothing by an admin");
    }
    Ok(Json(json!({ "message": "Spend for all API Keys and Teams reset successfully", "status": "success" })))
}

/// LiteLLM's views have to be made anew now and then; ours are never stale.
pub(in crate::control) async fn refresh(Extension(principal): Extension<Principal>) -> Answer {
    access::admin(&principal, "/global/spend/refresh")?;
    Ok(Json(json!({ "message": "MonthlyGlobalSpend view refreshed", "status": "success" })))
}
