//! `GET /user/daily/activity` and its like for teams, labels, end users and organizations: days with their sums, told
//! apart by model, provider, path, key and entity. A page is so many days.

use super::access::{self, About, Sight};
use super::global::sums;
use super::logs::stored_key;
use super::{dates, dollars};
use crate::auth::Principal;
use crate::control::Control;
use crate::control::input::{Answer, Refusal};
use crate::store::{Dimension, KeyName, Source, SumOrder, SumQuery, Sums};
use axum::extract::{Query, State};
use axum::http::Uri;
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// Days of a page, and at most.
const PAGE: usize = 50;
const LARGEST_PAGE: usize = 1000;
/// Groups that a page's breakdown is made of, those that cost the most.
const MOST_DETAILS: u32 = 20_000;

/// Which days, and whose.
#[derive(Deserialize)]
pub(in crate::control) struct Filter {
    start_date: Option<String>,
    end_date: Option<String>,
    page: Option<usize>,
    page_size: Option<usize>,
    model: Option<String>,
    api_key: Option<String>,
    user_id: Option<String>,
    team_ids: Option<String>,
    tags: Option<String>,
    end_user_ids: Option<String>,
    organization_ids: Option<String>,
}

/// Whose activity a path shows.
struct View {
    entity: Dimension,
    source: Source,
    /// Days are not paged.
    aggregated: bool,
}

impl View {
    fn of(path: &str) -> Self {
        let entity = match path.split('/').nth(1).unwrap_or_default() {
            "team" => Dimension::Team,
            "tag" => Dimension::Tag,
            "customer" | "end_user" => Dimension::Customer,
            "organization" => Dimension::Organization,
            _ => Dimension::User,
        };
        let source = if entity == Dimension::Tag { Source::Tags } else { Source::Days };
        Self { entity, source, aggregated: path.ends_with("/aggregated") }
    }
}

pub(in crate::control) async fn run(
    State(control): State<Control>,
    Extension(principal): Extension<Principal>,
    uri: Uri,
    Query(filter): Query<Filter>,
) -> Answer {
    let view = View::of(uri.path());
    let sight = access::sight(&principal, About::Single, uri.path())?;
    let days = dates::named_days(filter.start_date.as_deref(), filter.end_date.as_deref())?;
    let (size, page) =
        (filter.page_size.unwrap_or(PAGE).clamp(1, LARGEST_PAGE), filter.page.unwrap_or(1).max(1));
    let base = SumQuery {
        source: view.source,
        known: (view.entity != Dimension::User).then_some(view.entity),
        only: filter.only(&view, sight),
        ..sums(days, &[Dimension::Day])
    };
    let mut all = control.store.usage_sums(&base).await?;
    all.reverse();
    let size = if view.aggregated { all.len().max(1) } else { size };
    let shown: &[Sums] = all.chunks(size).nth(page - 1).unwrap_or_default();
    let details = details(&control, &base, &view, shown).await?;
    let names = key_names(&control, &details).await?;
    let results = shown.iter().map(|day| result(day, &details, &names));
    let pages = all.len().div_ceil(size).max(1);
    let mut metadata = totals(&all);
    metadata.insert("page".to_owned(), json!(page));
    metadata.insert("total_pages".to_owned(), json!(pages));
    metadata.insert("has_more".to_owned(), json!(page < pages));
    Ok(Json(json!({ "results": results.collect::<Vec<_>>(), "metadata": metadata })))
}

impl Filter {
    fn only(self, view: &View, sight: Sight) -> Vec<(Dimension, Vec<String>)> {
        let list = |text: Option<String>| -> Option<Vec<String>> {
            let text = text.filter(|text| !text.is_empty())?;
            Some(text.split(',').take(100).map(|one| one.trim().to_owned()).collect())
        };
        let own = match (view.entity, sight) {
            (_, Sight::Own(user)) => Some((Dimension::User, vec![user])),
            (Dimension::User, Sight::All) => list(self.user_id).map(|users| (Dimension::User, users)),
            (Dimension::Team, Sight::All) => list(self.team_ids).map(|teams| (Dimension::Team, teams)),
            (Dimension::Tag, Sight::All) => list(self.tags).map(|tags| (Dimension::Tag, tags)),
            (Dimension::Customer, Sight::All) => {
                list(self.end_user_ids).map(|users| (Dimension::Customer, users))
            }
            (_, Sight::All) => list(self.organization_ids).map(|ids| (Dimension::Organization, ids)),
        };
        let model = self.model.map(|model| (Dimension::Model, vec![model]));
        let key = self.api_key.map(|key| (Dimension::ApiKey, vec![stored_key(key)]));
        own.into_iter().chain(model).chain(key).collect()
    }
}

/// What the days of a page are made of, by day.
async fn details(
    control: &Control,
    base: &SumQuery,
    view: &View,
    days: &[Sums],
) -> Result<HashMap<String, Vec<Sums>>, Refusal> {
    let (Some(last), Some(first)) = (days.first(), days.last()) else { return Ok(HashMap::new()) };
    let query = SumQuery {
        by: vec![
            Dimension::Day,
            Dimension::Model,
            Dimension::ModelGroup,
            Dimension::Provider,
            Dimension::Route,
            Dimension::ApiKey,
            view.entity,
        ],
        from: first.group[0].clone(),
        to: last.group[0].clone(),
        order: SumOrder::Cost,
        limit: MOST_DETAILS,
        ..base.clone()
    };
    let mut by_day: HashMap<String, Vec<Sums>> = HashMap::new();
    for sums in control.store.usage_sums(&query).await? {
        by_day.entry(sums.group[0].clone()).or_default().push(sums);
    }
    Ok(by_day)
}

async fn key_names(
    control: &Control,
    details: &HashMap<String, Vec<Sums>>,
) -> Result<HashMap<String, KeyName>, Refusal> {
    let mut keys: Vec<String> = details.values().flatten().map(|sums| sums.group[KEY].clone()).collect();
    keys.sort_unstable();
    keys.dedup();
    Ok(control.store.key_names(&keys).await?)
}

/// Where the key stands among what details are grouped by, and the lists of a breakdown.
const KEY: usize = 5;
const LISTS: [(&str, usize); 5] =
    [("models", 1), ("model_groups", 2), ("providers", 3), ("endpoints", 4), ("entities", 6)];

fn metrics(sums: &Sums) -> Value {
    json!({
        "spend": dollars(sums.cost),
        "prompt_tokens": sums.prompt_tokens,
        "completion_tokens": sums.completion_tokens,
        "cache_read_input_tokens": sums.cached_tokens,
        "cache_creation_input_tokens": sums.cache_write_tokens,
        "total_tokens": sums.prompt_tokens + sums.completion_tokens,
        "successful_requests": sums.successes,
        "failed_requests": sums.failures,
        "api_requests": sums.requests,
    })
}

fn totals(days: &[Sums]) -> Map<String, Value> {
    let mut all = Sums::default();
    days.iter().for_each(|day| all.add(day));
    let numbers = metrics(&all);
    let named = numbers.as_object().into_iter().flatten();
    named
        .map(|(name, value)| {
            (if name == "total_tokens" { name.clone() } else { format!("total_{name}") }, value.clone())
        })
        .collect()
}

fn result(day: &Sums, details: &HashMap<String, Vec<Sums>>, names: &HashMap<String, KeyName>) -> Value {
    let date = &day.group[0];
    let rows = details.get(date).map(Vec::as_slice).unwrap_or_default();
    let mut breakdown = Map::new();
    breakdown.insert("mcp_servers".to_owned(), json!({}));
    for (list, at) in LISTS {
        breakdown.insert(list.to_owned(), entries(rows, at, names));
    }
    breakdown.insert("api_keys".to_owned(), keys(rows.iter(), names));
    json!({ "date": date, "metrics": metrics(day), "breakdown": breakdown })
}

/// The values of one dimension with their sums, each told apart by key.
fn entries(rows: &[Sums], at: usize, names: &HashMap<String, KeyName>) -> Value {
    let mut found: Vec<(&str, Vec<&Sums>)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for sums in rows.iter().filter(|sums| !sums.group[at].is_empty()) {
        let place = *places.entry(&sums.group[at]).or_insert_with(|| {
            found.push((&sums.group[at], Vec::new()));
            found.len() - 1
        });
        found[place].1.push(sums);
    }
    let shown = found.into_iter().map(|(name, rows)| {
        let mut all = Sums::default();
        rows.iter().for_each(|sums| all.add(sums));
        let entry = json!({
            "metrics": metrics(&all),
            "metadata": {},
            "api_key_breakdown": keys(rows.into_iter(), names),
        });
        (name.to_owned(), entry)
    });
    Value::Object(shown.collect())
}

fn keys<'a>(rows: impl Iterator<Item = &'a Sums>, names: &HashMap<String, KeyName>) -> Value {
    let mut found: HashMap<&str, Sums> = HashMap::new();
    for sums in rows {
        found.entry(&sums.group[KEY]).or_default().add(sums);
    }
    let shown = found.into_iter().map(|(key, sums)| {
        let known = names.get(key);
        let metadata = json!({
            "key_alias": known.and_then(|known| known.alias.as_ref()),
            "team_id": known.and_then(|known| known.team_id.as_ref()),
        });
        (key.to_owned(), json!({ "metrics": metrics(&sums), "metadata": metadata }))
    });
    Value::Object(shown.collect())
}
