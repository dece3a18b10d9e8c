//! Floor 3: peers. Addresses and health of each origin, cooldown of each deployment and key.
//!
//! Pingora's load balancer treats two backends with one address as one, so there are two levels: an
//! [`Endpoint`] (origin) holds Pingora's `LoadBalancer` with DNS discovery and health checks, and a
//! [`Deployment`] (endpoint × key × model) has its own cooldown above it. What is kept here outlives
//! a reload, by origin and by deployment id.

mod ask;
mod bench;
mod cooldown;
mod deployment;
mod discovery;
mod endpoint;
mod fetch;
mod head;
mod lender;
mod outbox;
mod queue;
mod quota;
mod registry;
mod searcher;
mod socket;
mod station;
mod traits;
pub mod wire;

pub use ask::{Asked, ask_for_models};
pub use bench::Cooldown;
pub use cooldown::{Fault, KeyLane, Lanes, Leave, TargetState};
pub use deployment::{Deployment, InFlight, Uncallable, callable};
pub use endpoint::{Endpoint, Patience, Probe, Route};
pub use outbox::{NotPosted, Outbox};
pub use queue::{Ask, Granted, NoTurn, Queue, Ticket};
pub use quota::QuotaLane;
pub use registry::Upstreams;
pub use searcher::{NotFound, Searcher};
pub use socket::{Handshake, Upgraded, upgrade, upgrade_head};
pub use station::{LIST_LASTS, Station, Watched, refresh_lists};
pub use traits::{Traits, Words};

/// What upstreams are told of who asks.
const USER_AGENT: &str = concat!("tollgate/", env!("CARGO_PKG_VERSION"));
