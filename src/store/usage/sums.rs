//! Sums, read from the roll-ups: by day, or by day and label.

use crate::store::db::{Store, StoreError, on};
use crate::store::query::places;
use sqlx::Row;
use std::fmt::Write as _;

/// Which roll-up is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// By day.
    #[default]
    Days,
    /// By hour; `day` is then the hour.
    Hours,
    /// By day and label: a call counts for each of its labels.
    Tags,
}

/// What calls can be told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dimension {
    /// The day, `2026-11-21`.
    Day,
    /// A label; [`Source::Tags`] only.
    Tag,
    /// The key's digest.
    ApiKey,
    /// The key's owner.
    User,
    /// The key's team.
    Team,
    /// The key's organization.
    Organization,
    /// The end user.
    Customer,
    /// The upstream's model.
    Model,
    /// The name clients use.
    ModelGroup,
    /// The provider.
    Provider,
    /// The path called.
    Route,
}

impl Dimension {
    const fn column(self, source: Source) -> &'static str {
        match self {
            Self::Day if matches!(source, Source::Hours) => "hour",
            Self::Day => "day",
            // There is no label in the other roll-ups.
            Self::Tag if matches!(source, Source::Tags) => "tag",
            Self::Tag => "''",
            Self::ApiKey => "api_key",
            Self::User => "user_id",
            Self::Team => "team_id",
            Self::Organization => "organization_id",
            Self::Customer => "customer",
            Self::Model => "model",
            Self::ModelGroup => "model_group",
            Self::Provider => "provider",
            Self::Route => "route",
        }
    }
}

/// How sums are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SumOrder {
    /// By what they are grouped by.
    #[default]
    Groups,
    /// The most money first.
    Cost,
}

/// A question about sums.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SumQuery {
    /// The roll-up.
    pub source: Source,
    /// What to tell apart.
    pub by: Vec<Dimension>,
    /// Only calls that have one of these values.
    pub only: Vec<(Dimension, Vec<String>)>,
    /// Only calls that have any value.
    pub known: Option<Dimension>,
    /// The first day, `2026-11-21`.
    pub from: String,
    /// The last day.
    pub to: String,
    /// How to sort.
    pub order: SumOrder,
    /// Most groups.
    pub limit: u32,
}

/// The sums of a group of calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// The values the group has, in the order asked for.
    pub group: Vec<String>,
    /// Calls.
    pub requests: i64,
    /// Calls that were answered.
    pub successes: i64,
    /// Calls that were not.
    pub failures: i64,
    /// Prompt tokens.
    pub prompt_tokens: i64,
    /// Completion tokens.
    pub completion_tokens: i64,
    /// Prompt tokens read from a cache.
    pub cached_tokens: i64,
    /// Prompt tokens written to a cache.
    pub cache_write_tokens: i64,
    /// Pico-dollars.
    pub cost: i64,
}

impl Sums {
    /// Adds another group's numbers.
    pub fn add(&mut self, more: &Self) {
        self.requests += more.requests;
        self.successes += more.successes;
        self.failures += more.failures;
        self.prompt_tokens += more.prompt_tokens;
        self.completion_tokens += more.completion_tokens;
        self.cached_tokens += more.cached_tokens;
        self.cache_write_tokens += more.cache_write_tokens;
        self.cost = self.cost.saturating_add(more.cost);
    }
}

const COLUMNS: [&str; 8] = [
    "requests",
    "successes",
    "failures",
    "prompt_tokens",
    "completion_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "cost",
];

/// The statement, and the texts to bind before the limit.
pub(super) fn statement(query: &SumQuery) -> (String, Vec<String>) {
    let source = query.source;
    let table = match source {
        Source::Days => "tollgate_usage_day",
        Source::Hours => "tollgate_usage_hour",
        Source::Tags => "tollgate_usage_tag_day",
    };
    let groups: Vec<&str> = query.by.iter().map(|dimension| dimension.column(source)).collect();
    let sums = COLUMNS.map(|column| format!("COALESCE(CAST(SUM({column}) AS BIGINT), 0) AS {column}"));
    let selected: Vec<&str> = groups.iter().copied().chain(sums.iter().map(String::as_str)).collect();
    // Twice the days: by the id for all calls of some days, by the column for some calls behind their index.
    let day = Dimension::Day.column(source);
    let mut sql = format!(
        "SELECT {} FROM {table} WHERE id >= $1 AND id < $2 AND {day} >= $3 AND {day} < $4",
        selected.join(", ")
    );
    let end = format!("{};", query.to);
    let mut values = vec![query.from.clone(), end.clone(), query.from.clone(), end];
    for (dimension, wanted) in &query.only {
        let list = if wanted.is_empty() { "NULL".to_owned() } else { places(wanted, &mut values) };
        // Writing to a String cannot fail.
        let _ = write!(sql, " AND {} IN ({list})", dimension.column(source));
    }
    if let Some(known) = query.known {
        let _ = write!(sql, " AND {} <> ''", known.column(source));
    }
    if !groups.is_empty() {
        let places: Vec<String> = (1..=groups.len()).map(|n| n.to_string()).collect();
        let order = if query.order == SumOrder::Cost { "cost DESC, " } else { "" };
        let _ = write!(sql, " GROUP BY {} ORDER BY {order}{}", places.join(", "), places.join(", "));
    }
    let _ = write!(sql, " LIMIT ${}", values.len() + 1);
    (sql, values)
}

impl Store {
    /// Sums of calls.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn usage_sums(&self, query: &SumQuery) -> Result<Vec<Sums>, StoreError> {
        let (sql, values) = statement(query);
        let groups = query.by.len();
        on!(&self.db, pool => {
            let mut asked = sqlx::query(&sql);
            for value in &values {
                asked = asked.bind(value);
            }
            let rows = asked.bind(i64::from(query.limit)).fetch_all(pool).await?;
            let read = |row: &_| {
                let number = |n: usize| Row::try_get::<i64, _>(row, groups + n);
                Ok(Sums {
                    group: (0..groups).map(|n| Row::try_get(row, n)).collect::<Result<_, sqlx::Error>>()?,
                    requests: number(0)?,
                    successes: number(1)?,
                    failures: number(2)?,
                    prompt_tokens: number(3)?,
                    completion_tokens: number(4)?,
                    cached_tokens: number(5)?,
                    cache_write_tokens: number(6)?,
                    cost: number(7)?,
                })
            };
            rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(StoreError::from)
        })
    }
}
