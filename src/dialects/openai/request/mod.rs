//! A request's facts, of whichever API, and how they are read of a JSON body.

mod facts;
mod read;
pub(super) mod units;
pub(super) mod values;

pub use facts::{Controls, Request};
pub use read::read;
pub use units::heard_in;
