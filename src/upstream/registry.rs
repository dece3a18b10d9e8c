//! What outlives a reload: endpoints by origin, state by deployment id, lanes by key.

use super::head::Alike;
use super::lender::Lender;
use super::station::{self, Watched};
use super::{
    Deployment, Endpoint, KeyLane, Lanes, Probe, Queue, QuotaLane, Station, TargetState, Uncallable, callable,
};
use crate::dialects::Auth;
use crate::domain::{HostPort, Secret, TargetId};
use crate::providers::{LocalServer, Target};
use futures::future::join_all;
use pingora::connectors::http::Connector;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// How often a resolved name is asked for again.
const RESOLVE_EVERY: Duration = Duration::from_secs(30);
/// How often a name that never resolved is asked for again.
const RETRY_EVERY: Duration = Duration::from_secs(2);

/// All endpoints, deployments and keys of the process.
pub struct Upstreams {
    since: Instant,
    probe: Probe,
    probe_every: Duration,
    kept: Mutex<Kept>,
}

/// Deployments that can be called, and the endpoints of other origins.
type Joined = (Vec<Arc<Deployment>>, Vec<Arc<Endpoint>>);

#[derive(Default)]
struct Kept {
    endpoints: HashMap<HostPort, Arc<Endpoint>>,
    states: HashMap<TargetId, Weak<TargetState>>,
    keys: HashMap<(HostPort, Option<Secret>), Weak<KeyLane>>,
    models: HashMap<QuotaName, Weak<KeyLane>>,
    quotas: HashMap<QuotaName, Weak<QuotaLane>>,
    /// Numbers the quotas.
    next_quota: u64,
    queues: HashMap<String, Weak<Queue>>,
    stations: HashMap<StationName, Weak<Station>>,
    /// Those whose answers somebody needs.
    watched: Vec<Watched>,
    lenders: HashMap<Secret, Weak<Lender>>,
}

/// What a quota is of: an origin, a key there, and the upstream's model.
type QuotaName = (HostPort, Option<Secret>, String);

/// A server: an origin, the path of its API, its kind, and the model where it has but one.
type StationName = (HostPort, String, Option<LocalServer>, Option<String>);

impl Upstreams {
    /// An empty registry; `since` is where the clocks of its cooldowns start.
    #[must_use]
    pub fn new(since: Instant, probe: Probe, probe_every: Duration) -> Self {
        Self { since, probe, probe_every: probe_every.max(Duration::from_secs(1)), kept: Mutex::default() }
    }

    /// Finds or makes what these targets and other origins need, resolves new names once, and forgets what
    /// nobody needs any more. The endpoints of `others` come in their order. A name that does not resolve is not an error: it is asked for again.
    ///
    /// # Errors
    /// When a configured header, key or path cannot stand in a request.
    pub async fn prepare(&self, targets: &[Arc<Target>], others: &[&HostPort]) -> Result<Joined, Uncallable> {
        let joined = self.join(targets, others)?;
        let unresolved: Vec<Arc<Endpoint>> =
            self.endpoints().into_iter().filter(|endpoint| !endpoint.is_resolved()).collect();
        join_all(unresolved.iter().map(|endpoint| resolve(endpoint))).await;
        Ok(joined)
    }

    fn join(&self, targets: &[Arc<Target>], others: &[&HostPort]) -> Result<Joined, Uncallable> {
        // Before anything is kept, so that what cannot be called leaves no trace.
        targets.iter().try_for_each(|target| callable(target))?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut deployments = Vec::with_capacity(targets.len());
        let mut alike = Alike::default();
        for target in targets {
            let endpoint = self.endpoint(&mut kept, &target.origin);
            let state = self.state(&mut kept, target);
            let quota = self.quota(&mut kept, target);
            let station = Self::station(&mut kept, target);
            let lender = lender(&mut kept, target)?;
            let deployment = Deployment::alike(Arc::clone(target), endpoint, (state, quota), &mut alike)?;
            deployments.push(Arc::new(deployment.with_station(station).lent(lender)));
        }
        let other_endpoints = others.iter().map(|origin| self.endpoint(&mut kept, origin)).collect();
        kept.endpoints.retain(|origin, _| {
            others.contains(&origin) || targets.iter().any(|target| target.origin == *origin)
        });
        kept.states.retain(|_, state| state.strong_count() > 0);
        kept.keys.retain(|_, lane| lane.strong_count() > 0);
        kept.models.retain(|_, lane| lane.strong_count() > 0);
        kept.quotas.retain(|_, quota| quota.strong_count() > 0);
        kept.stations.retain(|_, station| station.strong_count() > 0);
        kept.queues.retain(|_, queue| queue.strong_count() > 0);
        kept.lenders.retain(|_, lender| lender.strong_count() > 0);
        Ok((deployments, other_endpoints))
    }

    fn endpoint(&self, kept: &mut Kept, origin: &HostPort) -> Arc<Endpoint> {
        let made = || Arc::new(Endpoint::new(origin.clone(), &self.probe));
        Arc::clone(kept.endpoints.entry(origin.clone()).or_insert_with(made))
    }

    /// A server that tells of itself, or whose list of models is to be seen.
    fn station(kept: &mut Kept, target: &Target) -> Option<Arc<Station>> {
        if target.server.is_none() && !target.lists_models() {
            return None;
        }
        let one = (target.server == Some(LocalServer::Vllm)).then(|| target.model.clone());
        let slot = kept
            .stations
            .entry((target.origin.clone(), target.base_path.clone(), target.server, one))
            .or_default();
        Some(slot.upgrade().unwrap_or_else(|| {
            let station = Arc::new(Station::new(target.server));
            *slot = Arc::downgrade(&station);
            station
        }))
    }

    /// From now on the servers of these deployments are asked what they do.
    pub fn watch_stations(&self, deployments: &[Arc<Deployment>]) {
        let mut watched: Vec<Watched> = Vec::new();
        for deployment in deployments {
            let Some(station) = deployment.station.as_ref().filter(|station| station.kind.is_some()) else {
                continue;
            };
            match watched.iter_mut().find(|known| Arc::ptr_eq(&known.station, station)) {
                Some(known) => known.deployments.push(Arc::clone(deployment)),
                None => watched.push(Watched {
                    station: Arc::clone(station),
                    deployments: vec![Arc::clone(deployment)],
                }),
            }
        }
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).watched = watched;
    }

    /// Asks the watched servers what they do, for ever; runs on the control runtime.
    pub async fn ask_stations(&self) {
        let connector: Connector = Connector::new(None);
        let mut tick = tokio::time::interval(station::EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let watched = self.kept.lock().unwrap_or_else(PoisonError::into_inner).watched.clone();
            station::ask_all(&connector, &watched).await;
        }
    }

    fn quota(&self, kept: &mut Kept, target: &Target) -> Arc<QuotaLane> {
        let name = quota_name(target);
        let number = kept.next_quota;
        let slot = kept.quotas.entry(name).or_default();
        if let Some(quota) = slot.upgrade() {
            return quota;
        }
        let quota = Arc::new(QuotaLane::new(self.since, number));
        *slot = Arc::downgrade(&quota);
        kept.next_quota += 1;
        quota
    }

    /// The queue of that name, the same one for as long as somebody keeps it.
    #[must_use]
    pub fn queue(&self, name: &str) -> Arc<Queue> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = kept.queues.entry(name.to_owned()).or_default();
        slot.upgrade().unwrap_or_else(|| {
            let queue = Arc::new(Queue::new(self.since));
            *slot = Arc::downgrade(&queue);
            queue
        })
    }

    fn state(&self, kept: &mut Kept, target: &Target) -> Arc<TargetState> {
        let lanes = Lanes {
            key: shared(kept.keys.entry((target.origin.clone(), target.api_key.clone())).or_default()),
            model: shared(kept.models.entry(quota_name(target)).or_default()),
        };
        let slot = kept.states.entry(target.id.clone()).or_default();
        let most = target.params.max_parallel_requests;
        // What a deployment did with another key says nothing of it with this one.
        let known = slot.upgrade().filter(|state| state.is_of(&lanes, most));
        known.unwrap_or_else(|| {
            let state = Arc::new(TargetState::new(self.since, lanes, most));
            *slot = Arc::downgrade(&state);
            state
        })
    }

    /// The endpoints of the present configuration.
    #[must_use]
    pub fn endpoints(&self) -> Vec<Arc<Endpoint>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.endpoints.values().cloned().collect()
    }

    /// Resolves and probes for ever; runs on the control runtime. `seen` is told each endpoint's
    /// health after every round of probes.
    pub async fn watch(&self, seen: impl Fn(&HostPort, bool)) {
        let mut turn: u64 = 0;
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            turn += 1;
            let endpoints = self.endpoints();
            let every = |interval: Duration| turn.is_multiple_of(interval.as_secs().max(1));
            join_all(endpoints.iter().map(|endpoint| async move {
                if every(if endpoint.is_resolved() { RESOLVE_EVERY } else { RETRY_EVERY }) {
                    resolve(endpoint).await;
                }
                if self.probe != Probe::Off && every(self.probe_every) {
                    endpoint.probe().await;
                }
            }))
            .await;
            for endpoint in &endpoints {
                seen(endpoint.origin(), endpoint.is_up());
            }
        }
    }
}

/// Who lends tokens for a target's key, if that is no token: one for each account.
fn lender(kept: &mut Kept, target: &Target) -> Result<Option<Arc<Lender>>, Uncallable> {
    let (Auth::Lent, Some(key)) = (target.auth, &target.api_key) else { return Ok(None) };
    let slot = kept.lenders.entry(key.clone()).or_default();
    if let Some(lender) = slot.upgrade() {
        return Ok(Some(lender));
    }
    let lender = Lender::start(key).map_err(|why| Uncallable(target.id.clone(), why))?;
    *slot = Arc::downgrade(&lender);
    Ok(Some(lender))
}

fn quota_name(target: &Target) -> QuotaName {
    (target.origin.clone(), target.api_key.clone(), target.model.clone())
}

/// The lane of this slot, made anew if nobody keeps it.
fn shared(slot: &mut Weak<KeyLane>) -> Arc<KeyLane> {
    slot.upgrade().unwrap_or_else(|| {
        let lane = Arc::new(KeyLane::default());
        *slot = Arc::downgrade(&lane);
        lane
    })
}

async fn resolve(endpoint: &Endpoint) {
    if let Err(error) = endpoint.resolve().await {
        log::warn!("upstream {}: {error}", endpoint.origin());
    }
}
