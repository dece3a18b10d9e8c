//! `GET /key/list`: keys a page at a time, those of the caller unless it sees all.

use super::{Keeper, Stored, rows, stored};
use crate::auth::{Principal, Role};
use crate::control::Control;
use crate::control::input::{Asked, Refusal};
use crate::domain::{KeyDigest, Scope};
use crate::store::{
    DELETED_KEYS, Doc, Facts, Filter, KEYS, MEMBERS, Order, Query as Search, SPENT, Spent, USERS,
};
use axum::Extension;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Largest page.
const MOST: u32 = 100;
/// A user's teams that are looked at.
const TEAMS: u32 = 200;
const SORTED_BY: [&str; 8] =
    ["created_at", "key_alias", "key_name", "user_id", "team_id", "expires", "token", "spend"];
/// Keys that are sorted by what they spent: for no more does an answer come at once.
const MOST_SPENDERS: u64 = 100_000;

/// Which keys, and how.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(in crate::control) struct Wanted {
    page: Option<u32>,
    size: Option<u32>,
    user_id: Option<String>,
    team_id: Option<String>,
    organization_id: Option<String>,
    key_hash: Option<String>,
    key_alias: Option<String>,
    return_full_object: Option<String>,
    include_team_keys: Option<String>,
    include_created_by_keys: Option<String>,
    sort_by: Option<String>,
    sort_order: Option<String>,
    status: Option<String>,
}

/// A page of a list.
pub(super) struct Page {
    pub(super) number: u32,
    pub(super) size: u32,
}

impl Page {
    pub(super) fn new(number: Option<u32>, size: Option<u32>, default: u32) -> Result<Self, Refusal> {
        let page = Self { number: number.unwrap_or(1), size: size.unwrap_or(default) };
        if page.number == 0 || page.size == 0 || page.size > MOST {
            return Err(Refusal::Fields(vec![json!({
                "type": "less_than_equal", "loc": ["query", "size"],
                "msg": format!("page is from 1, size from 1 to {MOST}"), "input": page.size.to_string(),
            })]));
        }
        Ok(page)
    }

    pub(super) fn offset(&self) -> u32 {
        (self.number - 1).saturating_mul(self.size)
    }

    /// How many pages there are.
    pub(super) fn of(&self, total: u64) -> u64 {
        total.div_ceil(u64::from(self.size))
    }
}

pub(in crate::control) async fn run(
    State(control): State<Control>,
    Extension(principal): Extension<Principal>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Value>, Refusal> {
    let keeper = Keeper { control: &control, principal: &principal };
    if principal.role == Role::Unknown {
        let words =
            "You are not authorized to access this endpoint. No 'user_id' is associated with your API key.";
        return Err(Refusal::forbidden_as("bad_request_error", words));
    }
    let page = Page::new(wanted.page, wanted.size, 10)?;
    let full = truth(&wanted.return_full_object);
    let deleted = match wanted.status.as_deref() {
        None | Some("") => false,
        Some("deleted") => true,
        Some(_) => return Err(Refusal::bad_member("status", "`status` wants `deleted`, or nothing.")),
    };
    let search = search(&keeper, wanted, &page).await?;
    let found = if deleted {
        control.store.list(&DELETED_KEYS, &of_deleted(search)?).await?
    } else {
        by_few_spenders(&control, &search).await?;
        control.store.list(&KEYS, &search).await?
    };
    let keys = match (deleted, full) {
        (true, full) => buried(&control, found.rows, full).await?,
        (false, true) => objects(&control, found.rows).await?,
        (false, false) => found.rows.into_iter().map(|(id, _)| Value::from(id)).collect(),
    };
    Ok(Json(json!({
        "keys": keys,
        "total_count": found.total,
        "current_page": page.number,
        "total_pages": page.of(found.total),
    })))
}

/// Refuses to sort a great many keys by what they spent.
async fn by_few_spenders(control: &Control, search: &Search) -> Result<(), Refusal> {
    if search.order.is_none_or(|order| order.column != SPENT) {
        return Ok(());
    }
    let count = Search { order: None, limit: 1, offset: 0, ..search.clone() };
    if control.store.list(&KEYS, &count).await?.total <= MOST_SPENDERS {
        return Ok(());
    }
    let words = format!(
        "More than {MOST_SPENDERS} keys are not sorted by spend. Name a user_id, team_id or organization_id."
    );
    Err(Refusal::bad_member("sort_by", words))
}

/// The rows of a page, with what was spent asked for once.
async fn objects(control: &Control, found: Vec<(String, Doc)>) -> Result<Vec<Value>, Refusal> {
    let ids: Vec<&str> = found.iter().map(|(id, _)| id.as_str()).collect();
    let spent = control.store.spent_among(Scope::Key, &ids).await?;
    let mut shown = Vec::with_capacity(found.len());
    for (id, doc) in found {
        let Some(digest) = KeyDigest::from_hex(&id) else { continue };
        let spent = spent.get(&id).copied().unwrap_or_default();
        shown.push(Value::Object(rows::listed(control, &Stored { digest, doc }, spent).await?));
    }
    Ok(shown)
}

/// The same search among deleted keys, whose digest is no id.
fn of_deleted(search: Search) -> Result<Search, Refusal> {
    let order = match search.order {
        Some(order) if order.column == SPENT => {
            return Err(Refusal::bad_member("sort_by", "Deleted keys are not sorted by spend."));
        }
        Some(order) if order.column == "id" => Some(Order { column: "token", ..order }),
        order => order,
    };
    let by_token = |filter| match filter {
        Filter::Id(id) => Filter::Is("token", id),
        other => other,
    };
    Ok(Search { order, filters: search.filters.into_iter().map(by_token).collect(), ..search })
}

/// The rows of deleted keys: what they were, what they had spent, and who deleted them when.
async fn buried(control: &Control, found: Vec<(String, Doc)>, full: bool) -> Result<Vec<Value>, Refusal> {
    let mut shown = Vec::with_capacity(found.len());
    for (_, doc) in found {
        let token = Facts(&doc).text("token").unwrap_or_default();
        let Some(digest) = KeyDigest::from_hex(&token).filter(|_| full) else {
            shown.push(Value::from(&*token));
            continue;
        };
        let of = |name: &str| doc.get(name).cloned().unwrap_or_default();
        let told = ["deleted_at", "deleted_by", "spend"].map(|name| (name.to_owned(), of(name)));
        let mut row = rows::listed(control, &Stored { digest, doc }, Spent::default()).await?;
        row.extend(told.into_iter().filter(|(name, value)| name != "spend" || !value.is_null()));
        shown.push(Value::Object(row));
    }
    Ok(shown)
}

async fn search(keeper: &Keeper<'_>, wanted: Wanted, page: &Page) -> Result<Search, Refusal> {
    let (teams, created) = (truth(&wanted.include_team_keys), truth(&wanted.include_created_by_keys));
    let user = clean("user_id", wanted.user_id)?;
    let foreign = user.as_deref().is_some_and(|user| keeper.principal.user_id() != Some(user));
    if foreign && !keeper.sees_all() {
        return Err(Refusal::forbidden("You are not authorized to check another user's keys."));
    }
    let any = match user.filter(|_| keeper.sees_all()) {
        Some(user) => of_user(keeper, &user, teams, created).await?,
        None => visible(keeper, teams || wanted.team_id.is_some(), created).await?,
    };
    let mut filters = Vec::new();
    for (column, value) in [
        ("team_id", wanted.team_id),
        ("organization_id", wanted.organization_id),
        ("key_alias", wanted.key_alias),
    ] {
        filters.extend(clean(column, value)?.map(|value| Filter::Is(column, value)));
    }
    if let Some(hash) = clean("key_hash", wanted.key_hash)? {
        filters.push(Filter::Id(stored::digest_of(&hash).to_hex()));
    }
    let order = Some(order(wanted.sort_by.as_deref(), wanted.sort_order.as_deref())?);
    Ok(Search { filters, any, order, limit: page.size, offset: page.offset() })
}

/// The groups of keys the caller may see; none if it sees all.
pub(super) async fn visible(
    keeper: &Keeper<'_>,
    teams: bool,
    created: bool,
) -> Result<Vec<Vec<Filter>>, Refusal> {
    if keeper.sees_all() {
        return Ok(Vec::new());
    }
    let Some(user) = keeper.principal.user_id() else {
        return Ok(vec![vec![Filter::OneOf("user_id", Vec::new())]]);
    };
    of_user(keeper, user, teams, created).await
}

async fn of_user(
    keeper: &Keeper<'_>,
    user: &str,
    teams: bool,
    created: bool,
) -> Result<Vec<Vec<Filter>>, Refusal> {
    let mut groups = vec![vec![Filter::Is("user_id", user.to_owned())]];
    if created {
        groups.push(vec![Filter::Is("created_by", user.to_owned())]);
    }
    if teams {
        let managed = managed(keeper, user).await?;
        if !managed.is_empty() {
            groups.push(vec![Filter::OneOf("team_id", managed)]);
        }
    }
    Ok(groups)
}

/// The teams that a user manages.
async fn managed(keeper: &Keeper<'_>, user: &str) -> Result<Vec<String>, Refusal> {
    let store = &keeper.control.store;
    let doc = store.get(&USERS, user).await?.unwrap_or_default();
    let filters = vec![Filter::Is("user_id", user.to_owned())];
    let members = store.list(&MEMBERS, &Search { filters, limit: TEAMS, ..Search::default() }).await?;
    let mut teams: Vec<Arc<str>> = Facts(&doc).texts("teams");
    teams.extend(members.rows.iter().filter_map(|(_, doc)| Facts(doc).text("team_id")));
    teams.sort_unstable();
    teams.dedup();
    let mut managed = Vec::new();
    for team in teams.iter().take(TEAMS as usize) {
        let facts = keeper.control.directory.team(team).await?;
        if facts.is_some_and(|facts| facts.admins.iter().any(|admin| **admin == *user)) {
            managed.push(team.to_string());
        }
    }
    Ok(managed)
}

fn order(by: Option<&str>, direction: Option<&str>) -> Result<Order, Refusal> {
    let column = match by.filter(|by| !by.is_empty()) {
        None => "created_at",
        Some(by) => SORTED_BY.into_iter().find(|column| *column == by).ok_or_else(|| {
            Refusal::bad_member("sort_by", format!("Keys are sorted by one of: {}.", SORTED_BY.join(", ")))
        })?,
    };
    let column = match column {
        "token" => "id",
        "spend" => SPENT,
        column => column,
    };
    Ok(Order { column, descending: !direction.is_some_and(|word| word.eq_ignore_ascii_case("asc")) })
}

/// A text to search for: not empty, and one that a database can compare.
pub(super) fn clean(name: &str, text: Option<String>) -> Result<Option<String>, Refusal> {
    match text.filter(|text| !text.is_empty()) {
        Some(text) if text.contains('\0') => {
            Err(Refusal::bad_member(name, format!("`{name}` holds a NUL character.")))
        }
        text => Ok(text),
    }
}

fn truth(word: &Option<String>) -> bool {
    word.as_deref().is_some_and(|word| ["1", "true", "yes", "on"].contains(&word.to_lowercase().as_str()))
}
