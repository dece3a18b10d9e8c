//! Floor 1: where a key may stand in a request, and whom it stands for.
//!
//! Only headers count, never the body and never `Host`. The master key is compared in constant time;
//! a stored digest is never accepted as a key, because the digest of what was sent is what is looked up.

mod models;
mod place;
mod verifier;

pub use models::{Asked, fits, lets_through};
pub use place::{Presented, presented};
pub use verifier::{ADMIN_USER, Candidate, Claim, Principal, Role, Verifier, digest};
