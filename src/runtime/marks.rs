//! What a call says that decides where it goes: its tags, and what it has in common with others.

use super::Standing;
use crate::dialects::openai::Request;
use crate::routing::strategies::hash;
use http::{HeaderMap, HeaderName};
use std::sync::Arc;

const TAGS: HeaderName = HeaderName::from_static("x-litellm-tags");
const SESSION: HeaderName = HeaderName::from_static("x-litellm-session-id");
/// So many tags are taken of a header, each up to so many bytes.
const MOST_TAGS: usize = 32;
const LONGEST_TAG: usize = 256;

/// The labels of a call, and how many of them decide about its route: they stand first.
pub struct Tags {
    /// All of them: the key's, its team's, the call's own.
    pub all: Vec<Arc<str>>,
    /// So many of them decide.
    pub decisive: usize,
}

impl Tags {
    /// The labels of a call of this caller, who has those of `own`. A header's count only where the caller's tags
    /// may decide; those of the body are labels for spend in any case.
    #[must_use]
    pub fn of(own: Vec<Arc<str>>, standing: &Standing, request: &Request, headers: &HeaderMap) -> Self {
        let mut all = own;
        let decisive = all.len();
        all.extend(request.tags());
        if !standing.takes_client_tags() {
            return Self { all, decisive };
        }
        let header = headers.get(TAGS).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let said = header.split(',').map(str::trim).filter(|tag| !tag.is_empty() && tag.len() <= LONGEST_TAG);
        all.extend(said.take(MOST_TAGS).map(Arc::from));
        Self { decisive: all.len(), all }
    }
}

/// A number that calls share which should meet the same deployment: those of one session, else of one end user,
/// else those whose prompts begin alike.
#[must_use]
pub fn affinity(request: &Request, headers: &HeaderMap) -> u64 {
    let said = headers.get(SESSION).and_then(|value| value.to_str().ok()).filter(|id| !id.is_empty());
    if let Some(session) = said {
        return hash(session.as_bytes());
    }
    match request.session().or_else(|| request.user()) {
        Some(id) => hash(id.as_bytes()),
        None => hash(request.opening()),
    }
}
