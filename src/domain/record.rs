//! The one record that a finished call leaves behind, for the access log, metrics and later the ledger.

use super::{CallId, EndpointKind, Money, TargetId, UpstreamClass, Usage, UsageSource};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The client has the whole answer.
    Completed,
    /// The client was answered with an error of this class word.
    Refused(&'static str),
    /// The client left first.
    ClientGone,
    /// The answer had begun and the upstream broke off; the client got an error event or a cut.
    Interrupted(UpstreamClass),
}

/// One upstream call within a client call.
#[derive(Clone, Debug)]
pub struct AttemptRecord {
    /// The deployment.
    pub target: TargetId,
    /// The class of its failure; `None` for the attempt that answered, or that the client did not wait for.
    pub failure: Option<UpstreamClass>,
    /// The upstream's status, 0 when there was none.
    pub status: u16,
    /// From sending to the end of this attempt.
    pub duration: Duration,
}

/// When things happened, as distances from the arrival of the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// The answering attempt was started.
    pub upstream_start: Option<Duration>,
    /// The first event that carried output came from the upstream (streams only).
    pub first_token: Option<Duration>,
    /// The upstream was done.
    pub upstream_end: Option<Duration>,
    /// The call was done.
    pub end: Duration,
}

/// Everything known about a finished call. It holds no prompt, no answer and no secret.
#[derive(Clone, Debug)]
pub struct UsageRecord {
    /// The call's id, unique.
    pub call_id: CallId,
    /// When the request arrived.
    pub arrived: SystemTime,
    /// Which API was called.
    pub endpoint: EndpointKind,
    /// The path as called.
    pub route: Arc<str>,
    /// The model name the client asked for; empty if the request had none.
    pub requested_model: Arc<str>,
    /// The group that was resolved; `None` if the name is unknown.
    pub group: Option<Arc<str>>,
    /// The deployment that answered.
    pub target: Option<TargetId>,
    /// The upstream's model name, with the provider's prefix (`openai/glm-5.1`).
    pub upstream_model: Option<Arc<str>>,
    /// The provider (`openai`).
    pub provider: Option<Arc<str>>,
    /// sha256 of the client's key, in hex; `None` if it was not accepted.
    pub key_hash: Option<Arc<str>>,
    /// Whether the client asked for a stream.
    pub stream: bool,
    /// The status the client was sent; 499 if it left before one was sent.
    pub status: u16,
    /// How it ended.
    pub outcome: Outcome,
    /// Every upstream call made.
    pub attempts: Vec<AttemptRecord>,
    /// Token counts.
    pub usage: Usage,
    /// Where the counts come from.
    pub usage_source: UsageSource,
    /// What the call cost.
    pub cost: Money,
    /// Whether the deployment has prices; without them `cost` is zero because it is unknown.
    pub priced: bool,
    /// When things happened.
    pub timings: Timings,
}
