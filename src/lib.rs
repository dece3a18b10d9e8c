//! tollgate: an AI gateway on Pingora.
//!
//! # Two planes
//! The **data plane** ([`proxy`]) is an adapter for Pingora's phases: it reads an immutable snapshot, touches atomics
//! and hands records to queues. It names no file, waits for no lock and resolves no name. The **control
//! plane** ([`control`]) is an axum router on a runtime of its own, reached through [`proxy::ControlPlane`].
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
//! | 2 | [`endpoints`], [`providers`], [`store`], [`telemetry`], [`simulator`] |
//! | 1 | [`auth`], [`dialects`], [`limits`], [`metering`], [`routing`] |
//! | 0 | [`domain`] |
//!
//! Floors 0 and 1 have no I/O, no clock and no async: time and random draws are handed in.
//!
//! # The life of a request
//! `Arrived` → [`auth`] says who calls, [`dialects`] what is asked, [`runtime`] which group it means → `Admitted` →
//! the group picks a deployment, [`upstream`] gives its peer → `Attempting` → the upstream's head decides:
//! an error is captured (and retried, or told), a whole answer is held until its cost is known, a stream is
//! relayed → one [`domain::UsageRecord`] for the [`ledger`] and [`telemetry`]. The snapshot is loaded once for all of it.
//!
//! # Where do I add…
//! | what | where |
//! |---|---|
//! | an OpenAI-compatible vendor | a row in `providers/compatible.rs` |
//! | an endpoint | a file in `endpoints/` and a line in its `ALL` |
//! | a routing strategy | a file in `routing/strategies/` and a line in its table |
//! | an admin route | a file in `control/api/` and a line in [`control::routes::ALL`] |
//! | a metric | a field in `telemetry/metrics/` |
//! | a config key | a line in `config/audit/` and its use in `config/compile/` |
//! | an error | a variant and a row in [`domain::ErrorKind`] |

pub mod domain;

pub mod auth;
pub mod dialects;
pub mod limits;
pub mod metering;
pub mod routing;

pub mod endpoints;
pub mod providers;
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
