//! What the tests of all dialects share.

pub(super) mod harness;
mod quality;
mod round;
