//! tollgate: an AI gateway on Pingora.
//!
//! # Two planes
//! The **data plane** ([`proxy`]) is an adapter for Pingora's phases: it reads an immutable snapshot and a directory of
//! keys in memory, touches counters, and appends records to the journal. It resolves no name and asks no database; only
//! the first call of a key waits until the control plane has looked it up. The **control plane** ([`control`]) is an axum
//! router on a runtime of its own, reached through [`proxy::ControlPlane`]; the database ([`store`]) is asked there.
//!
//! # Floors
//! A module imports strictly lower floors only; `tests/architecture.rs` holds this.
//!
//! | floor | modules |
//! |---|---|
//! | 7 | [`cli`] |
//! | 6 | [`server`] |
//! | 5 | [`proxy`], [`control`] |
//! | 4 | [`runtime`], [`ledger`] |
//! | 3 | [`config`], [`upstream`] |
//! | 2 | [`endpoints`], [`providers`], [`store`], [`shared`], [`telemetry`], [`simulator`] |
//! | 1 | [`auth`], [`dialects`], [`limits`], [`metering`], [`routing`] |
//! | 0 | [`domain`] |
//!
//! Floors 0 and 1 have no I/O, no clock and no async: time and random draws are handed in.
//!
//! # The life of a request
//! `Arrived` → [`auth`] says who calls, [`runtime::Directory`] whose key it is and whose limits that touches, [`dialects`]
//! what is asked, [`runtime`] which group it means → [`limits::admit`] takes what the call will likely need, in requests,
//! tokens, slots and money, from everybody concerned or from nobody → `Admitted`, which holds the [`limits::Permit`] →
//! the group picks a deployment (where keys have limits, after the call's turn in a [`upstream::Queue`]), [`upstream`]
//! gives its peer → `Attempting` → the upstream's head decides:
//! an error is captured (and retried, or told), a whole answer is held until its cost is known, a stream is
//! relayed → the permit is settled with what was used → one [`domain::UsageRecord`], in the journal of the [`ledger`]
//! before the client has the end of its answer, then for [`telemetry`]. The snapshot is loaded once for all of it.
//!
//! # The life of a record
//! journal on the disk → a thread of the [`ledger`] reads it → [`store`] books a batch in one transaction: rows, sums by
//! hour and day, counters, and how far the journal is booked → the counters of [`limits`] hear the new totals.
//!
//! # The life of a change
//! [`control`] checks what the caller may grant → [`store`] writes the document and notes the change → the
//! [`runtime::Directory`] of this process forgets what it knew at once, those of others when they read the notes.
//!
//! # Where do I add…
//! | what | where |
//! |---|---|
//! | an OpenAI-compatible vendor | a row in `providers/compatible/table.rs` |
//! | a dialect that upstreams speak | a folder in `dialects/` and a line in [`dialects::ALL`] |
//! | a dialect that clients speak | an [`dialects::Inbound`] and a line in [`dialects::inbound()`] |
//! | an endpoint | a file in `endpoints/` and a line in its `ALL` |
//! | a routing strategy | a file in `routing/strategies/` and a line in its table |
//! | an admin route | a file in `control/api/` and a line in [`control::routes::ALL`] |
//! | a column of a key, user or team | its field in `control/api/…`, and in `store/facts/` if calls depend on it |
//! | a counter that all processes share | its question in `shared/held.rs`, its script beside it |
//! | a thing with limits | a word in `limits/gate.rs` and its gate in `runtime/known.rs` |
//! | a table or a column | a file in `migrations/` for each database, and a line in `store/migrate.rs` |
//! | a metric | a field in `telemetry/metrics/` |
//! | a sink of finished calls | its format in `telemetry/sinks/`, its address in `config/compile/sinks.rs` |
//! | a config key | a line in `config/audit/` and its use in `config/compile/` |
//! | a command | a file in `cli/` with its arguments, and its line in `cli/arguments.rs` and `cli/mod.rs` |
//! | an error | a variant and a row in [`domain::ErrorKind`] |

pub mod domain;

pub mod auth;
pub mod dialects;
pub mod limits;
pub mod metering;
pub mod routing;

pub mod endpoints;
pub mod providers;
pub mod shared;
pub mod simulator;
pub mod store;
pub mod telemetry;

pub mod config;
pub mod upstream;

pub mod ledger;
pub mod runtime;

pub mod control;
pub mod proxy;

pub mod server;

pub mod cli;
