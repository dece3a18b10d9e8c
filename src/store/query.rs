//! Searches in a table of documents: filters, an order and a page.

use super::db::{Store, StoreError, on};
use super::table::{Doc, Table, object};
use serde_json::Value;
use sqlx::Row;
use std::fmt::Write as _;

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
    /// A column of [`Table::columns`], or `id`.
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

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing {
    /// The rows of the page: id and document.
    pub rows: Vec<(String, Doc)>,
    /// How many rows there are on all pages.
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
        let page = page(table, query);
        let count = count(table, query);
        on!(&self.db, pool => {
            let mut asked = sqlx::query(&page.sql);
            for value in &page.values {
                asked = asked.bind(value);
            }
            let found = asked.bind(i64::from(query.limit)).bind(i64::from(query.offset)).fetch_all(pool).await?;
            let read = |row: &_| Ok((Row::try_get(row, 0)?, object(Row::try_get::<Value, _>(row, 1)?)));
            let rows = found.iter().map(read).collect::<Result<Vec<_>, sqlx::Error>>()?;
            let mut asked = sqlx::query_scalar::<_, i64>(&count.sql);
            for value in &count.values {
                asked = asked.bind(value);
            }
            let total = u64::try_from(asked.fetch_one(pool).await?).unwrap_or_default();
            Ok(Listing { rows, total })
        })
    }
}

pub(super) fn page(table: &Table, query: &Query) -> Statement {
    let (mut sql, values) = conditions(table, query);
    sql.insert_str(0, table.from);
    sql.insert_str(0, "SELECT id, doc");
    let order = query.order.filter(|order| table.columns.contains(&order.column));
    match order {
        Some(Order { column, descending: true }) => {
            sql.push_str(&format!(" ORDER BY {column} DESC, id DESC"))
        }
        Some(Order { column, .. }) => sql.push_str(&format!(" ORDER BY {column}, id")),
        None => sql.push_str(" ORDER BY id"),
    }
    let next = values.len();
    // Writing to a String cannot fail.
    let _ = write!(sql, " LIMIT ${} OFFSET ${}", next + 1, next + 2);
    Statement { sql, values }
}

pub(super) fn count(table: &Table, query: &Query) -> Statement {
    let (mut sql, values) = conditions(table, query);
    sql.insert_str(0, table.from);
    sql.insert_str(0, "SELECT COUNT(*)");
    Statement { sql, values }
}

fn conditions(table: &Table, query: &Query) -> (String, Vec<String>) {
    let mut values = Vec::new();
    let mut parts: Vec<String> =
        query.filters.iter().map(|filter| condition(table, filter, &mut values)).collect();
    if !query.any.is_empty() {
        let groups: Vec<String> = query
            .any
            .iter()
            .map(|group| {
                let all: Vec<String> = group.iter().map(|f| condition(table, f, &mut values)).collect();
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

fn condition(table: &Table, filter: &Filter, values: &mut Vec<String>) -> String {
    let known = |column: &&'static str| table.columns.contains(column);
    match filter {
        Filter::Is(column, value) if known(column) => {
            values.push(value.clone());
            format!("{column} = ${}", values.len())
        }
        Filter::OneOf(column, wanted) if known(column) && !wanted.is_empty() => {
            let places: Vec<String> = wanted
                .iter()
                .map(|value| {
                    values.push(value.clone());
                    format!("${}", values.len())
                })
                .collect();
            format!("{column} IN ({})", places.join(", "))
        }
        Filter::Contains(column, text) if known(column) => {
            values.push(format!("%{}%", escaped(&text.to_lowercase())));
            format!("LOWER({column}) LIKE ${} ESCAPE '!'", values.len())
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
