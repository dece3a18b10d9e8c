//! `GET /spend/logs`: single calls by a filter, or what was spent each day.

use super::access::{self, About};
use super::{MOST_GROUPS, dates, dollars, row};
use crate::auth::{Principal, digest};
use crate::control::Control;
use crate::control::input::Answer;
use crate::store::{CallColumn, CallQuery, Dimension, SumQuery};
use axum::extract::{Query, State};
use axum::{Extension, Json};
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Rows of an answer; LiteLLM's has no bound, and takes its database down with it.
const MOST_ROWS: u32 = 1000;

/// Which calls.
#[derive(Deserialize)]
pub(in crate::control) struct Filter {
    api_key: Option<String>,
    user_id: Option<String>,
    request_id: Option<String>,
    start_date: Option<String>,
    end_date: Option<String>,
    summarize: Option<bool>,
}

/// A key as it is stored, whether it was given as it is used or as it is stored.
pub(super) fn stored_key(key: String) -> String {
    if key.starts_with("sk-") { digest(&key).to_hex() } else { key }
}

pub(in crate::control) async fn run(
    State(control): State<Control>,
    Extension(principal): Extension<Principal>,
    Query(filter): Query<Filter>,
) -> Answer {
    let sight = access::sight(&principal, About::Single, "/spend/logs")?;
    let user = sight.narrowed(filter.user_id);
    let key = filter.api_key.map(stored_key);
    let days = match (&filter.start_date, &filter.end_date) {
        (Some(from), Some(to)) => Some((dates::day(from)?, dates::day(to)?)),
        _ => None,
    };
    match days {
        Some((from, to)) if filter.request_id.is_none() && filter.summarize.unwrap_or(true) => {
            summary(&control, (from, to), key, user).await
        }
        _ => {
            let (from_ms, to_ms) = days.map_or((None, None), |(from, to)| dates::bounds(from, to));
            let only = [
                (CallColumn::RequestId, filter.request_id),
                (CallColumn::ApiKey, key),
                (CallColumn::User, user),
            ];
            let only = only.into_iter().filter_map(|(column, value)| Some((column, value?))).collect();
            let query = CallQuery { only, from_ms, to_ms, limit: MOST_ROWS, ..CallQuery::default() };
            let rows = control.store.calls(&query).await?;
            Ok(Json(rows.iter().map(row::shown).collect()))
        }
    }
}

/// An object for each day: the sums of users and models, and of keys by their digests.
async fn summary(
    control: &Control,
    (from, to): (Date, Date),
    key: Option<String>,
    user: Option<String>,
) -> Answer {
    let only = [(Dimension::ApiKey, key), (Dimension::User, user)];
    let query = SumQuery {
        by: vec![Dimension::Day, Dimension::ApiKey, Dimension::User, Dimension::Model],
        only: only.into_iter().filter_map(|(dimension, value)| Some((dimension, vec![value?]))).collect(),
        from: from.to_string(),
        to: to.to_string(),
        limit: MOST_GROUPS,
        ..SumQuery::default()
    };
    let mut days: Vec<(String, Day)> = Vec::new();
    for sums in control.store.usage_sums(&query).await? {
        let [date, key, user, model] = &sums.group[..] else { continue };
        if days.last().is_none_or(|(last, _)| last != date) {
            days.push((date.clone(), Day::default()));
        }
        if let Some((_, day)) = days.last_mut() {
            day.spent += sums.cost;
            add(&mut day.users, user, sums.cost);
            add(&mut day.models, model, sums.cost);
            add(&mut day.keys, key, sums.cost);
        }
    }
    Ok(Json(days.into_iter().map(|(date, day)| day.shown(&date)).collect()))
}

#[derive(Default)]
struct Day {
    spent: i64,
    users: Vec<(String, i64)>,
    models: Vec<(String, i64)>,
    keys: Vec<(String, i64)>,
}

fn add(to: &mut Vec<(String, i64)>, name: &str, cost: i64) {
    // Sorted by what is grouped by, so a name is mostly the last one.
    match to.iter_mut().rev().find(|(known, _)| known == name) {
        Some((_, sum)) => *sum += cost,
        None => to.push((name.to_owned(), cost)),
    }
}

impl Day {
    fn shown(self, date: &str) -> Value {
        let object = |list: Vec<(String, i64)>| -> Map<String, Value> {
            list.into_iter().map(|(name, sum)| (name, dollars(sum).into())).collect()
        };
        let mut day = object(self.keys);
        day.insert("users".to_owned(), Value::Object(object(self.users)));
        day.insert("models".to_owned(), Value::Object(object(self.models)));
        day.insert("spend".to_owned(), dollars(self.spent).into());
        day.insert("startTime".to_owned(), json!(date));
        Value::Object(day)
    }
}
