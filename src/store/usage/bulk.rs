//! Many rows in one statement, on each database the way that costs it least: arrays on Postgres, which plans one
//! short statement, and long lists of values on SQLite.

use crate::store::server::Connection;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, Postgres, Row, Sqlite, SqliteConnection};
use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::OnceLock;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Int,
}

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Cell<'a> {
    Text(Cow<'a, str>),
    Int(i64),
    Null,
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
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    const fn as_int(&self) -> Option<i64> {
        if let Self::Int(number) = self { Some(*number) } else { None }
    }
}

/// Rows of SQLite's statements: most, some, one; few enough texts for its cache.
const STEPS: [usize; 3] = [64, 8, 1];

/// An insert of many rows.
pub(super) struct Bulk {
    table: &'static str,
    columns: &'static [(&'static str, Kind)],
    /// What follows the rows.
    ending: &'static str,
    arrays: OnceLock<String>,
    lists: [OnceLock<String>; 3],
}

/// Rows of a [`Bulk`], one value after the other.
pub(super) type Cells<'a> = Vec<Cell<'a>>;

impl Bulk {
    pub(super) const fn new(
        table: &'static str,
        columns: &'static [(&'static str, Kind)],
        ending: &'static str,
    ) -> Self {
        let lists = [OnceLock::new(), OnceLock::new(), OnceLock::new()];
        Self { table, columns, ending, arrays: OnceLock::new(), lists }
    }

    fn head(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        format!("INSERT INTO {} ({})", self.table, names.join(", "))
    }

    /// Postgres' statement.
    pub(super) fn arrays(&self) -> &str {
        self.arrays.get_or_init(|| {
            let mut sql = self.head();
            sql.push_str(" SELECT * FROM UNNEST(");
            for (n, (_, kind)) in self.columns.iter().enumerate() {
                let kind = if *kind == Kind::Text { "text" } else { "bigint" };
                let glue = if n == 0 { "" } else { ", " };
                // Writing to a String cannot fail.
                let _ = write!(sql, "{glue}${}::{kind}[]", n + 1);
            }
            sql + ") " + self.ending
        })
    }

    /// SQLite's statement for `STEPS[step]` rows.
    pub(super) fn list(&self, step: usize) -> &str {
        self.lists[step].get_or_init(|| {
            let row = format!("({}?)", "?, ".repeat(self.columns.len() - 1));
            let rows = vec![row; STEPS[step]].join(", ");
            format!("{} VALUES {rows} {}", self.head(), self.ending)
        })
    }

    fn pg<'q>(&'q self, cells: &'q Cells<'_>) -> Query<'q, Postgres, PgArguments> {
        let width = self.columns.len();
        let mut query = sqlx::query(self.arrays());
        for (n, (_, kind)) in self.columns.iter().enumerate() {
            let column = cells.iter().skip(n).step_by(width);
            query = match kind {
                Kind::Text => query.bind(column.map(Cell::as_text).collect::<Vec<Option<&str>>>()),
                Kind::Int => query.bind(column.map(Cell::as_int).collect::<Vec<Option<i64>>>()),
            };
        }
        query
    }

    /// The arguments are put together first: a query is large, and each `bind` would move it.
    fn lite<'q>(
        &'q self,
        step: usize,
        cells: &'q [Cell<'_>],
    ) -> Result<Query<'q, Sqlite, SqliteArguments<'q>>, sqlx::Error> {
        let mut arguments = SqliteArguments::default();
        arguments.reserve(cells.len(), 0);
        for cell in cells {
            match cell {
                Cell::Text(text) => arguments.add(&**text),
                Cell::Int(number) => arguments.add(*number),
                Cell::Null => arguments.add(None::<i64>),
            }
            .map_err(sqlx::Error::Encode)?;
        }
        Ok(sqlx::query_with(self.list(step), arguments))
    }

    /// SQLite's pieces: which statement, and its values.
    fn pieces<'q, 'a>(&self, mut cells: &'q [Cell<'a>]) -> Vec<(usize, &'q [Cell<'a>])> {
        let mut pieces = Vec::new();
        for (step, rows) in STEPS.into_iter().enumerate() {
            while cells.len() >= rows * self.columns.len() {
                let (piece, rest) = cells.split_at(rows * self.columns.len());
                pieces.push((step, piece));
                cells = rest;
            }
        }
        pieces
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

    pub(in crate::store::usage) async fn fetch(
        bulk: &Bulk,
        cells: &Cells<'_>,
        to: &mut Connection,
    ) -> Result<Vec<Returned>, sqlx::Error> {
        if cells.is_empty() {
            return Ok(Vec::new());
        }
        let rows = bulk.pg(cells).fetch_all(to).await?;
        rows.iter()
            .map(|row| {
                Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?))
            })
            .collect()
    }
}

/// See [`postgres`].
pub(super) mod sqlite {
    use super::{Bulk, Cells, Returned, Row, SqliteConnection};

    pub(in crate::store::usage) async fn execute(
        bulk: &Bulk,
        cells: &Cells<'_>,
        to: &mut SqliteConnection,
    ) -> Result<u64, sqlx::Error> {
        let mut affected = 0;
        for (step, piece) in bulk.pieces(cells) {
            affected += bulk.lite(step, piece)?.execute(&mut *to).await?.rows_affected();
        }
        Ok(affected)
    }

    pub(in crate::store::usage) async fn fetch(
        bulk: &Bulk,
        cells: &Cells<'_>,
        to: &mut SqliteConnection,
    ) -> Result<Vec<Returned>, sqlx::Error> {
        let mut found = Vec::new();
        for (step, piece) in bulk.pieces(cells) {
            for row in bulk.lite(step, piece)?.fetch_all(&mut *to).await? {
                found.push((
                    row.try_get(0)?,
                    row.try_get(1)?,
                    row.try_get(2)?,
                    row.try_get(3)?,
                    row.try_get(4)?,
                ));
            }
        }
        Ok(found)
    }
}
