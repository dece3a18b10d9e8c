//! `GET /global/spend/report`: spend by day for teams or end users, in all for keys or users. LiteLLM wants a licence
//! for it; the shapes are those of its documentation.

use super::access::{self, About};
use super::global::sums;
use super::logs::stored_key;
use super::{dates, dollars};
use crate::auth::Principal;
use crate::control::Control;
use crate::control::input::{Answer, Refusal};
use crate::store::{Dimension, SumQuery, Sums};
use axum::extract::{Query, State};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};

/// Which days, and what is told apart.
#[derive(Deserialize)]
pub(in crate::control) struct Filter {
    start_date: Option<String>,
    end_date: Option<String>,
    group_by: Option<String>,
    api_key: Option<String>,
    internal_user_id: Option<String>,
    team_id: Option<String>,
    customer_id: Option<String>,
}

pub(in crate::control) async fn run(
    State(control): State<Control>,
    Extension(principal): Extension<Principal>,
    Query(filter): Query<Filter>,
) -> Answer {
    access::sight(&principal, About::Everybody, "/global/spend/report")?;
    let days = dates::named_days(filter.start_date.as_deref(), filter.end_date.as_deref())?;
    let only = [
        (Dimension::ApiKey, filter.api_key.map(stored_key)),
        (Dimension::User, filter.internal_user_id),
        (Dimension::Team, filter.team_id),
        (Dimension::Customer, filter.customer_id),
    ];
    let only: Vec<_> =
        only.into_iter().filter_map(|(dimension, value)| Some((dimension, vec![value?]))).collect();
    let by = match filter.group_by.as_deref().unwrap_or("team") {
        "team" => Dimension::Team,
        "customer" => Dimension::Customer,
        "api_key" => Dimension::ApiKey,
        "internal_user" | "internal_user_id" | "user" => Dimension::User,
        _ => return Err(Refusal::bad("group_by wants team, customer, api_key or internal_user")),
    };
    let by_day = matches!(by, Dimension::Team | Dimension::Customer);
    let dimensions: &[Dimension] = if by_day {
        &[Dimension::Day, by, Dimension::Model, Dimension::ApiKey]
    } else {
        &[by, Dimension::Model]
    };
    let rows = control.store.usage_sums(&SumQuery { only, ..sums(days, dimensions) }).await?;
    let shown = if by_day {
        let teams: Vec<String> = rows.iter().filter_map(|sums| sums.group.get(1).cloned()).collect();
        let aliases =
            if by == Dimension::Team { control.store.team_names(&teams).await? } else { Default::default() };
        daily(&rows, by, |id| aliases.get(id).map_or(id, String::as_str).to_owned())
    } else {
        in_all(&rows, if by == Dimension::ApiKey { "api_key" } else { "internal_user_id" })
    };
    Ok(Json(shown))
}

/// Days, their teams or customers, and the models of each.
fn daily(rows: &[Sums], by: Dimension, name: impl Fn(&str) -> String) -> Value {
    let (list, field) =
        if by == Dimension::Team { ("teams", "team_name") } else { ("customers", "customer") };
    let days = rows.chunk_by(|one, next| one.group[0] == next.group[0]).map(|day| {
        let entries = day.chunk_by(|one, next| one.group[1] == next.group[1]).map(|entry| {
            let details = entry.iter().map(|sums| {
                json!({
                    "model": sums.group[2],
                    "spend": dollars(sums.cost),
                    "total_tokens": sums.prompt_tokens + sums.completion_tokens,
                    "api_key": sums.group[3],
                })
            });
            let named = match entry[0].group[1].as_str() {
                "" if by == Dimension::Team => "Unassigned Team".to_owned(),
                id => name(id),
            };
            json!({ field: named, "total_spend": total(entry), "metadata": details.collect::<Vec<_>>() })
        });
        let date = format!("{}T00:00:00+00:00", day[0].group[0]);
        json!({ "group_by_day": date, list: entries.collect::<Vec<_>>() })
    });
    days.collect()
}

fn in_all(rows: &[Sums], field: &str) -> Value {
    let entries = rows.chunk_by(|one, next| one.group[0] == next.group[0]).map(|entry| {
        let details = entry.iter().map(|sums| {
            json!({
                "model": sums.group[1],
                "total_cost": dollars(sums.cost),
                "total_input_tokens": sums.prompt_tokens,
                "total_output_tokens": sums.completion_tokens,
            })
        });
        json!({
            field: entry[0].group[0],
            "total_cost": total(entry),
            "total_input_tokens": entry.iter().map(|sums| sums.prompt_tokens).sum::<i64>(),
            "total_output_tokens": entry.iter().map(|sums| sums.completion_tokens).sum::<i64>(),
            "model_details": details.collect::<Vec<_>>(),
        })
    });
    entries.collect()
}

fn total(rows: &[Sums]) -> f64 {
    dollars(rows.iter().map(|sums| sums.cost).sum())
}
