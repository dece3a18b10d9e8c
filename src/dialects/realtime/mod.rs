//! OpenAI's realtime events over a WebSocket: what is read of them on their way to know what they cost.
//!
//! Nothing is written or changed but the frames that end a session from here. Both readers take bytes however they
//! are cut, and keep a bounded part of them.

mod frames;
mod meter;
#[cfg(test)]
mod tests;

pub use frames::{Malformed, Opcode, Reader, close, frame};
pub use meter::Meter;
