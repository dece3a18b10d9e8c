//! Many rows in one statement, on each database the way that costs it least: arrays on Postgres, which plans one
//! short statement, and long lists of values on SQLite, which finds the place of a row from that of the one before.

use crate::store::server::Connection;
use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{Postgres, Row};
use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Int,
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell<'a> {
    Text(Cow<'a, str>),
    Shared(Arc<str>),
    Int(i64),
    Null,
}

impl ToSql for Cell<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Shared(text) => ValueRef::Text(text.as_bytes()),
            Self::Int(number) => ValueRef::Integer(*number),
            Self::Null => ValueRef::Null,
        }))
    }
}

impl<'a> Cell<'a> {
    pub(super) fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    pub(super) fn option(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::text)
    }

    /// A count; one that is larger than any is the largest.
    pub(super) fn count(number: impl TryInto<i64>) -> Self {
        Self::Int(number.try_into().unwrap_or(i64::MAX))
    }

    fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Shared(text) => Some(text),
            Self::Int(_) | Self::Null => None,
        }
    }

    const fn as_int(&self) -> Option<i64> {
        if let Self::Int(number) = self { Some(*number) } else { None }
    }
}

/// Rows of SQLite's statements: most, some, one; few enough statements to keep all of them prepared.
pub(super) const STEPS: [usize; 3] = [64, 8, 1];

/// Stands in what follows the rows for a moment that is handed in, in unix milliseconds.
const NOW: &str = "{now}";

/// A column's name, and what it holds.
pub(super) type Column = (&'static str, Kind);

/// An insert of many rows.
pub(super) struct Bulk {
    table: &'static str,
    columns: &'static [Column],
    /// The columns after those.
    more: &'static [Column],
    /// Columns that are the same in all rows, as SQL; for SQLite alone.
    fixed: &'static [(&'static str, &'static str)],
    verb: &'static str,
    /// What follows the rows.
    ending: &'static str,
    arrays: OnceLock<String>,
    lists: [OnceLock<String>; 3],
}

/// Rows of a [`Bulk`], one value after the other.
pub(super) type Cells<'a> = Vec<Cell<'a>>;

impl Bulk {
    pub(super) const fn new(table: &'static str, columns: &'static [Column], ending: &'static str) -> Self {
        let lists = [OnceLock::new(), OnceLock::new(), OnceLock::new()];
        let arrays = OnceLock::new();
        Self { table, columns, more: &[], fixed: &[], verb: "INSERT", ending, arrays, lists }
    }

    /// Has these columns besides.
    pub(super) const fn and(mut self, more: &'static [Column]) -> Self {
        self.more = more;
        self
    }

    /// Has these columns besides, whose values stand in the statement.
    pub(super) const fn fixed(mut self, fixed: &'static [(&'static str, &'static str)]) -> Self {
        self.fixed = fixed;
        self
    }

    /// Writes over rows that are there already; for SQLite alone.
    pub(super) const fn replacing(mut self) -> Self {
        self.verb = "INSERT OR REPLACE";
        self
    }

    /// Columns of a row.
    pub(super) const fn width(&self) -> usize {
        self.columns.len() + self.more.len()
    }

    fn columns(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().chain(self.more)
    }

    fn head(&self) -> String {
        let fixed = self.fixed.iter().map(|(name, _)| *name);
        let names: Vec<&str> = self.columns().map(|(name, _)| *name).chain(fixed).collect();
        format!("{} INTO {} ({})", self.verb, self.table, names.join(", "))
    }

    /// Postgres' statement.
    pub(super) fn arrays(&self) -> &str {
        self.arrays.get_or_init(|| {
            let mut sql = self.head();
            sql.push_str(" SELECT * FROM UNNEST(");
            for (n, (_, kind)) in self.columns().enumerate() {
                let kind = if *kind == Kind::Text { "text" } else { "bigint" };
                let glue = if n == 0 { "" } else { ", " };
                // Writing to a String cannot fail.
                let _ = write!(sql, "{glue}${}::{kind}[]", n + 1);
            }
            let ending = self.ending.replace(NOW, &format!("${}::bigint", self.width() + 1));
            sql + ") " + &ending
        })
    }

    /// SQLite's statement for `STEPS[step]` rows.
    pub(super) fn list(&self, step: usize) -> &str {
        self.lists[step].get_or_init(|| {
            let fixed: String = self.fixed.iter().map(|(_, value)| format!(", {value}")).collect();
            let row = format!("({}?{fixed})", "?, ".repeat(self.width() - 1));
            let rows = vec![row; STEPS[step]].join(", ");
            let ending = self.ending.replace(NOW, &format!("?{}", STEPS[step] * self.width() + 1));
            format!("{} VALUES {rows} {ending}", self.head())
        })
    }

    fn pg<'q>(&'q self, cells: &'q Cells<'_>) -> Query<'q, Postgres, PgArguments> {
        let width = self.width();
        let mut query = sqlx::query(self.arrays());
        for (n, (_, kind)) in self.columns().enumerate() {
            let column = cells.iter().skip(n).step_by(width);
            query = match kind {
                Kind::Text => query.bind(column.map(Cell::as_text).collect::<Vec<Option<&str>>>()),
                Kind::Int => query.bind(column.map(Cell::as_int).collect::<Vec<Option<i64>>>()),
            };
        }
        query
    }
}

/// A counter as an upsert returns it: scope, id, slot, period, amount.
pub(super) type Returned = (String, String, String, i64, i64);

/// The two databases under the same names, so that a macro writes a transaction once.
pub(super) mod postgres {
    use super::{Bulk, Cells, Connection, Returned, Row};

    pub(in crate::store::usage) async fn execute(
        bulk: &Bulk,
        cells: &Cells<'_>,
        to: &mut Connection,
    ) -> Result<u64, sqlx::Error> {
        if cells.is_empty() {
            return Ok(0);
        }
        Ok(bulk.pg(cells).execute(to).await?.rows_affected())
    }

    /// What rows return; the statement names a moment.
    pub(in crate::store::usage) async fn fetch(
        bulk: &Bulk,
        cells: &Cells<'_>,
        now: i64,
        to: &mut Connection,
    ) -> Result<Vec<Returned>, sqlx::Error> {
        if cells.is_empty() {
            return Ok(Vec::new());
        }
        let rows = bulk.pg(cells).bind(now).fetch_all(to).await?;
        rows.iter()
            .map(|row| {
                Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?))
            })
            .collect()
    }
}

/// See [`postgres`].
pub(super) mod sqlite {
    use super::{Bulk, Cell, Cells, Returned, STEPS};
    use rusqlite::{CachedStatement, Connection};

    /// Calls `each` with statements and the values of all rows bound to them.
    fn each(
        bulk: &Bulk,
        cells: &Cells<'_>,
        now: Option<i64>,
        to: &Connection,
        mut each: impl FnMut(&mut CachedStatement<'_>) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        let mut left = cells.as_slice();
        for (step, rows) in STEPS.into_iter().enumerate() {
            let pieces = left.chunks_exact(rows * bulk.width());
            left = pieces.remainder();
            let (mut statement, mut bound) = (None, None);
            for piece in pieces {
                let statement = match &mut statement {
                    Some(statement) => statement,
                    none => {
                        let statement = none.insert(to.prepare_cached(bulk.list(step))?);
                        if let Some(now) = now {
                            statement.raw_bind_parameter(piece.len() + 1, now)?;
                        }
                        statement
                    }
                };
                for (n, cell) in piece.iter().enumerate() {
                    // Much is the same in call after call, and stays bound.
                    if bound.is_none_or(|bound: &[Cell<'_>]| bound[n] != *cell) {
                        statement.raw_bind_parameter(n + 1, cell)?;
                    }
                }
                bound = Some(piece);
                each(statement)?;
            }
        }
        Ok(())
    }

    pub(in crate::store::usage) fn execute(
        bulk: &Bulk,
        cells: &Cells<'_>,
        to: &Connection,
    ) -> rusqlite::Result<usize> {
        let mut affected = 0;
        each(bulk, cells, None, to, |statement| {
            affected += statement.raw_execute()?;
            Ok(())
        })?;
        Ok(affected)
    }

    pub(in crate::store::usage) fn fetch(
        bulk: &Bulk,
        cells: &Cells<'_>,
        now: i64,
        to: &Connection,
    ) -> rusqlite::Result<Vec<Returned>> {
        let mut found = Vec::new();
        each(bulk, cells, Some(now), to, |statement| {
            let mut rows = statement.raw_query();
            while let Some(row) = rows.next()? {
                found.push((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
            }
            Ok(())
        })?;
        Ok(found)
    }
}
