//! Moving in from LiteLLM: its tables are read as they are, converted row by row, compared with what is here, and
//! written if that is asked for.
//!
//! What a row was when it was brought over is kept (`tollgate_import`), so that a later run can tell which side changed
//! it: LiteLLM's changes are taken over, changes made here stay. Counters are added to by what LiteLLM counted since,
//! so that both may serve for a while.
//! Daily totals are rows of their own, set to what LiteLLM has each time.

mod batch;
mod convert;
mod days;
mod kinds;
mod left;
mod report;
mod sides;
mod source;
#[cfg(test)]
mod tests;
mod values;

pub use report::{Line, Note, Report};
pub use source::Source;

use super::db::{Store, StoreError};
use super::settings::DatabaseSettings;
use super::table::KEYS;
use super::vault::{SealError, Vault};
use crate::limits::Zone;
use batch::Import;
use convert::Lookups;
use kinds::{ALL, TEAM_ALIASES};

/// Why an import ended early. What was written until then is right, and the next run goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// One of the two databases.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Only Postgres holds LiteLLM's tables.
    #[error("LiteLLM's database is a Postgres: postgres://…, or a folder of CSV files")]
    NotPostgres,
    /// The URL cannot be read.
    #[error("the URL of LiteLLM's database cannot be read")]
    BadUrl,
    /// LiteLLM's tables are not there.
    #[error("{0} holds no table \"LiteLLM_VerificationToken\"")]
    NotLiteLlm(&'static str),
    /// A file cannot be read.
    #[error("{0}: {1}")]
    File(String, String),
    /// There is no key to encrypt with.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A row is no JSON object.
    #[error("a row of LiteLLM's database cannot be read")]
    Row,
}

impl From<sqlx::Error> for ImportError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// How to bring rows over.
#[derive(Clone, Debug)]
pub struct Options {
    /// Write; else only say what would be written.
    pub apply: bool,
    /// Write also over rows that were changed here since.
    pub overwrite: bool,
    /// Where midnight is.
    pub zone: Zone,
    /// Opens what LiteLLM encrypted, and encrypts it for here.
    pub vault: Vault,
}

/// Brings LiteLLM's rows over into `store`; `None` stands for a database that does not exist yet.
///
/// # Errors
/// [`ImportError`].
pub async fn import(
    store: Option<&Store>,
    source: &mut Source,
    options: &Options,
) -> Result<Report, ImportError> {
    let lookups = lookups(source).await?;
    let mut run = Import::new(store, options, lookups).await?;
    for kind in &ALL {
        if source.open(kind.table, kind.ids).await? {
            run.begin(kind.words);
            while let Some(rows) = source.next().await? {
                run.take(kind, rows).await?;
            }
        }
    }
    for table in &days::ALL {
        days::take(&mut run, table, source).await?;
    }
    let mut report = run.end();
    for table in source.tables().await? {
        let Err(why) = left::fate(&table) else { continue };
        let rows = source.count(&table).await?;
        if rows > 0 {
            report.leave(table, why, rows);
        }
    }
    Ok(report)
}

async fn lookups(source: &mut Source) -> Result<Lookups, ImportError> {
    let mut lookups = Lookups::default();
    if source.open(TEAM_ALIASES, &[]).await? {
        while let Some(rows) = source.next().await? {
            rows.into_iter().for_each(|row| convert::learn_aliases(row, &mut lookups));
        }
    }
    Ok(lookups)
}

impl Store {
    /// Brings over the rows of a LiteLLM that has its tables in this very database, if there are no keys here yet.
    ///
    /// # Errors
    /// [`ImportError`].
    pub async fn import_own(
        &self,
        settings: &DatabaseSettings,
        options: &Options,
    ) -> Result<Option<Report>, ImportError> {
        let is_empty = async || Ok::<_, StoreError>(self.list(&KEYS, &ONE).await?.rows.is_empty());
        if self.is_file() || !is_empty().await? {
            return Ok(None);
        }
        let Some(mut source) = Source::beside(self, settings).await? else { return Ok(None) };
        // Another process may have been faster while this one waited for the lock.
        if !is_empty().await? {
            return Ok(None);
        }
        import(Some(self), &mut source, options).await.map(Some)
    }
}

const ONE: super::Query =
    super::Query { filters: Vec::new(), any: Vec::new(), order: None, limit: 1, offset: 0 };
