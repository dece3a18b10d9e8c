//! Floor 1: where a key may stand in a request, whom it stands for, and what that principal may do.
//!
//! Only headers count, never the body and never `Host`. The master key is compared in constant time;
//! a stored digest is never accepted as a key, because the digest of what was sent is what is looked up.

mod access;
mod digests;
#[cfg(test)]
mod fixture;
pub mod grant;
mod models;
mod place;
pub mod receipt;
mod routes;
mod verifier;

pub use access::{Access, Origin, may, usable};
pub use models::{Asked, fits, lets_through};
pub use place::{Presented, key_in_query, presented};
pub use routes::{covers, is_method, route_allowed, within};
pub use verifier::{ADMIN_USER, Candidate, Claim, Principal, Role, Verifier, digest};
