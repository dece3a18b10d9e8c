//! An attempt begins: after what wait, of which deployment, in whose words, and where it goes.

use super::seat::{Seat, Stop, seat, told};
use super::{asking, failure};
use crate::proxy::race::{self, Asked};
use crate::proxy::stage::{Admitted, Attempt, Ctx, Form, Stage};
use crate::proxy::waiting::while_client_stays;
use crate::proxy::{Gateway, detour, mock, passing};
use crate::upstream::{Deployment, InFlight, Leave, Patience, Route, Ticket};
use bytes::Bytes;
use pingora::prelude::HttpPeer;
use pingora::{Error, ErrorType, Result};
use pingora_proxy::Session;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A body that fits into a fresh socket's buffer, so that writing it cannot block.
const SMALL_BODY: usize = 16 * 1024;

const UNAUTHORIZED: &str = "there is no token for the upstream";
const UNRESOLVED: &str = "the upstream's host name is not resolved";

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

/// The longest silence: the request's word, else the deployment's, else the router's; the stream's own
/// first when one is asked for.
fn patience(admitted: &Admitted, deployment: &Deployment) -> Duration {
    let (client, own, router) =
        (&admitted.controls, &deployment.traits.params, &admitted.snapshot.config.router);
    let stream = client.stream_timeout.or(own.stream_timeout).or(router.stream_timeout);
    stream.filter(|_| admitted.request.stream()).or(client.timeout).or(own.timeout).unwrap_or(router.timeout)
}
