//! Which deployment is asked next, after what wait.

use super::queue::{self, Turned};
use super::{asking, failure};
use crate::domain::{ApiError, ErrorKind, Failure, UpstreamClass};
use crate::proxy::race::{self, Asked};
use crate::proxy::stage::{Admitted, Attempt, Ctx, Form, Stage};
use crate::proxy::{Gateway, body, detour, mock, passing};
use crate::runtime::Pick;
use crate::upstream::{Deployment, InFlight, Leave, Patience, Route, Ticket};
use bytes::Bytes;
use pingora::prelude::HttpPeer;
use pingora::{Error, ErrorType, Result};
use pingora_proxy::Session;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Pingora's `upstream_peer`, called once for each attempt.
pub(in crate::proxy) async fn run(
    gateway: &Gateway,
    session: &mut Session,
    ctx: &mut Ctx,
) -> Result<Box<HttpPeer>> {
    if let Stage::Passing(passing) = &mut ctx.stage {
        let peer = passing::peer(passing);
        return peer.map_err(|error| failure::connecting(gateway, ctx, error));
    }
    begin(gateway, session, ctx).await?;
    let (route, patience) = route(gateway, ctx)?;
    peer(ctx, route, patience)
}

/// What to connect to for the attempt that is under way.
pub(in crate::proxy) fn peer(ctx: &mut Ctx, route: Route, patience: Patience) -> Result<Box<HttpPeer>> {
    match ctx.stage.attempt() {
        Some(attempt) => Ok(attempt.deployment.endpoint.peer_at(route, patience)),
        None => Error::e_explain(ErrorType::InternalError, "no attempt is under way"),
    }
}

/// Begins an attempt.
///
/// # Errors
/// The client left, or is to be told why nobody can be asked.
pub(in crate::proxy) async fn begin(gateway: &Gateway, session: &mut Session, ctx: &mut Ctx) -> Result<()> {
    let mut admitted = match ctx.take() {
        Stage::Admitted(admitted) => admitted,
        other => {
            ctx.stage = other;
            return Error::e_explain(ErrorType::InternalError, "no call was admitted");
        }
    };
    let wait = std::mem::take(&mut admitted.progress.wait);
    // A timer takes a millisecond even for no time at all.
    if !wait.is_zero()
        && let Err(gone) = while_client_stays(session, tokio::time::sleep(wait)).await
    {
        ctx.stage = Stage::Admitted(admitted);
        return Err(gone);
    }
    let Ready { index, deployment, slot, leave, quota, body, form, mock } = loop {
        let error = match prepare(gateway, session, &mut admitted).await {
            Ok(ready) => break ready,
            Err(Stop::Gone(gone)) => {
                ctx.stage = Stage::Admitted(admitted);
                return Err(gone);
            }
            Err(Stop::Cannot(_)) if race::yields(&mut admitted) => {
                ctx.stage = Stage::Delegated;
                return Error::e_explain(ErrorType::InternalError, "another attempt goes on");
            }
            Err(Stop::Cannot(error)) => told(&mut admitted, error),
        };
        if let Err((error, deployment)) = detour::leave(gateway, &mut admitted, error, None) {
            ctx.stage = Stage::Refused(Box::new(admitted.refuse(error, deployment)));
            return Error::e_explain(ErrorType::InternalError, "refused");
        }
    };
    admitted.progress.tried.push(index);
    let patience = patience(&admitted, &deployment);
    let started = Instant::now();
    if let Some(racer) = &admitted.racer {
        let (target, tried) = (deployment.target.id.clone(), admitted.progress.tried.clone());
        racer.asks(Asked { target, tried, started });
    }
    let attempt =
        Attempt { admitted, index, deployment, slot, leave, quota, body, form, mock, started, patience };
    ctx.stage = Stage::Attempting(Box::new(attempt));
    Ok(())
}

/// Where the attempt under way goes, and how long the upstream may be silent.
///
/// # Errors
/// Nothing is known of the place, or there is nothing to show there.
pub(in crate::proxy) fn route(gateway: &Gateway, ctx: &mut Ctx) -> Result<(Route, Patience)> {
    let Stage::Attempting(attempt) = &ctx.stage else {
        return Error::e_explain(ErrorType::InternalError, "no attempt is under way");
    };
    let (deployment, patience) = (&attempt.deployment, attempt.patience);
    let authorized = deployment.is_authorized();
    let may_block = attempt.body.len() > SMALL_BODY || attempt.admitted.upload.is_some();
    let write = may_block.then_some(patience);
    let route = deployment.endpoint.route().filter(|_| authorized);
    if let Some(route) = route {
        return Ok((route, Patience { connect: patience, read: patience, write }));
    }
    // What cannot be asked is a connection that cannot be made. Pingora does not ask what follows.
    let why = if authorized { UNRESOLVED } else { UNAUTHORIZED };
    Err(failure::connecting(gateway, ctx, Error::explain(ErrorType::ConnectError, why)))
}

/// Everything that an attempt needs.
struct Ready {
    index: usize,
    deployment: Arc<Deployment>,
    slot: InFlight,
    leave: Leave,
    quota: Option<Ticket>,
    body: Bytes,
    form: Form,
    /// What it answers with, if it is not asked.
    mock: Option<Arc<str>>,
}

/// A deployment that takes the call.
pub(in crate::proxy) struct Seat {
    pub(in crate::proxy) index: usize,
    pub(in crate::proxy) deployment: Arc<Deployment>,
    pub(in crate::proxy) slot: InFlight,
    pub(in crate::proxy) leave: Leave,
    pub(in crate::proxy) quota: Option<Ticket>,
}

/// Why there is no attempt.
pub(in crate::proxy) enum Stop {
    /// The client left.
    Gone(Box<Error>),
    /// The present group cannot answer.
    Cannot(ApiError),
}

async fn prepare(
    gateway: &Gateway,
    session: &mut Session,
    admitted: &mut Admitted,
) -> std::result::Result<Ready, Stop> {
    let Seat { index, deployment, slot, leave, quota } = seat(gateway, session, admitted).await?;
    let mock = mock::of(admitted, &deployment).map_err(Stop::Cannot)?;
    if mock.is_some() {
        let (body, form) = (Bytes::new(), Form::Client);
        return Ok(Ready { index, deployment, slot, leave, quota, body, form, mock });
    }
    let patience = patience(admitted, &deployment);
    if !deployment.is_authorized() {
        let token = Box::pin(deployment.authorized(patience));
        while_client_stays(session, token).await.map_err(Stop::Gone)?;
    }
    let (body, form) = asking::encode(admitted, &deployment).map_err(Stop::Cannot)?;
    Ok(Ready { index, deployment, slot, leave, quota, body, form, mock })
}

/// The deployment that is asked next, with its slot.
pub(in crate::proxy) async fn seat(
    gateway: &Gateway,
    session: &mut Session,
    admitted: &mut Admitted,
) -> std::result::Result<Seat, Stop> {
    if let Some(class) = admitted.wishes.as_mut().and_then(|wishes| wishes.mock.take()) {
        return Err(Stop::Cannot(pretended(class, admitted)));
    }
    let (index, deployment, quota, leave) = loop {
        let (index, deployment, quota) = turned(gateway, session, admitted).await?;
        // Another call may find out about it at this moment; the next choice then passes it over.
        if let Some(leave) = deployment.state.probe() {
            break (index, deployment, quota, leave);
        }
        // A queue would give the same turn again at once.
        if quota.is_some() {
            drop(quota);
            while_client_stays(session, tokio::time::sleep(PROBED)).await.map_err(Stop::Gone)?;
        }
    };
    let slot = match deployment.try_enter() {
        Some(slot) => slot,
        None => slot(gateway, session, &deployment).await?,
    };
    Ok(Seat { index, deployment, slot, leave, quota })
}

/// A slot, as soon as another call gives one back.
async fn slot(
    gateway: &Gateway,
    session: &mut Session,
    deployment: &Arc<Deployment>,
) -> std::result::Result<InFlight, Stop> {
    let wait = async {
        tokio::select! {
            biased;
            slot = deployment.enter() => Some(slot),
            () = gateway.closes() => None,
        }
    };
    let slot = while_client_stays(session, wait).await.map_err(Stop::Gone)?;
    slot.ok_or_else(|| Stop::Cannot(ApiError::shutting_down()))
}

/// The next deployment, with what is taken of its quota where that is counted.
async fn turned(
    gateway: &Gateway,
    session: &mut Session,
    admitted: &mut Admitted,
) -> std::result::Result<Turned, Stop> {
    match admitted.turn {
        None => choose(admitted).map_err(Stop::Cannot),
        Some(turn) => {
            // On the heap, so that calls that never wait need not carry it.
            let taken = Box::pin(queue::take(gateway, session, admitted, turn)).await;
            taken.map_err(Stop::Gone)?.map_err(Stop::Cannot)
        }
    }
}

/// Another call's probe is waited for so long before its deployment is looked at again.
const PROBED: Duration = Duration::from_millis(20);

/// The failure that a client asked for, to see its fallbacks at work.
fn pretended(class: UpstreamClass, admitted: &Admitted) -> ApiError {
    let words = format!("This is a mock exception for model={}, to trigger a fallback.", admitted.requested);
    ApiError::upstream(&Failure::without_answer(class, &words), "openai")
}

/// A body that fits into a fresh socket's buffer, so that writing it cannot block.
const SMALL_BODY: usize = 16 * 1024;

const UNAUTHORIZED: &str = "there is no token for the upstream";
const UNRESOLVED: &str = "the upstream's host name is not resolved";

fn choose(admitted: &mut Admitted) -> std::result::Result<Turned, ApiError> {
    let pick = pick(admitted);
    let group = &admitted.resolution.group;
    match pick {
        Pick::Deployment(index) => Ok((index, Arc::clone(&group.deployments[index]), None)),
        Pick::None(bar) => Err(group.refusal(bar, &admitted.called, &admitted.wish())),
    }
}

/// The group's choice, and how things stood before it, if that is to be told.
pub(super) fn pick(admitted: &mut Admitted) -> Pick {
    if let Some(index) = admitted.progress.last_resort.take()
        && index < admitted.resolution.group.deployments.len()
    {
        return Pick::Deployment(index);
    }
    if admitted.progress.report.is_none() {
        return admitted.resolution.group.pick(&admitted.wish());
    }
    let group = Arc::clone(&admitted.resolution.group);
    let wish = admitted.wish();
    let (seen, pick) = (group.considered(&wish), group.pick(&wish));
    let chosen = match pick {
        Pick::Deployment(index) => Some(index),
        Pick::None(_) => None,
    };
    if let Some(report) = &mut admitted.progress.report {
        report.note(&group, &seen, chosen);
    }
    pick
}

/// What the last attempt said is more use to a client than that nobody is left.
pub(in crate::proxy) fn told(admitted: &mut Admitted, error: ApiError) -> ApiError {
    match admitted.progress.last.take() {
        Some(last) if error.kind == ErrorKind::NoDeployments => {
            let provider = admitted.resolution.group.deployments.first().map(|d| d.target.provider.clone());
            let after = error.retry_after;
            ApiError::upstream(&last, provider.as_deref().unwrap_or_default()).with_retry_after(after)
        }
        _ => error,
    }
}

/// The longest silence: the request's word, else the deployment's, else the router's; the stream's own
/// first when one is asked for.
fn patience(admitted: &Admitted, deployment: &Deployment) -> Duration {
    let (client, own, router) =
        (&admitted.controls, &deployment.traits.params, &admitted.snapshot.config.router);
    let stream = client.stream_timeout.or(own.stream_timeout).or(router.stream_timeout);
    stream.filter(|_| admitted.request.stream()).or(client.timeout).or(own.timeout).unwrap_or(router.timeout)
}

/// Waits for something, unless the client leaves first.
pub(in crate::proxy) async fn while_client_stays<T>(
    session: &mut Session,
    wait: impl Future<Output = T>,
) -> Result<T> {
    tokio::pin!(wait);
    // Of a body that is still to be read nothing can be told but that it is there; over HTTP/2 its end may come by itself.
    if body::is_unread(session) && session.as_downstream().as_http2().is_none() {
        return Ok(wait.await);
    }
    tokio::select! {
        biased;
        done = &mut wait => Ok(done),
        gone = session.as_mut().read_body_or_idle(true) => match gone {
            Err(error) => Err(error.into_down()),
            Ok(_) => Ok(wait.await),
        },
    }
}
