//! `GET /key/aliases`: the names of keys, a page at a time.

use super::Keeper;
use super::list::{Page, clean, visible};
use crate::auth::{Principal, Role};
use crate::control::Control;
use crate::control::input::{Asked, Refusal};
use crate::domain::{ApiError, ErrorKind};
use crate::store::{Facts, Filter, KEYS, Order, Query as Search};
use axum::Extension;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

/// Which names.
#[derive(Deserialize)]
pub(in crate::control) struct Wanted {
    page: Option<u32>,
    size: Option<u32>,
    search: Option<String>,
}

pub(in crate::control) async fn run(
    State(control): State<Control>,
    Extension(principal): Extension<Principal>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Value>, Refusal> {
    let keeper = Keeper { control: &control, principal: &principal };
    if principal.role == Role::Unknown {
        let words = "Authentication Error, Only keys of a user can list aliases. Your role=unknown";
        return Err(ApiError::new(ErrorKind::AdminOnly, words).into());
    }
    let page = Page::new(wanted.page, wanted.size, 50)?;
    let mut filters = vec![Filter::Present("key_alias")];
    if let Some(text) = clean("search", wanted.search)? {
        filters.push(Filter::Contains("key_alias", text));
    }
    let search = Search {
        filters,
        any: visible(&keeper, true, false).await?,
        order: Some(Order { column: "key_alias", descending: false }),
        limit: page.size,
        offset: page.offset(),
    };
    let found = control.store.list(&KEYS, &search).await?;
    let names: Vec<_> = found.rows.iter().filter_map(|(_, doc)| Facts(doc).text("key_alias")).collect();
    let names: Vec<&str> = names.iter().map(|name| &**name).collect();
    Ok(Json(json!({
        "aliases": names,
        "total_count": found.total,
        "current_page": page.number,
        "total_pages": page.of(found.total),
        "size": page.size,
    })))
}
