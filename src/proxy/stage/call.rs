//! What is known of a call once it may be served.

use super::{Caller, Progress, Refused};
use crate::dialects::Given;
use crate::dialects::openai::{Request, Wishes};
use crate::domain::{ApiError, Attribution, UpstreamClass, UsageRecord, unix_ms};
use crate::limits::Permit;
use crate::proxy::deposit::Errand;
use crate::proxy::head::Lines;
use crate::proxy::race::Racer;
use crate::proxy::route_report::ROUTE;
use crate::proxy::upload::Upload;
use crate::runtime::{Present, Resolution, Standing, Turn, TurnWish, Wish};
use crate::upstream::Deployment;
use std::sync::Arc;
use std::time::Duration;

/// A call that may be served.
pub(in crate::proxy) struct Admitted {
    pub(in crate::proxy) caller: Caller,
    pub(in crate::proxy) snapshot: Present,
    pub(in crate::proxy) standing: Standing,
    /// Whom the record is to name.
    pub(in crate::proxy) attribution: Box<Attribution>,
    /// What the head says of the caller's limits.
    pub(in crate::proxy) limits: Lines,
    pub(in crate::proxy) books: Books,
    pub(in crate::proxy) request: Request,
    pub(in crate::proxy) requested: Arc<str>,
    /// What the present group was asked for by: `requested`, or the name of a fallback.
    pub(in crate::proxy) called: Arc<str>,
    pub(in crate::proxy) resolution: Resolution,
    pub(in crate::proxy) controls: Controls,
    /// What the client says of its fallbacks.
    pub(in crate::proxy) wishes: Option<Box<Wishes>>,
    /// What the client says of its waiting.
    pub(in crate::proxy) turns: TurnWish,
    /// What it may do to get its turn; `None` where its group's keys have no limits.
    pub(in crate::proxy) turn: Option<Turn>,
    pub(in crate::proxy) leanings: Leanings,
    /// Its part in a race of attempts.
    pub(in crate::proxy) racer: Option<Racer>,
    pub(in crate::proxy) progress: Progress,
    /// What of its body is still to come, if that is passed on as it comes.
    pub(in crate::proxy) upload: Option<Box<Upload>>,
    /// What is asked of files or batches, if that is what it is.
    pub(in crate::proxy) errand: Option<Box<Errand>>,
}

/// What decides which deployments a call may have, besides its model.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::proxy) struct Leanings {
    /// So many of its labels decide, the first ones.
    pub(in crate::proxy) tags: usize,
    /// What it has in common with calls that should meet the same deployment, if that matters.
    pub(in crate::proxy) affinity: Option<u64>,
}

/// How far a call is accounted for.
pub(in crate::proxy) enum Books {
    /// What it may take is reserved.
    Open(Permit),
    /// It is settled and written down; the record is still to be told to the metrics.
    Written(Box<UsageRecord>),
    /// Nothing is reserved, and nothing is written.
    Closed,
}

/// What the client said about retries and timeouts.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::proxy) struct Controls {
    pub(in crate::proxy) num_retries: Option<u32>,
    pub(in crate::proxy) timeout: Option<Duration>,
    pub(in crate::proxy) stream_timeout: Option<Duration>,
    pub(in crate::proxy) max_fallbacks: Option<u32>,
}

impl Admitted {
    /// Extra attempts that a failure of this class may be followed by at the present group: what the policies say of
    /// the class, the deployment's own number, the client's, the router's.
    pub(in crate::proxy) fn retries_after(&self, class: UpstreamClass, own: Option<u32>) -> Extra {
        let (router, group) = (&self.snapshot.config.router, &self.resolution.group);
        let policy = router.group_retry_policies.get(&*group.name).unwrap_or(&router.retry_policy);
        let said = policy.of(class);
        let most = said.or(own).or(self.controls.num_retries).unwrap_or(group.num_retries);
        Extra { most: most.min(MOST_RETRIES), is_policy: said.is_some() }
    }

    /// The model's name in the answer: what was asked for; what the upstream calls it when it was another group that
    /// answered, or when it is the same.
    pub(in crate::proxy) fn shown_model(&self, upstream: &str) -> Option<&Arc<str>> {
        Some(&self.requested).filter(|name| self.called == **name && ***name != *upstream)
    }

    /// What a translated answer says that the upstream does not know.
    pub(in crate::proxy) fn given(&self) -> Given {
        Given {
            model: Arc::clone(&self.called),
            id: Arc::from(self.caller.call_id.as_str()),
            created: unix_ms(self.caller.arrived_at) / 1000,
            usage: self.request.asks_usage(),
            echo: self.caller.inbound().echo(&self.request),
        }
    }

    /// Lets go of the request's body, unless it is to be kept: nobody is asked any more.
    pub(in crate::proxy) fn forget_body(&mut self) {
        if !self.snapshot.config.spending.ledger.keeps_content {
            self.request.forget_body();
        }
    }

    /// The same call for a second attempt, which nothing is reserved for yet.
    pub(in crate::proxy) fn twin(&self, racer: Racer) -> Self {
        let Caller { arrived, arrived_at, route, kind, lists, .. } = self.caller;
        let (call_id, trace) = (self.caller.call_id.clone(), self.caller.trace.clone());
        Self {
            caller: Caller { arrived, arrived_at, call_id, route, kind, lists, trace, _in_flight: None },
            snapshot: self.snapshot.clone(),
            standing: self.standing.clone(),
            attribution: self.attribution.clone(),
            limits: self.limits.clone(),
            books: Books::Closed,
            request: self.request.clone(),
            requested: Arc::clone(&self.requested),
            called: Arc::clone(&self.called),
            resolution: self.resolution.clone(),
            controls: self.controls,
            wishes: self.wishes.clone(),
            turns: self.turns,
            turn: self.turn,
            leanings: self.leanings,
            racer: Some(racer),
            progress: Progress::default(),
            upload: None,
            errand: None,
        }
    }

    /// What it wants of its next deployment.
    pub(in crate::proxy) fn wish(&self) -> Wish<'_> {
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
            asked: Some((&self.resolution, &self.called)),
        }
    }

    /// Ends the call in an error.
    pub(in crate::proxy) fn refuse(self, error: ApiError, deployment: Option<Arc<Deployment>>) -> Refused {
        let fallbacks = self.progress.fallbacks();
        let timeout = self.controls.timeout.unwrap_or(self.snapshot.config.router.timeout);
        Refused {
            caller: self.caller,
            error,
            key_hash: Some(self.standing.key_hash),
            attribution: Some(self.attribution),
            headers: self.progress.report.iter().map(|report| (ROUTE, report.value())).collect(),
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

/// How often a failure may be followed by another attempt.
#[derive(Clone, Copy, Debug)]
pub(in crate::proxy) struct Extra {
    pub(in crate::proxy) most: u32,
    /// A policy says so, whether or not such failures pass by themselves.
    pub(in crate::proxy) is_policy: bool,
}

/// However many retries are asked for, a group sees no more of one call.
pub(in crate::proxy) const MOST_RETRIES: u32 = 20;
