//! Floor 1: from the deployments of a group to the one that is tried next, and when one is left out.
//!
//! Everything here is pure: the random draw and the time are handed in. A strategy is a file in
//! `strategies/` and a line in its table.

mod backoff;
mod breaker;
pub mod queue;
pub mod strategies;

pub use backoff::{backoff, jitter};
pub use breaker::{Breaker, BreakerRules, Verdict};
pub use strategies::{Candidate, Strategy};
