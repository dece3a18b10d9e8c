//! What a call is at any moment. A field exists in the stage that knows it.

use super::deposit::Errand;
use super::detour::Detour;
use super::passing::Passing;
use super::trace::{self, ROUTE};
use super::upload::{Pour, Upload};
use crate::dialects::openai::{Request, Wishes};
use crate::dialects::{self, Flow, Inbound};
use crate::domain::{
    ApiError, AttemptRecord, Attribution, CallId, EndpointKind, ErrorKind, Failure, Timings, Units,
    UpstreamClass, Usage, UsageRecord, UsageSource, unix_ms,
};
use crate::limits::Permit;
use crate::runtime::{Resolution, Snapshot, Standing, Turn, TurnWish, Wish};
use crate::telemetry::{InFlightGuard, Trace};
use crate::upstream::{Deployment, InFlight, Leave, Ticket};
use bytes::{Bytes, BytesMut};
use pingora::http::RequestHeader;
use smallvec::SmallVec;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Pingora's per-request context.
pub struct Ctx {
    pub(super) arrived: Instant,
    pub(super) stage: Stage,
}

impl Ctx {
    pub(super) fn new() -> Self {
        Self { arrived: Instant::now(), stage: Stage::Arrived }
    }

    /// Takes the stage out, to be replaced by the next one.
    pub(super) fn take(&mut self) -> Stage {
        std::mem::replace(&mut self.stage, Stage::Arrived)
    }
}

/// The stages of a call.
pub(super) enum Stage {
    /// Nothing is known yet, or there is nothing to account for.
    Arrived,
    /// Handed to a subrequest, which accounts for it.
    Delegated,
    /// Accepted; no attempt is under way.
    Admitted(Box<Admitted>),
    /// One deployment is being asked; no byte of an answer was sent on.
    Attempting(Box<Attempt>),
    /// The upstream refuses: its error body is being collected.
    Capturing(Box<Capture>),
    /// A whole answer is being collected, so that its cost can stand in its head.
    Holding(Box<Hold>),
    /// The answer is on its way to the client: nothing can be taken back.
    Relaying(Box<Relay>),
    /// Passed through unread.
    Passing(Box<Passing>),
    /// The client is to be answered, or was answered, with an error.
    Refused(Box<Refused>),
}

impl Stage {
    /// Where the call stands in a trace.
    pub(super) fn trace(&self) -> Option<Arc<Trace>> {
        let caller = match self {
            Self::Arrived | Self::Delegated => return None,
            Self::Admitted(admitted) => &admitted.caller,
            Self::Attempting(attempt) => &attempt.admitted.caller,
            Self::Capturing(capture) => &capture.attempt.admitted.caller,
            Self::Holding(hold) => &hold.attempt.admitted.caller,
            Self::Relaying(relay) => &relay.attempt.admitted.caller,
            Self::Refused(refused) => &refused.caller,
            Self::Passing(passing) => &passing.caller,
        };
        caller.trace.clone()
    }
}

/// A call that came in: what its record needs from the start.
pub(super) struct Caller {
    pub(super) arrived: Instant,
    pub(super) arrived_at: SystemTime,
    pub(super) call_id: CallId,
    pub(super) route: &'static str,
    pub(super) kind: EndpointKind,
    /// Where it stands in a trace, if anybody is to hear of one.
    pub(super) trace: Option<Arc<Trace>>,
    /// Counts the call as under way.
    pub(super) _in_flight: InFlightGuard,
}

/// A call that may be served.
pub(super) struct Admitted {
    pub(super) caller: Caller,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) standing: Standing,
    /// Whom the record is to name.
    pub(super) attribution: Box<Attribution>,
    /// What the head says of the caller's limits.
    pub(super) limits: PassedHeaders,
    pub(super) books: Books,
    pub(super) request: Request,
    pub(super) requested: Arc<str>,
    /// What the present group was asked for by: `requested`, or the name of a fallback.
    pub(super) called: Arc<str>,
    pub(super) resolution: Resolution,
    pub(super) controls: Controls,
    /// What the client says of its fallbacks.
    pub(super) wishes: Option<Box<Wishes>>,
    /// What the client says of its waiting.
    pub(super) turns: TurnWish,
    /// What it may do to get its turn; `None` where its group's keys have no limits.
    pub(super) turn: Option<Turn>,
    pub(super) leanings: Leanings,
    pub(super) progress: Progress,
    /// What of its body is still to come, if that is passed on as it comes.
    pub(super) upload: Option<Box<Upload>>,
    /// What is asked of files or batches, if that is what it is.
    pub(super) errand: Option<Box<Errand>>,
}

/// What decides which deployments a call may have, besides its model.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Leanings {
    /// So many of its labels decide, the first ones.
    pub(super) tags: usize,
    /// What it has in common with calls that should meet the same deployment, if that matters.
    pub(super) affinity: Option<u64>,
}

/// How far a call is accounted for.
#[expect(clippy::large_enum_variant, reason = "it lives in the box of its call")]
pub(super) enum Books {
    /// What it may take is reserved.
    Open(Permit),
    /// It is settled and written down; the record is still to be told to the metrics.
    Written(Box<UsageRecord>),
    /// Nothing is reserved, and nothing is written.
    Closed,
}

/// What the client said about retries and timeouts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Controls {
    pub(super) num_retries: Option<u32>,
    pub(super) timeout: Option<Duration>,
    pub(super) stream_timeout: Option<Duration>,
    pub(super) max_fallbacks: Option<u32>,
}

/// What was tried so far.
#[derive(Default)]
pub(super) struct Progress {
    pub(super) tried: SmallVec<[usize; 8]>,
    pub(super) attempts: Vec<AttemptRecord>,
    /// Attempts after the first at the present group, and how many there may be.
    pub(super) retries: u32,
    pub(super) max_retries: u32,
    /// Pooled connections that turned out to be dead; they cost no retry.
    pub(super) stale: u32,
    pub(super) wait: Duration,
    /// The client has the head of a stream already: it was kept alive while it waited.
    pub(super) begun: bool,
    pub(super) last: Option<Failure>,
    /// The deployment of the present group that is asked next although it is out of rotation.
    pub(super) last_resort: Option<usize>,
    /// The way from the group that was asked for to the present one.
    pub(super) detour: Option<Box<Detour>>,
    /// Why it went where it went, if the client asks.
    pub(super) trace: Option<Box<trace::Trace>>,
}

/// One upstream call.
pub(super) struct Attempt {
    pub(super) admitted: Box<Admitted>,
    pub(super) index: usize,
    pub(super) deployment: Arc<Deployment>,
    pub(super) slot: InFlight,
    pub(super) leave: Leave,
    /// What is taken of the key's quota, where that is counted; it comes back however the attempt ends.
    pub(super) quota: Option<Ticket>,
    pub(super) body: Bytes,
    pub(super) form: Form,
    pub(super) started: Instant,
    pub(super) patience: Duration,
}

/// In whose words the upstream is asked.
pub(super) enum Form {
    /// In the client's: its answer is the client's as it is.
    Client,
    /// In the client's, changed on its way.
    Poured(Box<Pour>),
    /// In its own, with this head: its answer is translated back.
    Own(Box<RequestHeader>),
}

/// An upstream error body, cut at a bound.
pub(super) struct Capture {
    pub(super) attempt: Box<Attempt>,
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: BytesMut,
}

/// The parts of an upstream's head that are passed on.
pub(super) type PassedHeaders = Vec<(http::HeaderName, http::HeaderValue)>;

/// A whole answer.
pub(super) struct Hold {
    pub(super) attempt: Box<Attempt>,
    pub(super) passed: PassedHeaders,
    pub(super) content_type: Option<http::HeaderValue>,
    pub(super) pieces: SmallVec<[Bytes; 2]>,
    pub(super) size: usize,
    pub(super) answer: Option<HeldAnswer>,
}

/// A complete held answer with what it cost to produce.
pub(super) struct HeldAnswer {
    pub(super) body: Bytes,
    pub(super) id: Option<Arc<str>>,
    pub(super) usage: Usage,
    pub(super) source: UsageSource,
    pub(super) units: Units,
    pub(super) upstream_end: Instant,
}

/// An answer under way.
pub(super) struct Relay {
    pub(super) attempt: Box<Attempt>,
    pub(super) passed: PassedHeaders,
    pub(super) content_type: Option<http::HeaderValue>,
    pub(super) meter: Meter,
    pub(super) first_token: Option<Instant>,
    pub(super) upstream_end: Option<Instant>,
    pub(super) interrupted: Option<Failure>,
    /// With so many events of output what is reserved is looked at again.
    pub(super) next_top_up: u64,
    pub(super) complete: bool,
    pub(super) client_gone: bool,
}

/// How an answer under way is read.
pub(super) enum Meter {
    /// Events, one by one.
    Stream(Flow),
    /// An answer that is not held, or not read: its tail, where the usage is.
    Tail {
        /// Whether it is a stream of events.
        of_events: bool,
        /// The last bytes.
        tail: BytesMut,
        /// All bytes so far.
        size: u64,
    },
}

/// A call that ends, or ended, in an error.
pub(super) struct Refused {
    pub(super) caller: Caller,
    pub(super) error: ApiError,
    pub(super) key_hash: Option<Arc<str>>,
    pub(super) attribution: Option<Box<Attribution>>,
    /// What the head says beyond the error.
    pub(super) headers: PassedHeaders,
    pub(super) requested: Arc<str>,
    pub(super) group: Option<Arc<str>>,
    pub(super) stream: bool,
    pub(super) attempts: Vec<AttemptRecord>,
    pub(super) retries: u32,
    pub(super) max_retries: u32,
    pub(super) fallbacks: u32,
    pub(super) deployment: Option<Arc<Deployment>>,
    pub(super) timeout: Option<Duration>,
    pub(super) client_gone: bool,
    /// The client has the head of a stream already, so the error is an event of it.
    pub(super) begun: bool,
}

impl Caller {
    /// What the client speaks.
    pub(super) fn inbound(&self) -> &'static dyn Inbound {
        dialects::inbound(self.kind)
    }
}

impl Progress {
    /// How many groups were asked instead of the one that was asked for.
    pub(super) fn fallbacks(&self) -> u32 {
        self.detour.as_ref().map_or(0, |detour| detour.count())
    }

    /// Begins at another group.
    pub(super) fn begin_again(&mut self, detour: Box<Detour>) {
        let (attempts, trace) = (std::mem::take(&mut self.attempts), self.trace.take());
        let Self { stale, begun, .. } = *self;
        *self = Self { attempts, trace, stale, begun, detour: Some(detour), ..Self::default() };
    }
}

impl Admitted {
    /// Extra attempts that a failure of this class may be followed by at the present group: what the policies say of
    /// the class, the deployment's own number, the client's, the router's.
    pub(super) fn retries_after(&self, class: UpstreamClass, own: Option<u32>) -> Extra {
        let (router, group) = (&self.snapshot.config.router, &self.resolution.group);
        let policy = router.group_retry_policies.get(&*group.name).unwrap_or(&router.retry_policy);
        let said = policy.of(class);
        let most = said.or(own).or(self.controls.num_retries).unwrap_or(group.num_retries);
        Extra { most: most.min(MOST_RETRIES), is_policy: said.is_some() }
    }

    /// The model's name in the answer: what was asked for; what the upstream calls it when it was another group that
    /// answered, or when it is the same.
    pub(super) fn shown_model(&self, upstream: &str) -> Option<&Arc<str>> {
        Some(&self.requested).filter(|name| self.called == **name && ***name != *upstream)
    }

    /// What it wants of its next deployment.
    pub(super) fn wish(&self) -> Wish<'_> {
        Wish {
            kind: self.caller.kind,
            house: &self.snapshot.house,
            now: unix_ms(self.caller.arrived_at),
            tags: self.attribution.tags.get(..self.leanings.tags).unwrap_or_default(),
            prompt: self.request.prompt_estimate(),
            tokens: self.turn.map_or(0, |turn| turn.tokens()),
            stream: self.request.stream(),
            affinity: self.leanings.affinity,
            tried: &self.progress.tried,
        }
    }

    /// Ends the call in an error.
    pub(super) fn refuse(self, error: ApiError, deployment: Option<Arc<Deployment>>) -> Refused {
        let fallbacks = self.progress.fallbacks();
        let timeout = self.controls.timeout.unwrap_or(self.snapshot.config.router.timeout);
        Refused {
            caller: self.caller,
            error,
            key_hash: Some(self.standing.key_hash),
            attribution: Some(self.attribution),
            headers: self.progress.trace.iter().map(|trace| (ROUTE, trace.value())).collect(),
            requested: self.requested,
            group: Some(Arc::clone(&self.resolution.group.name)),
            stream: self.request.stream(),
            attempts: self.progress.attempts,
            retries: self.progress.retries,
            max_retries: self.progress.max_retries,
            fallbacks,
            deployment,
            timeout: Some(timeout),
            client_gone: false,
            begun: self.progress.begun,
        }
    }
}

impl Stage {
    /// The attempt under way, whatever has come of its answer.
    pub(super) fn attempt(&mut self) -> Option<&mut Attempt> {
        match self {
            Self::Attempting(attempt) => Some(attempt),
            Self::Capturing(capture) => Some(&mut capture.attempt),
            Self::Holding(hold) => Some(&mut hold.attempt),
            Self::Relaying(relay) => Some(&mut relay.attempt),
            _ => None,
        }
    }
}

impl Refused {
    /// A call that is refused before it is known what it wants.
    pub(super) fn new(caller: Caller, error: ApiError, key_hash: Option<Arc<str>>) -> Self {
        Self {
            caller,
            error,
            key_hash,
            attribution: None,
            headers: PassedHeaders::new(),
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
    pub(super) fn gone(caller: Caller, key_hash: Option<Arc<str>>) -> Self {
        let error = ApiError::new(ErrorKind::InvalidRequest, "the client left");
        Self { client_gone: true, ..Self::new(caller, error, key_hash) }
    }
}

impl Attempt {
    /// Notes how the attempt ended and gives its slot back.
    pub(super) fn close(self, failure: Option<UpstreamClass>, status: u16) -> Box<Admitted> {
        let note = self.note(failure, status);
        let mut admitted = self.admitted;
        admitted.progress.attempts.push(note);
        drop((self.slot, self.leave));
        admitted
    }

    /// How the attempt ended, or is about to.
    pub(super) fn note(&self, failure: Option<UpstreamClass>, status: u16) -> AttemptRecord {
        let started = self.started.saturating_duration_since(self.admitted.caller.arrived);
        let duration = self.started.elapsed();
        AttemptRecord { target: self.deployment.target.id.clone(), failure, status, started, duration }
    }
}

impl Relay {
    /// Whether everything that the client is to have has come, though the connection may go on.
    pub(super) fn has_ended(&self) -> bool {
        self.complete || matches!(&self.meter, Meter::Stream(stream) if stream.is_done())
    }

    /// Whether only the end of the stream itself can be missing.
    pub(super) fn has_said_all(&self) -> bool {
        self.interrupted.is_none() && matches!(&self.meter, Meter::Stream(stream) if stream.has_finished())
    }

    /// When things happened, as distances from the arrival.
    pub(super) fn timings(&self, end: Instant) -> Timings {
        let since = |at: Instant| at.saturating_duration_since(self.attempt.admitted.caller.arrived);
        Timings {
            upstream_start: Some(since(self.attempt.started)),
            first_token: self.first_token.map(since),
            upstream_end: self.upstream_end.map(since),
            end: since(end),
        }
    }
}

/// How often a failure may be followed by another attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extra {
    pub(super) most: u32,
    /// A policy says so, whether or not such failures pass by themselves.
    pub(super) is_policy: bool,
}

/// However many retries are asked for, a group sees no more of one call.
pub(super) const MOST_RETRIES: u32 = 20;

/// However many groups there are, a call makes no more attempts; Pingora allows a few more.
pub(super) const MOST_ATTEMPTS: usize = 48;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_is_small() {
        assert!(size_of::<Ctx>() <= 64, "{} bytes for every connection", size_of::<Ctx>());
    }
}
