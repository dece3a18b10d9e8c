//! Floor 2: the database, SQLite or PostgreSQL, behind one set of statements.
//!
//! Entities are documents in LiteLLM's shapes with generated columns for what is searched ([`Table`]); money is
//! integers in counters of its own. Every statement is text known at build time, or put together from such
//! text, with bound values; a test prepares all of them on both databases. Nothing of the data plane
//! is called from here, and nothing here is called on a data-plane thread.

mod backup;
mod changes;
mod db;
mod facts;
mod farewell;
pub mod import;
mod migrate;
mod query;
mod rotate;
mod server;
mod settings;
mod spend;
mod table;
#[cfg(test)]
pub(crate) mod tests;
mod usage;
mod vault;
mod waiting;
mod writer;

pub use changes::Change;
pub use db::{Store, StoreError};
pub use facts::{Facts, member_id};
pub use query::{Filter, Listing, MOST_COUNTED, Order, Query, SPENT};
pub use settings::{DatabaseSettings, InvalidUrl, Target};
pub use spend::Spent;
pub use table::{
    ALL as TABLES, BUDGETS, CREDENTIALS, CUSTOMERS, DELETED_KEYS, Doc, KEYS, MEMBERS, MODELS, ORGANIZATIONS,
    PROJECTS, SETTINGS, TAGS, TEAMS, Table, USERS,
};
pub use usage::{
    Booked, Booking, CallColumn, CallOrder, CallQuery, CallRow, CounterTotal, Deployed, Dimension, KeyName,
    LimitedDay, MOST_CALLS, Progress, Source, SumOrder, SumQuery, Sums, Verified,
};
pub use vault::{SealError, Vault, is_sealed};
