//! What is asked of an upstream that keeps things.

use crate::auth::receipt::Name;
use crate::domain::{EndpointKind, RecordId};
use crate::endpoints::stored::Verb;
use http::Method;

/// What is asked of an upstream that keeps things.
pub(in crate::proxy) struct Errand {
    pub(in crate::proxy) verb: Verb,
    pub(in crate::proxy) kind: EndpointKind,
    /// Where, after the base path; `None` where the API itself is meant.
    pub(in crate::proxy) path: Option<String>,
    /// The query, without its question mark.
    pub(in crate::proxy) query: String,
    /// Whose the things in the answer are.
    pub(in crate::proxy) owner: Name,
    /// What the record is called, if it must not be written twice.
    pub(in crate::proxy) record: Option<RecordId>,
}

impl Errand {
    /// Whether only one deployment can be asked.
    pub(in crate::proxy) const fn is_bound(&self) -> bool {
        !matches!((self.kind, self.verb), (EndpointKind::Files, Verb::Create))
    }

    /// The method that the upstream is asked with.
    pub(in crate::proxy) const fn method(&self) -> Method {
        match self.verb {
            Verb::List | Verb::Get | Verb::Content => Method::GET,
            Verb::Create | Verb::Cancel => Method::POST,
            Verb::Delete => Method::DELETE,
        }
    }
}
