//! `GET /spend/keys`, `/spend/users` and `/spend/tags`: who and what spent the most.

use super::access::{self, About, Sight};
use super::{dates, dollars};
use crate::auth::Principal;
use crate::control::Control;
use crate::control::input::{Answer, Refusal};
use crate::domain::Scope;
use crate::store::{Dimension, Doc, KEYS, Source, SumOrder, SumQuery, Table, USERS};
use axum::extract::{Query, State};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};

/// Most rows.
const MOST: u32 = 100;

/// Which user, or which days.
#[derive(Deserialize)]
pub(in crate::control) struct Filter {
    user_id: Option<String>,
    start_date: Option<String>,
    end_date: Option<String>,
}

pub(in crate::control) async fn keys(
    State(control): State<Control>,
    Extension(principal): Extension<Principal>,
) -> Answer {
    access::sight(&principal, About::Everybody, "/spend/keys")?;
    let top = control.store.top_spenders(Scope::Key, MOST).await?;
    let mut rows = Vec::with_capacity(top.len());
    for (id, spent) in top {
        rows.extend(entity(&control, &KEYS, "token", &id, spent.dollars()).await?);
    }
    Ok(Json(Value::Array(rows)))
}

pub(in crate::control) async fn users(
    State(control): State<Control>,
    Extension(principal): Extension<Principal>,
    Query(filter): Query<Filter>,
) -> Answer {
    let sight = access::sight(&principal, About::Single, "/spend/users")?;
    let one = match sight {
        Sight::Own(user) => Some(user),
        Sight::All => filter.user_id,
    };
    let top = match one {
        Some(user) => {
            let spent = control.store.spent(Scope::User, &user).await?;
            let amount = spent.get("").map(|spent| spent.amount).unwrap_or_default();
            vec![(user, amount)]
        }
        None => control.store.top_spenders(Scope::User, MOST).await?,
    };
    let mut rows = Vec::with_capacity(top.len());
    for (id, spent) in top {
        rows.extend(entity(&control, &USERS, "user_id", &id, spent.dollars()).await?);
    }
    Ok(Json(Value::Array(rows)))
}

/// An entity's document with its id and its spend; none if it is gone.
async fn entity(
    control: &Control,
    table: &Table,
    id_name: &str,
    id: &str,
    spent: f64,
) -> Result<Option<Value>, Refusal> {
    let Some(doc) = control.store.get(table, id).await? else { return Ok(None) };
    let mut row = Doc::new();
    row.insert(id_name.to_owned(), json!(id));
    row.extend(doc.into_iter().filter(|(name, _)| name != "password"));
    row.insert("spend".to_owned(), json!(spent));
    Ok(Some(Value::Object(row)))
}

pub(in crate::control) async fn tags(
    State(control): State<Control>,
    Extension(principal): Extension<Principal>,
    Query(filter): Query<Filter>,
) -> Answer {
    access::sight(&principal, About::Everybody, "/spend/tags")?;
    let (from, to) = dates::days(filter.start_date.as_deref(), filter.end_date.as_deref())?;
    let query = SumQuery {
        source: Source::Tags,
        by: vec![Dimension::Tag],
        from: from.to_string(),
        to: to.to_string(),
        order: SumOrder::Cost,
        limit: MOST,
        ..SumQuery::default()
    };
    let rows = control.store.usage_sums(&query).await?;
    let shown = rows.iter().map(|sums| {
        json!({
            "individual_request_tag": sums.group.first(),
            "log_count": sums.requests,
            "total_spend": dollars(sums.cost),
        })
    });
    Ok(Json(shown.collect()))
}
