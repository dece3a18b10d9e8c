//! Scarce quota, and the line of calls that wait for it.
//!
//! A [`Quota`] counts what was taken of one upstream's limits, so that no phase of the upstream's own
//! window can see more than the limit. A [`Line`] is the order in which waiting calls are let through:
//! fair by flow and weight, sooner by priority, never past a call that has a claim. [`soonest`] says when
//! a call would get its turn. Times are milliseconds of any steady clock.

#[cfg(test)]
mod elsewhere;
mod forecast;
mod line;
mod quota;
mod sliding;
#[cfg(test)]
mod tests;
mod told;

pub use forecast::{Demand, soonest};
pub use line::{Advance, Attempt, Claims, Line, Place, Rank, Waits};
pub use quota::{Hold, Limits, Quota};
pub use told::{Side, Told};
