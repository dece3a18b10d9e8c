//! Floor 0: the words every other floor speaks.
//!
//! Plain data with no I/O, no clock and no async. What crosses a floor is a type from here:
//! ids, money, secrets, usage, failures, the usage record and the one error a client can be shown.

pub mod attempt;
pub mod charge;
pub mod decimal;
mod digest;
pub mod entity;
pub mod error;
pub mod failure;
#[cfg(test)]
pub(crate) mod fixture;
pub mod id;
pub mod money;
pub mod period;
pub mod prices;
pub mod record;
pub mod secret;
pub mod time;
pub mod usage;

pub use attempt::{EndpointKind, HostPort, Scheme};
pub use charge::{Charge, CounterId, Scope};
pub use decimal::Decimal;
pub use digest::KeyDigest;
pub use entity::{
    BudgetTerms, CustomerFacts, KeyFacts, MemberFacts, OrganizationFacts, QueueTerms, RateTerms, TeamFacts,
    UserFacts, UserRole,
};
pub use error::{ApiError, ErrorKind};
pub use failure::{Failure, FaultClass, UpstreamClass};
pub use id::{CallId, RecordId, TargetId};
pub use money::{BadMoney, Money, MoneyText, TokenPrice};
pub use period::{BadPeriod, Period, PeriodUnit};
pub use prices::{BatchPrices, Prices, Tier, UnitPrices, Units};
pub use record::{AttemptRecord, Attribution, Content, Outcome, Timings, UsageRecord};
pub use secret::Secret;
pub use time::unix_ms;
pub use usage::{Usage, UsageSource};

/// The LiteLLM release whose behaviour is served, as its clients expect to read it.
pub const LITELLM_VERSION: &str = "1.83.14";
