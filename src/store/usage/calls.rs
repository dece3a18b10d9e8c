//! The rows of single calls: by index, newest first, and never more than a bound of them.

use super::find;
use crate::domain::RecordId;
use crate::store::db::{Store, StoreError, on};
use sqlx::Row;

/// Rows that a search looks at: it counts and sorts no more than the newest of them.
pub const MOST_CALLS: u32 = 10_000;

/// What calls can be found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallColumn {
    /// The id of the answer, or of the call.
    RequestId,
    /// The key's digest.
    ApiKey,
    /// The key's alias.
    KeyAlias,
    /// The key's owner.
    User,
    /// The key's team.
    Team,
    /// The end user.
    Customer,
    /// The upstream's model.
    Model,
    /// The deployment.
    ModelId,
    /// The name clients use.
    ModelGroup,
    /// The conversation.
    Session,
    /// `success` or `failure`.
    Status,
}

impl CallColumn {
    const fn name(self) -> &'static str {
        match self {
            Self::RequestId => "request_id",
            Self::ApiKey => "api_key",
            Self::KeyAlias => "key_alias",
            Self::User => "user_id",
            Self::Team => "team_id",
            Self::Customer => "customer",
            Self::Model => "model",
            Self::ModelId => "model_id",
            Self::ModelGroup => "model_group",
            Self::Session => "session_id",
            Self::Status => "status",
        }
    }
}

/// What calls are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CallOrder {
    /// Their time.
    #[default]
    Time,
    /// Their cost.
    Cost,
    /// Their tokens.
    Tokens,
    /// How long they took.
    Duration,
}

impl CallOrder {
    const fn expression(self) -> &'static str {
        match self {
            Self::Time => "id",
            Self::Cost => "cost",
            Self::Tokens => "total_tokens",
            Self::Duration => "ended_ms - started_ms",
        }
    }
}

/// A search for calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallQuery {
    /// All of them must hold.
    pub only: Vec<(CallColumn, String)>,
    /// The first moment, in unix milliseconds.
    pub from_ms: Option<u64>,
    /// The first moment that is out again, in unix milliseconds.
    pub to_ms: Option<u64>,
    /// The least cost, in pico-dollars.
    pub min_cost: Option<i64>,
    /// The largest cost, in pico-dollars.
    pub max_cost: Option<i64>,
    /// How to sort.
    pub order: CallOrder,
    /// Smallest first.
    pub ascending: bool,
    /// Most rows.
    pub limit: u32,
    /// Rows left out at the beginning.
    pub offset: u32,
}

/// One call, as its row has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the columns")]
pub struct CallRow {
    pub id: String,
    pub request_id: String,
    pub call_id: String,
    pub call_type: String,
    pub route: String,
    pub api_key: String,
    pub key_alias: Option<String>,
    pub user_id: Option<String>,
    pub team_id: Option<String>,
    pub team_alias: Option<String>,
    pub organization_id: Option<String>,
    pub customer: Option<String>,
    pub tags: Option<String>,
    pub session_id: Option<String>,
    pub ip: Option<String>,
    pub requested_model: String,
    pub model_group: Option<String>,
    pub model: Option<String>,
    pub model_id: Option<String>,
    pub provider: Option<String>,
    pub api_base: Option<String>,
    pub status: String,
    pub http_status: i64,
    pub outcome: String,
    pub error_class: Option<String>,
    pub attempts: i64,
    pub prompt_tokens: i64,
    pub completion_tokens: i64,
    pub total_tokens: i64,
    pub cached_tokens: i64,
    pub cache_write_tokens: i64,
    pub reasoning_tokens: i64,
    pub usage_source: String,
    pub cost: i64,
    pub started_ms: i64,
    pub first_token_ms: Option<i64>,
    pub ended_ms: i64,
}

const SELECTED: &str = "id, request_id, call_id, call_type, route, api_key, key_alias, user_id, team_id, team_alias, \
    organization_id, customer, tags, session_id, ip, requested_model, model_group, model, model_id, provider, api_base, \
    status, http_status, outcome, error_class, attempts, prompt_tokens, completion_tokens, total_tokens, cached_tokens, \
    cache_write_tokens, reasoning_tokens, usage_source, cost, started_ms, first_token_ms, ended_ms";

macro_rules! row {
    ($row:ident: $($column:ident),*) => { CallRow { $($column: Row::try_get($row, stringify!($column))?),* } };
}

/// A statement, and its values in the order they are bound: texts, then numbers.
pub(super) struct Asked {
    pub(super) sql: String,
    texts: Vec<String>,
    numbers: Vec<i64>,
}

/// The condition on the rows `u`.
fn conditions(query: &CallQuery) -> Asked {
    let mut parts = Vec::new();
    let mut texts = Vec::new();
    let id = |ms: u64| RecordId::new(ms, 0).to_string();
    let moments = [("u.id >=", query.from_ms), ("u.id <", query.to_ms)];
    let moments = moments.into_iter().filter_map(|(left, ms)| Some((left.to_owned(), id(ms?))));
    let only = query.only.iter().map(|(column, value)| (format!("u.{} =", column.name()), value.clone()));
    for (left, value) in moments.chain(only) {
        texts.push(value);
        parts.push(format!("{left} ${}", texts.len()));
    }
    let mut numbers = Vec::new();
    for (left, value) in [("u.cost >=", query.min_cost), ("u.cost <=", query.max_cost)] {
        if let Some(value) = value {
            numbers.push(value);
            parts.push(format!("{left} ${}", texts.len() + numbers.len()));
        }
    }
    let sql = if parts.is_empty() { String::new() } else { format!(" WHERE {}", parts.join(" AND ")) };
    Asked { sql, texts, numbers }
}

/// What the rows `u` are, at most so many of them that the last ones in that direction are among them.
fn rows(query: &CallQuery, most: u32, direction: &str, is_file: bool) -> Asked {
    let mut asked = conditions(query);
    let of = |(column, mark): &(CallColumn, u8)| {
        let (_, value) = query.only.iter().find(|(only, _)| only == column)?;
        Some(find::hash(*mark, value))
    };
    let Some(hash) = find::COLUMNS.iter().find_map(of).filter(|_| is_file) else { return asked };
    asked.numbers.push(hash);
    let (place, all) = (asked.texts.len() + asked.numbers.len(), asked.sql);
    let since = if query.from_ms.is_some() { " AND s.next > $1" } else { "" };
    let open = find::OPEN;
    let sql = format!(
        " WHERE u.id IN (SELECT id FROM (SELECT u.id FROM tollgate_usage u{all} AND u.id >= ({open}) \
         ORDER BY u.id{direction} LIMIT {most}) UNION ALL SELECT id FROM (SELECT u.id FROM tollgate_usage_span s \
         CROSS JOIN tollgate_usage_find f ON f.span = s.span AND f.hash = ${place}{since} \
         CROSS JOIN tollgate_usage u ON u.id = f.id{all} ORDER BY s.span{direction}, f.id{direction} LIMIT {most}))"
    );
    Asked { sql, ..asked }
}

pub(super) fn page(query: &CallQuery, is_file: bool) -> Asked {
    let direction = if query.ascending { "" } else { " DESC" };
    let (limit, offset) = (query.limit.min(MOST_CALLS), query.offset.min(MOST_CALLS));
    let (mut asked, from, to) = match query.order {
        CallOrder::Time => {
            let rows = rows(query, limit + offset, direction, is_file);
            let from = format!("SELECT {SELECTED} FROM tollgate_usage u{}", rows.sql);
            (rows, from, format!("ORDER BY u.id{direction}"))
        }
        order => {
            let rows = rows(query, MOST_CALLS, " DESC", is_file);
            let from = format!(
                "SELECT {SELECTED} FROM (SELECT {SELECTED} FROM tollgate_usage u{} ORDER BY u.id DESC LIMIT {MOST_CALLS}) newest",
                rows.sql
            );
            (rows, from, format!("ORDER BY {}{direction}, id{direction}", order.expression()))
        }
    };
    let next = asked.texts.len() + asked.numbers.len();
    asked.sql = format!("{from} {to} LIMIT ${} OFFSET ${}", next + 1, next + 2);
    asked.numbers.extend([limit, offset].map(i64::from));
    asked
}

pub(super) fn count(query: &CallQuery, is_file: bool) -> Asked {
    let asked = rows(query, MOST_CALLS, " DESC", is_file);
    let sql = format!(
        "SELECT COUNT(*) FROM (SELECT 1 FROM tollgate_usage u{} LIMIT {MOST_CALLS}) newest",
        asked.sql
    );
    Asked { sql, ..asked }
}

pub(super) fn content(request_id: &str, is_file: bool) -> Asked {
    let only = vec![(CallColumn::RequestId, request_id.to_owned())];
    let asked = rows(&CallQuery { only, ..CallQuery::default() }, 1, " DESC", is_file);
    let sql =
        format!("SELECT u.request, u.response FROM tollgate_usage u{} ORDER BY u.id DESC LIMIT 1", asked.sql);
    Asked { sql, ..asked }
}

macro_rules! bound {
    ($query:expr, $asked:ident) => {{
        let mut query = $query;
        for text in &$asked.texts {
            query = query.bind(text);
        }
        for number in &$asked.numbers {
            query = query.bind(number);
        }
        query
    }};
}

impl Store {
    /// The calls of a page.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn calls(&self, query: &CallQuery) -> Result<Vec<CallRow>, StoreError> {
        let asked = page(query, self.is_file());
        on!(&self.db, pool => {
            let rows = bound!(sqlx::query(&asked.sql), asked).fetch_all(pool).await?;
            let read = |row: &_| {
                Ok(row!(row: id, request_id, call_id, call_type, route, api_key, key_alias, user_id, team_id, team_alias,
                    organization_id, customer, tags, session_id, ip, requested_model, model_group, model, model_id, provider,
                    api_base, status, http_status, outcome, error_class, attempts, prompt_tokens, completion_tokens,
                    total_tokens, cached_tokens, cache_write_tokens, reasoning_tokens, usage_source, cost, started_ms,
                    first_token_ms, ended_ms))
            };
            rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(StoreError::from)
        })
    }

    /// How many calls a search finds on all pages, [`MOST_CALLS`] at most.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn count_calls(&self, query: &CallQuery) -> Result<u64, StoreError> {
        let asked = count(query, self.is_file());
        on!(&self.db, pool => {
            let total = bound!(sqlx::query_scalar::<_, i64>(&asked.sql), asked).fetch_one(pool).await?;
            Ok(u64::try_from(total).unwrap_or_default())
        })
    }

    /// What was said in a call, if it was kept: the request and the answer.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn call_content(
        &self,
        request_id: &str,
    ) -> Result<Option<(Option<String>, Option<String>)>, StoreError> {
        let asked = content(request_id, self.is_file());
        on!(&self.db, pool => {
            let row = bound!(sqlx::query(&asked.sql), asked).fetch_optional(pool).await?;
            row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
        })
    }
}
