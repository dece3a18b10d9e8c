//! Floor 1: from the deployments of a group to the one that is tried next, and when one is left out.
//!
//! Everything here is pure: the random draw and the time are handed in. A strategy is a file in
//! `strategies/` and a line in its table.

mod backoff;
mod breaker;
mod by_class;
mod fallback;
mod hedge;
mod origin;
mod pace;
pub mod queue;
pub mod strategies;

pub use backoff::{backoff, jitter};
pub use breaker::{Breaker, BreakerRules, Verdict};
pub use by_class::ByClass;
pub use fallback::{Fallbacks, Lists, MAX_DEPTH, MOST_GROUPS, Reason, Step, Trail};
pub use hedge::{HedgeMemory, HedgeTerms};
pub use origin::OriginBreaker;
pub use pace::{Average, Flow, Pace, Told};
pub use strategies::{Candidate, Choice, Chooser, Look, Notes, Sight};
