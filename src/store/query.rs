//! Searches in a table of documents: filters, an order and a page.

use super::db::{Store, StoreError, on};
use super::table::{Doc, Table, object};
use serde_json::Value;
use sqlx::Row;

/// A condition on a column of [`Table::columns`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// The column is this value.
    Is(&'static str, String),
    /// The column is one of these values.
    OneOf(&'static str, Vec<String>),
    /// The column contains this text, whatever the case; `%` and `_` are just characters.
    Contains(&'static str, String),
    /// The column is empty.
    Missing(&'static str),
    /// The column is not empty.
    Present(&'static str),
    /// The row's id is this value.
    Id(String),
}

/// What rows are sorted by; rows that are equal in it are sorted by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// A column of [`Table::columns`], `id`, or [`SPENT`].
    pub column: &'static str,
    /// Largest first.
    pub descending: bool,
}

/// A search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// All of them must hold.
    pub filters: Vec<Filter>,
    /// Any of these groups must hold too, if there is one; within a group all must.
    pub any: Vec<Vec<Filter>>,
    /// How to sort; by id if `None`.
    pub order: Option<Order>,
    /// Most rows.
    pub limit: u32,
    /// Rows left out at the beginning.
    pub offset: u32,
}

/// What is sorted by what was spent in the present period, as far as calls have told; all rows that are found are looked at.
pub const SPENT: &str = "spent";

/// Rows that contain a text are counted up to here: a search that fits nearly everything is not worth more.
pub const MOST_COUNTED: u32 = 10_000;

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing {
    /// The rows of the page: id and document.
    pub rows: Vec<(String, Doc)>,
    /// How many rows there are on all pages; of those that contain a text, [`MOST_COUNTED`] at most.
    pub total: u64,
}

/// A statement with the texts to bind.
pub(super) struct Statement {
    pub(super) sql: String,
    pub(super) values: Vec<String>,
}

impl Store {
    /// Searches a table.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(&self, table: &Table, query: &Query) -> Result<Listing, StoreError> {
        if !searches(query) {
            let total = self.count(table, query).await?;
            let span = Span::of(query, total);
            let rows = self.rows(page(table, query, self.is_file(), span), span).await?;
            return Ok(Listing { rows, total });
        }
        let span = Span::forwards(query);
        let few = candidates(table, query, self.is_file());
        let ids: Vec<String> = on!(&self.db, pool => {
            let mut asked = sqlx::query_scalar(&few.sql);
            for value in &few.values {
                asked = asked.bind(value);
            }
            asked.fetch_all(pool).await?
        });
        let total = ids.len() as u64;
        let page = if total < u64::from(MOST_COUNTED) {
            among(table, query, &ids, self.is_file())
        } else {
            page(table, query, self.is_file(), span)
        };
        Ok(Listing { rows: self.rows(page, span).await?, total })
    }

    async fn rows(&self, page: Statement, span: Span) -> Result<Vec<(String, Doc)>, StoreError> {
        on!(&self.db, pool => {
            let mut asked = sqlx::query(&page.sql);
            for value in &page.values {
                asked = asked.bind(value);
            }
            let found = asked.bind(span.limit).bind(span.offset).fetch_all(pool).await?;
            let read = |row: &_| Ok((Row::try_get(row, 0)?, object(Row::try_get::<Value, _>(row, 1)?)));
            found.iter().map(read).collect::<Result<Vec<_>, sqlx::Error>>().map_err(StoreError::from)
        })
    }

    async fn count(&self, table: &Table, query: &Query) -> Result<u64, StoreError> {
        let count = count(table, query, self.is_file());
        on!(&self.db, pool => {
            let mut asked = sqlx::query_scalar::<_, i64>(&count.sql);
            for value in &count.values {
                asked = asked.bind(value);
            }
            Ok(u64::try_from(asked.fetch_one(pool).await?).unwrap_or_default())
        })
    }
}

/// The rows of a page, counted from the nearer end of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    limit: i64,
    offset: i64,
    backwards: bool,
}

impl Span {
    pub(super) fn forwards(query: &Query) -> Self {
        Self { limit: query.limit.into(), offset: query.offset.into(), backwards: false }
    }

    pub(super) fn of(query: &Query, total: u64) -> Self {
        let (limit, offset) = (i64::from(query.limit), i64::from(query.offset));
        let total = i64::try_from(total).unwrap_or(i64::MAX);
        if offset <= total / 2 || offset >= total {
            return Self::forwards(query);
        }
        let limit = limit.min(total - offset);
        Self { limit, offset: total - offset - limit, backwards: true }
    }
}

/// How the column that is sorted by is selected.
fn selected(table: &Table, column: &str) -> String {
    match column {
        "id" => "id".to_owned(),
        SPENT => format!(
            "id, COALESCE((SELECT s.spent FROM tollgate_spend s WHERE s.scope = '{}' AND s.slot = '' AND s.id = {}.id), 0) AS spent",
            table.kind,
            table.from.trim_start_matches(" FROM ")
        ),
        column => format!("id, {column}"),
    }
}

/// What the rows `name` are sorted by, and how.
fn sorted(table: &Table, query: &Query, name: &str, backwards: bool) -> (&'static str, String) {
    let descending = query.order.is_some_and(|order| order.descending) != backwards;
    let way = if descending { " DESC" } else { "" };
    let is_known = |order: &Order| order.column == SPENT || table.columns.contains(&order.column);
    match query.order.filter(is_known) {
        Some(Order { column, .. }) => (column, format!("ORDER BY {name}{column}{way}, {name}id{way}")),
        None => ("id", format!("ORDER BY {name}id{way}")),
    }
}

/// The page is found in an index alone, which holds what is sorted by and the id; only then rows are read.
pub(super) fn page(table: &Table, query: &Query, is_file: bool, span: Span) -> Statement {
    let (conditions, values) = conditions(table, query, is_file);
    let (from, name, next) = (table.from, table.from.trim_start_matches(" FROM "), values.len());
    let (column, inner) = sorted(table, query, "", span.backwards);
    let (_, outer) = sorted(table, query, "p.", false);
    let columns = selected(table, column);
    let sql = format!(
        "SELECT t.id, t.doc FROM (SELECT {columns}{from}{conditions} {inner} LIMIT ${} OFFSET ${}) p \
         JOIN {name} t ON t.id = p.id {outer}",
        next + 1,
        next + 2
    );
    Statement { sql, values }
}

pub(super) fn count(table: &Table, query: &Query, is_file: bool) -> Statement {
    let (conditions, values) = conditions(table, query, is_file);
    Statement { sql: format!("SELECT COUNT(*){}{conditions}", table.from), values }
}

/// The rows that contain a text, if they are few. To find them takes one look at all names; to find a page of them in
/// order could take one at all rows.
pub(super) fn candidates(table: &Table, query: &Query, is_file: bool) -> Statement {
    let (conditions, values) = conditions(table, query, is_file);
    Statement { sql: format!("SELECT id{}{conditions} LIMIT {MOST_COUNTED}", table.from), values }
}

/// A page of these rows.
pub(super) fn among(table: &Table, query: &Query, ids: &[String], is_file: bool) -> Statement {
    let list = if is_file {
        "SELECT value FROM json_each($1)"
    } else {
        "SELECT jsonb_array_elements_text($1::text::jsonb)"
    };
    let ((column, order), from) = (sorted(table, query, "", false), table.from);
    let spent =
        if column == SPENT { selected(table, column).replacen("id, ", ", ", 1) } else { String::new() };
    let sql = format!("SELECT id, doc{spent}{from} WHERE id IN ({list}) {order} LIMIT $2 OFFSET $3");
    Statement { sql, values: vec![Value::from(ids).to_string()] }
}

/// Whether a text is looked for inside of others.
fn searches(query: &Query) -> bool {
    let mut all = query.filters.iter().chain(query.any.iter().flatten());
    all.any(|filter| matches!(filter, Filter::Contains(..)))
}

fn conditions(table: &Table, query: &Query, is_file: bool) -> (String, Vec<String>) {
    let mut values = Vec::new();
    let mut parts: Vec<String> =
        query.filters.iter().map(|filter| condition(table, filter, &mut values, is_file)).collect();
    if !query.any.is_empty() {
        let groups: Vec<String> = query
            .any
            .iter()
            .map(|group| {
                let all: Vec<String> =
                    group.iter().map(|f| condition(table, f, &mut values, is_file)).collect();
                format!("({})", all.join(" AND "))
            })
            .collect();
        parts.push(format!("({})", groups.join(" OR ")));
    }
    if parts.is_empty() {
        (String::new(), values)
    } else {
        (format!(" WHERE {}", parts.join(" AND ")), values)
    }
}

/// Places for a list of values, which are bound after those that are bound already.
pub(super) fn places(wanted: &[String], values: &mut Vec<String>) -> String {
    let place = |value: &String| {
        values.push(value.clone());
        format!("${}", values.len())
    };
    wanted.iter().map(place).collect::<Vec<_>>().join(", ")
}

fn condition(table: &Table, filter: &Filter, values: &mut Vec<String>, is_file: bool) -> String {
    let known = |column: &&'static str| table.columns.contains(column);
    match filter {
        Filter::Is(column, value) if known(column) => {
            values.push(value.clone());
            format!("{column} = ${}", values.len())
        }
        Filter::OneOf(column, wanted) if known(column) && !wanted.is_empty() => {
            format!("{column} IN ({})", places(wanted, values))
        }
        Filter::Contains(column, text) if known(column) => {
            // SQLite's LIKE looks past the case of ASCII by itself, and its LOWER does no more than that.
            let text = if is_file { text.clone() } else { text.to_lowercase() };
            values.push(format!("%{}%", escaped(&text)));
            let folded = if is_file { (*column).to_owned() } else { format!("LOWER({column})") };
            // Said so that an index without empty ones will do.
            format!("({column} IS NOT NULL AND {folded} LIKE ${} ESCAPE '!')", values.len())
        }
        Filter::Missing(column) if known(column) => format!("{column} IS NULL"),
        Filter::Present(column) if known(column) => format!("{column} IS NOT NULL"),
        Filter::Id(id) => {
            values.push(id.clone());
            format!("id = ${}", values.len())
        }
        // A column that is not searched by finds nothing.
        _ => "1 = 0".to_owned(),
    }
}

fn escaped(text: &str) -> String {
    text.replace('!', "!!").replace('%', "!%").replace('_', "!_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_counted_from_the_nearer_end() {
        let of = |limit, offset| {
            let span = Span::of(&Query { limit, offset, ..Query::default() }, 100);
            (span.limit, span.offset, span.backwards)
        };
        assert_eq!(of(10, 50), (10, 50, false));
        assert_eq!(of(10, 60), (10, 30, true));
        assert_eq!(of(10, 95), (5, 0, true));
        assert_eq!(of(10, 100), (10, 100, false));
    }
}
