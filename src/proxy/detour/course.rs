//! How far a call has left its way.

use crate::dialects::openai::Request;
use crate::domain::ApiError;
use crate::routing::Trail;
use crate::runtime::Resolution;
use crate::upstream::Deployment;
use std::sync::Arc;

/// A call that left the group it asked for.
pub(in crate::proxy) struct Detour {
    pub(super) trail: Trail,
    /// What that group said: the client's answer if no other has a better one.
    pub(super) error: ApiError,
    pub(super) deployment: Option<Arc<Deployment>>,
    pub(super) asked: Resolution,
    /// The client's own request, while it is another that is made.
    pub(super) request: Option<Request>,
    /// The groups that were asked instead, the present one last.
    pub(super) groups: Vec<Arc<str>>,
}
