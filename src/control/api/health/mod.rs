//! `/health*`: whether the process lives, whether it can serve, and how its upstreams are.

pub(in crate::control) mod alive;
pub(in crate::control) mod readiness;
pub(in crate::control) mod upstreams;
