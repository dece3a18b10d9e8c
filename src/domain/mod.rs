//! Floor 0: the words every other floor speaks.
//!
//! Plain data with no I/O, no clock and no async. What crosses a floor is a type from here:
//! ids, money, secrets, usage, failures, the usage record and the one error a client can be shown.

pub mod attempt;
pub mod error;
pub mod failure;
pub mod id;
pub mod money;
pub mod prices;
pub mod record;
pub mod secret;
pub mod usage;

pub use attempt::{EndpointKind, HostPort, Scheme};
pub use error::{ApiError, ErrorKind};
pub use failure::{Failure, FaultClass, UpstreamClass};
pub use id::{CallId, TargetId};
pub use money::{Money, TokenPrice};
pub use prices::Prices;
pub use record::{AttemptRecord, Outcome, Timings, UsageRecord};
pub use secret::Secret;
pub use usage::{Usage, UsageSource};

/// The LiteLLM release whose behaviour is served, as its clients expect to read it.
pub const LITELLM_VERSION: &str = "1.83.14";
