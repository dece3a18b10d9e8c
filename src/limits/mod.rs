//! Floor 1: how fast and for how much money a caller may call.
//!
//! A [`Gate`] is one thing that has limits (a key, its team, …): a [`Window`] for its speed and a [`Purse`] for
//! each of its budgets. [`admit`] passes a request through all its gates or through none and gives a [`Permit`];
//! the permit is settled with what the call really took, or dropped. The counters live in [`Meters`]; those of several
//! processes can be one ([`Sharing`]).
//!
//! Everything here is pure: the time is handed in, in unix milliseconds. No lock is held across two counters. A thread
//! that counts often at a gate has a part of its counters by itself ([`Gate::apart`]), as long as limits are far.
//!
//! A further thing with limits is a word in [`Descriptor`] (and its sentence in `refusal.rs`, if it has budgets);
//! a further way to align periods is an arm in `calendar.rs`.

mod account;
mod calendar;
mod estimate;
mod gate;
mod lease;
mod meters;
mod pace;
mod permit;
mod policy;
mod rate;
mod refusal;
mod sharing;
mod standing;
mod window;

#[cfg(test)]
mod tests;

pub use account::{Account, AccountPart, Balance, Expected, LATE, MoneyHold, Overspent, Refuses};
pub use calendar::{UnknownZone, Zone, period_end};
pub use estimate::{Learned, output_estimate};
pub use gate::{Descriptor, Gate, Purse};
pub use meters::Meters;
pub use permit::{Ask, Permit, admit, admit_again, check};
pub use policy::Unpriced;
pub use rate::{Left, Load, RateKind, TooFast, TooMuch};
pub use refusal::Refusal;
pub use sharing::{
    AccountNews, AccountReport, Manner, Noted, Sharing, Together, Want, WindowNews, WindowReport, wants,
};
pub use standing::{Settled, Share, SoftCrossing, Standing};
pub use window::{RateHold, Window, WindowPart};
