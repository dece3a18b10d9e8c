//! The rows of single calls: by index, newest first, and never more than a bound of them.

use super::searches::{content, count, page};
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
    pub(super) const fn name(self) -> &'static str {
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
    pub(super) const fn expression(self) -> &'static str {
        match self {
            Self::Time => "u.id",
            Self::Cost => "u.cost",
            Self::Tokens => "u.total_tokens",
            Self::Duration => "u.ended_ms - u.started_ms",
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

pub(super) const SELECTED: &str = "id, request_id, call_id, call_type, route, api_key, key_alias, user_id, team_id, team_alias, \
    organization_id, customer, tags, session_id, ip, requested_model, model_group, model, model_id, provider, api_base, \
    status, http_status, outcome, error_class, attempts, prompt_tokens, completion_tokens, total_tokens, cached_tokens, \
    cache_write_tokens, reasoning_tokens, usage_source, cost, started_ms, first_token_ms, ended_ms";

macro_rules! row {
    ($row:ident: $($column:ident),*) => { CallRow { $($column: Row::try_get($row, stringify!($column))?),* } };
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
