//! Calls of groups whose keys have limits: what is taken of a quota, who waits for it, and what becomes of it.

use super::upstream_peer::{self, while_client_stays};
use crate::domain::{ApiError, EndpointKind, ErrorKind, FaultClass};
use crate::proxy::stage::{Admitted, Attempt, MOST_RETRIES};
use crate::proxy::{Gateway, quota, respond};
use crate::runtime::{Bar, Group, GroupQueue, Pick, Turn};
use crate::upstream::{Deployment, Granted, NoTurn, Ticket};
use http::HeaderMap;
use pingora::Result;
use pingora_proxy::Session;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A deployment and the leave to call it.
pub(super) type Turned = (usize, Arc<Deployment>, Option<Ticket>);

/// Chooses a deployment that has quota left, or waits until one has.
pub(super) async fn take(
    gateway: &Gateway,
    session: &mut Session,
    admitted: &mut Admitted,
    turn: Turn,
) -> Result<std::result::Result<Turned, ApiError>> {
    let group = Arc::clone(&admitted.resolution.group);
    let Some(queue) = &group.queue else { return Ok(Err(internal())) };
    match at_once(admitted, &group, queue, turn.tokens()) {
        Ok(turned) => return Ok(Ok(turned)),
        // Time does not help.
        Err(bar) if !group.must_wait(bar) => {
            return Ok(Err(
                bar.map_or_else(internal, |bar| group.refusal(bar, &admitted.called, &admitted.wish()))
            ));
        }
        Err(_) => {}
    }
    let metrics = &gateway.telemetry.metrics;
    let began = Instant::now();
    let waiting = metrics.waits_in_queue(&group.name);
    let ruled_out = group.ruled_out(&admitted.wish());
    let turn = queue.wait(turn, ruled_out, admitted.progress.tried.clone());
    let wait = async {
        tokio::select! {
            biased;
            granted = turn => granted,
            () = gateway.closes() => Err(NoTurn::Closed),
        }
    };
    let granted = match queue.keep_alive.filter(|_| may_be_kept_alive(session, admitted)) {
        None => while_client_stays(session, wait).await?,
        Some(every) => kept_alive(session, admitted, every, wait).await?,
    };
    drop(waiting);
    let waited = began.elapsed();
    if let Some(turn) = &mut admitted.turn {
        turn.patience = turn.patience.saturating_sub(waited);
    }
    match granted {
        Ok(Granted { index, ticket }) => {
            metrics.left_queue(&group.name, waited);
            let Some(deployment) = group.deployments.get(index) else { return Ok(Err(internal())) };
            group.note_call(deployment);
            Ok(Ok((index, Arc::clone(deployment), Some(ticket))))
        }
        Err(why) => {
            metrics.refused_in_queue(&group.name, why.as_str());
            Ok(Err(group.no_turn(why, &admitted.called)))
        }
    }
}

/// Whether a client can be told that it waits: what it gets is a stream in OpenAI's format, of which a whole answer can
/// be an event, and goes out on its own connection.
fn may_be_kept_alive(session: &Session, admitted: &Admitted) -> bool {
    let kind = admitted.caller.kind;
    let is_openais = matches!(kind, EndpointKind::ChatCompletions | EndpointKind::Completions);
    is_openais && admitted.request.stream() && session.subrequest_ctx.is_none()
}

/// Waits for something, with a comment to the client every so often, unless it leaves first.
async fn kept_alive<T>(
    session: &mut Session,
    admitted: &mut Admitted,
    every: Duration,
    wait: impl Future<Output = T>,
) -> Result<T> {
    tokio::pin!(wait);
    loop {
        if let Ok(done) = while_client_stays(session, tokio::time::timeout(every, &mut wait)).await? {
            return Ok(done);
        }
        respond::keep_alive(session, admitted).await.map_err(|error| error.into_down())?;
    }
}

/// By the group's own strategy, while nobody waits; or what bars the call.
fn at_once(
    admitted: &mut Admitted,
    group: &Group,
    queue: &GroupQueue,
    tokens: u64,
) -> std::result::Result<Turned, Option<Bar>> {
    if queue.is_busy() {
        return Err(None);
    }
    match upstream_peer::pick(admitted) {
        Pick::None(bar) => Err(Some(bar)),
        Pick::Deployment(index) => {
            // Another call may have been faster.
            let used_up = Err(Some(Bar::Quota(Duration::ZERO)));
            let Some(deployment) = group.deployments.get(index) else { return used_up };
            let Some(ticket) = queue.take(index, tokens) else { return used_up };
            Ok((index, Arc::clone(deployment), Some(ticket)))
        }
    }
}

fn internal() -> ApiError {
    ApiError::new(ErrorKind::Internal, "Internal error of the gateway.")
}

/// Whether a call whose key was refused or used up waits for another turn. It costs none of its retries: that the key
/// had no quota is not the call's fault.
pub(super) fn again(admitted: &Admitted, fault: FaultClass) -> bool {
    let (Some(queue), Some(turn)) = (&admitted.resolution.group.queue, admitted.turn) else { return false };
    let (group, progress) = (&admitted.resolution.group, &admitted.progress);
    let may = match fault {
        FaultClass::Quota => true,
        FaultClass::Key => progress.tried.len() < group.deployments.len(),
        FaultClass::Request | FaultClass::Host => false,
    };
    may && progress.retries < MOST_RETRIES && queue.outlook(turn, group.ruled_out(&admitted.wish())).is_ok()
}

/// When a call that was refused for want of quota may come again, as the queue knows it.
pub(super) fn back(admitted: &Admitted, fault: FaultClass) -> Option<Duration> {
    let queue = admitted.resolution.group.queue.as_ref().filter(|_| fault == FaultClass::Quota)?;
    queue.estimate(admitted.turn?, admitted.resolution.group.ruled_out(&admitted.wish()))
}

/// Takes note of what an answer's head says of the key's quota.
pub(super) fn hear(attempt: &mut Attempt, status: u16, headers: &HeaderMap, retry_after: Option<Duration>) {
    let Some(ticket) = &mut attempt.quota else { return };
    let told = quota::told(headers);
    ticket.answered(&told);
    match status {
        200..=299 => ticket.served(),
        429 => ticket.refused(retry_after),
        _ => {}
    }
}
