//! The promises of this module, one file each.

mod account;
mod calendar;
mod estimate;
mod meters;
mod parts;
mod permit;
mod sharing;
mod texts;
mod window;

use super::TooMuch;
use crate::domain::{CounterId, Money, Scope};

const fn pico(amount: i64) -> Money {
    Money::from_pico(amount)
}

fn counter(scope: Scope, id: &str, slot: &str) -> CounterId {
    CounterId { scope, id: id.into(), slot: slot.into() }
}

/// The limit that was reached.
fn reached<T: std::fmt::Debug>(why: TooMuch<T>) -> T {
    match why {
        TooMuch::Reached(why) => why,
        other => panic!("{other:?}"),
    }
}
