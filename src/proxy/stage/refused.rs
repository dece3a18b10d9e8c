//! A call that ends in an error of which its client hears.

use super::Caller;
use crate::domain::{ApiError, AttemptRecord, Attribution, ErrorKind};
use crate::upstream::Deployment;
use http::{HeaderName, HeaderValue};
use std::sync::Arc;
use std::time::Duration;

/// The headers of a refusal that explain it.
pub(in crate::proxy) type Explained = Vec<(HeaderName, HeaderValue)>;

/// A call that ends, or ended, in an error.
pub(in crate::proxy) struct Refused {
    pub(in crate::proxy) caller: Caller,
    pub(in crate::proxy) error: ApiError,
    pub(in crate::proxy) key_hash: Option<Arc<str>>,
    pub(in crate::proxy) attribution: Option<Box<Attribution>>,
    /// What the head says beyond the error.
    pub(in crate::proxy) headers: Explained,
    pub(in crate::proxy) requested: Arc<str>,
    pub(in crate::proxy) group: Option<Arc<str>>,
    pub(in crate::proxy) stream: bool,
    pub(in crate::proxy) attempts: Vec<AttemptRecord>,
    pub(in crate::proxy) retries: u32,
    pub(in crate::proxy) max_retries: u32,
    pub(in crate::proxy) fallbacks: u32,
    pub(in crate::proxy) deployment: Option<Arc<Deployment>>,
    pub(in crate::proxy) timeout: Option<Duration>,
    pub(in crate::proxy) client_gone: bool,
    /// The client has the head of a stream already, so the error is an event of it.
    pub(in crate::proxy) begun: bool,
}

impl Refused {
    /// A call that is refused before it is known what it wants.
    pub(in crate::proxy) fn new(caller: Caller, error: ApiError, key_hash: Option<Arc<str>>) -> Self {
        Self {
            caller,
            error,
            key_hash,
            attribution: None,
            headers: Explained::new(),
            requested: Arc::from(""),
            group: None,
            stream: false,
            attempts: Vec::new(),
            retries: 0,
            max_retries: 0,
            fallbacks: 0,
            deployment: None,
            timeout: None,
            client_gone: false,
            begun: false,
        }
    }

    /// A client that left while it was still sending.
    pub(in crate::proxy) fn gone(caller: Caller, key_hash: Option<Arc<str>>) -> Self {
        let error = ApiError::new(ErrorKind::InvalidRequest, "the client left");
        Self { client_gone: true, ..Self::new(caller, error, key_hash) }
    }
}
