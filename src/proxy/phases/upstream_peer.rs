//! Which deployment is asked next, after what wait.

use super::queue::{self, Turned};
use super::{asking, failure};
use crate::domain::{ApiError, ErrorKind};
use crate::proxy::stage::{Admitted, Attempt, Ctx, Stage};
use crate::proxy::{Gateway, passing};
use crate::runtime::Pick;
use crate::upstream::{Deployment, Patience};
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
    let chosen = match admitted.turn {
        None => choose(&mut admitted),
        Some(turn) => match queue::take(gateway, session, &mut admitted, turn).await {
            Ok(turned) => turned,
            Err(gone) => {
                ctx.stage = Stage::Admitted(admitted);
                return Err(gone);
            }
        },
    };
    let (index, deployment, quota) = match chosen {
        Ok(chosen) => chosen,
        Err(error) => return refuse(ctx, admitted, error),
    };
    let slot = match deployment.try_enter() {
        Some(slot) => slot,
        None => match while_client_stays(session, deployment.enter()).await {
            Ok(slot) => slot,
            Err(gone) => {
                ctx.stage = Stage::Admitted(admitted);
                return Err(gone);
            }
        },
    };
    let (body, form) = match asking::encode(&admitted, &deployment) {
        Ok(written) => written,
        Err(error) => return refuse(ctx, admitted, error),
    };
    admitted.progress.tried.push(index);
    let patience = patience(&admitted, &deployment);
    let peer = deployment.endpoint.peer(Patience {
        connect: patience,
        read: patience,
        write: (body.len() > SMALL_BODY).then_some(patience),
    });
    let started = Instant::now();
    let attempt = Attempt { admitted, index, deployment, slot, quota, body, form, started, patience };
    ctx.stage = Stage::Attempting(Box::new(attempt));
    // A name that never resolved is a connection that cannot be made. Pingora does not ask what follows.
    peer.ok_or_else(|| failure::connecting(gateway, ctx, Error::explain(ErrorType::ConnectError, UNRESOLVED)))
}

/// A body that fits into a fresh socket's buffer, so that writing it cannot block.
const SMALL_BODY: usize = 16 * 1024;

const UNRESOLVED: &str = "the upstream's host name is not resolved";

/// Why nobody can be asked at all, if so.
pub(in crate::proxy) fn nobody(gateway: &Gateway, admitted: &mut Admitted) -> Option<ApiError> {
    let group = Arc::clone(&admitted.resolution.group);
    let wish = admitted.wish();
    let bar = group.nobody(&wish);
    let error = match admitted.turn {
        Some(turn) if queue::waits(admitted, bar) => queue::hopeless(gateway, admitted, turn)?,
        _ => group.refusal(bar?, &admitted.requested, &wish),
    };
    let seen = admitted.progress.trace.is_some().then(|| group.considered(&wish));
    if let (Some(trace), Some(seen)) = (&mut admitted.progress.trace, seen) {
        trace.note(&group, &seen, None);
    }
    Some(error)
}

fn choose(admitted: &mut Admitted) -> std::result::Result<Turned, ApiError> {
    let group = Arc::clone(&admitted.resolution.group);
    match pick(admitted) {
        Pick::Deployment(index) => Ok((index, Arc::clone(&group.deployments[index]), None)),
        Pick::None(bar) => Err(group.refusal(bar, &admitted.requested, &admitted.wish())),
    }
}

/// The group's choice, and how things stood before it, if that is to be told.
pub(super) fn pick(admitted: &mut Admitted) -> Pick {
    let group = Arc::clone(&admitted.resolution.group);
    let wish = admitted.wish();
    let seen = admitted.progress.trace.is_some().then(|| group.considered(&wish));
    let pick = group.pick(&wish);
    if let (Some(trace), Some(seen)) = (&mut admitted.progress.trace, seen) {
        let chosen = match pick {
            Pick::Deployment(index) => Some(index),
            Pick::None(_) => None,
        };
        trace.note(&group, &seen, chosen);
    }
    pick
}

/// Ends the call. What the last attempt said is more use to a client than that nobody is left.
fn refuse(ctx: &mut Ctx, mut admitted: Box<Admitted>, error: ApiError) -> Result<Box<HttpPeer>> {
    let error = match admitted.progress.last.take() {
        Some(last) if error.kind == ErrorKind::NoDeployments => {
            let provider = admitted.resolution.group.deployments.first().map(|d| d.target.provider.clone());
            let after = error.retry_after;
            ApiError::upstream(&last, provider.as_deref().unwrap_or_default()).with_retry_after(after)
        }
        _ => error,
    };
    ctx.stage = Stage::Refused(Box::new(admitted.refuse(error, None)));
    Error::e_explain(ErrorType::InternalError, "refused")
}

/// The longest silence: the request's word, else the deployment's, else the router's; the stream's own
/// first when one is asked for.
fn patience(admitted: &Admitted, deployment: &Deployment) -> Duration {
    let (client, own, router) =
        (&admitted.controls, &deployment.target.params, &admitted.snapshot.config.router);
    let stream = client.stream_timeout.or(own.stream_timeout).or(router.stream_timeout);
    stream.filter(|_| admitted.request.stream()).or(client.timeout).or(own.timeout).unwrap_or(router.timeout)
}

/// Waits for something, unless the client leaves first.
pub(super) async fn while_client_stays<T>(session: &mut Session, wait: impl Future<Output = T>) -> Result<T> {
    tokio::pin!(wait);
    tokio::select! {
        biased;
        done = &mut wait => Ok(done),
        gone = session.as_mut().read_body_or_idle(true) => match gone {
            Err(error) => Err(error.into_down()),
            Ok(_) => Ok(wait.await),
        },
    }
}
