//! The one record that a finished call leaves behind, for the access log, metrics and later the ledger.

use super::{CallId, Charge, EndpointKind, Money, RecordId, TargetId, UpstreamClass, Usage, UsageSource};
use std::net::IpAddr;
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
    /// Another attempt of the same call answered first. Its record is the call's; this one is what it cost besides.
    Superseded,
    /// The answer had begun and the upstream broke off; the client got an error event or a cut.
    Interrupted(UpstreamClass),
}

impl Outcome {
    /// What the ending is called in logs and rows, and the class word of its error.
    #[must_use]
    pub const fn words(&self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Completed => ("completed", None),
            Self::Refused(class) => ("refused", Some(*class)),
            Self::ClientGone => ("client_gone", None),
            Self::Superseded => ("superseded", None),
            Self::Interrupted(class) => ("interrupted", Some(class.word())),
        }
    }
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
    /// When it was sent, as a distance from the arrival of the request; zero in records read back from the journal.
    pub started: Duration,
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

/// Whose call it was, and which counters it is charged to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attribution {
    /// The key's alias.
    pub key_alias: Option<Arc<str>>,
    /// The key's owner.
    pub user_id: Option<Arc<str>>,
    /// Its address. Only the process that served the call knows it.
    pub user_email: Option<Arc<str>>,
    /// The key's team.
    pub team_id: Option<Arc<str>>,
    /// That team's alias.
    pub team_alias: Option<Arc<str>>,
    /// The key's organization.
    pub organization_id: Option<Arc<str>>,
    /// That organization's alias. Only the process that served the call knows it.
    pub organization_alias: Option<Arc<str>>,
    /// The end user that the client named.
    pub customer: Option<Arc<str>>,
    /// Labels of the request, the key and the team.
    pub tags: Vec<Arc<str>>,
    /// The conversation that the client says the call belongs to.
    pub session_id: Option<Arc<str>>,
    /// Where the call came from.
    pub ip: Option<IpAddr>,
    /// The counters that the cost is added to.
    pub charges: Vec<Charge>,
}

/// What was said, kept only when the configuration asks for it. It never goes to a log or a metric.
#[derive(Clone, PartialEq, Eq)]
pub struct Content {
    /// The request body, JSON.
    pub request: String,
    /// The answer, JSON, or the joined text of a stream.
    pub response: String,
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[content]")
    }
}

/// Everything known about a finished call. It holds no secret, and no prompt or answer unless `content` was asked for.
#[derive(Clone, Debug)]
pub struct UsageRecord {
    /// Unique, so that a record that is written twice counts once.
    pub id: RecordId,
    /// The call's id: ours, or the client's own.
    pub call_id: CallId,
    /// The `id` of the answer (`chatcmpl-…`), as the client saw it.
    pub response_id: Option<Arc<str>>,
    /// Whose call it was; `None` if nobody known.
    pub attribution: Option<Box<Attribution>>,
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
    /// Names the prices that `cost` was computed with.
    pub price_version: Option<u64>,
    /// Whether the deployment has prices; without them `cost` is zero because it is unknown.
    pub priced: bool,
    /// When things happened.
    pub timings: Timings,
    /// What was said, if it is to be kept.
    pub content: Option<Box<Content>>,
}
