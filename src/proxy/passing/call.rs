//! A call that is passed through.

use super::meter::Meter;
use crate::domain::{Attribution, Failure, Prices};
use crate::providers::Passage;
use crate::proxy::body::Clock;
use crate::proxy::stage::{Books, Caller};
use crate::runtime::{Present, Standing};
use crate::upstream::Endpoint;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Instant;

/// A call under way.
pub(in crate::proxy) struct Passing {
    pub(in crate::proxy) caller: Caller,
    pub(super) snapshot: Present,
    pub(super) passage: Arc<Passage>,
    pub(super) endpoint: Arc<Endpoint>,
    /// Path and query at the target.
    pub(super) target: String,
    /// Who calls; nobody known calls an open one.
    pub(super) who: Option<Who>,
    pub(super) books: Books,
    /// What is asked of a provider.
    pub(super) asked: Option<Box<Asked>>,
    pub(super) started: Instant,
    pub(super) clock: Clock,
    /// The upstream's; 0 while there is none.
    pub(super) status: u16,
    pub(super) ended: bool,
    pub(super) interrupted: Option<Failure>,
    pub(super) client_gone: bool,
}

/// Who calls.
pub(super) struct Who {
    pub(super) standing: Standing,
    pub(super) attribution: Box<Attribution>,
}

/// What a path leads to.
pub(in crate::proxy) struct Found {
    pub(super) passage: Arc<Passage>,
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) target: String,
}

/// What is asked of a provider.
pub(super) struct Asked {
    /// The request's body, if it was read.
    pub(super) body: Option<Bytes>,
    /// The provider's model, with its prefix; the prefix alone if none is named.
    pub(super) model: Arc<str>,
    pub(super) prices: Option<Prices>,
    /// Whether it is a call that is counted, and not a question about one.
    pub(super) counts: bool,
    pub(super) meter: Option<Meter>,
}

impl Passing {
    pub(super) fn new(
        caller: Caller,
        snapshot: Present,
        found: Found,
        who: Option<Who>,
        books: Books,
    ) -> Self {
        let Found { passage, endpoint, target } = found;
        let clock = Clock::of(caller.arrived, &snapshot);
        Self {
            caller,
            snapshot,
            passage,
            endpoint,
            target,
            who,
            books,
            asked: None,
            started: Instant::now(),
            clock,
            status: 0,
            ended: false,
            interrupted: None,
            client_gone: false,
        }
    }
}
