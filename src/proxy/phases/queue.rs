//! Calls of groups whose keys have limits: what is taken of a quota, who waits for it, and what becomes of it.

use super::upstream_peer::{self, while_client_stays};
use crate::dialects::openai::Request;
use crate::domain::{ApiError, EndpointKind, ErrorKind, FaultClass};
use crate::proxy::stage::{Admitted, Attempt, MOST_RETRIES};
use crate::proxy::{Gateway, quota, respond};
use crate::runtime::{Bar, Group, GroupQueue, Pick, Standing, Turn, TurnWish};
use crate::upstream::{Deployment, Granted, NoTurn, Ticket};
use http::{HeaderMap, HeaderName};
use pingora::Result;
use pingora_proxy::Session;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A deployment and the leave to call it.
pub(super) type Turned = (usize, Arc<Deployment>, Option<Ticket>);

/// What a call may do to get its turn; `None` where nothing is limited.
pub(in crate::proxy) fn turn(
    group: &Group,
    standing: &Standing,
    request: &Request,
    wish: TurnWish,
) -> Option<Turn> {
    let queue = group.queue.as_ref()?;
    let tokens = GroupQueue::tokens(group, request.prompt_estimate(), request.max_tokens());
    Some(queue.turn(standing, wish, tokens))
}

/// What the client says of its waiting. A header beats the body.
pub(in crate::proxy) fn wish(headers: &HeaderMap, request: &Request) -> TurnWish {
    const MAX_WAIT: HeaderName = HeaderName::from_static("x-tollgate-max-wait");
    const PRIORITY: HeaderName = HeaderName::from_static("x-tollgate-priority");
    let said = |name: &HeaderName| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is clamped")]
    let level = |number: f64| number.clamp(0.0, 255.0) as u8;
    TurnWish {
        max_wait: said(&MAX_WAIT).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        priority: said(&PRIORITY).map(level).or_else(|| request.priority()),
    }
}

/// Whether a call has to wait for its turn: time alone bars all deployments, or others wait already.
pub(super) fn waits(admitted: &Admitted, bar: Option<Bar>) -> bool {
    match bar {
        None => admitted.resolution.group.queue.as_ref().is_some_and(GroupQueue::is_busy),
        Some(Bar::Cooled(_) | Bar::Quota(_)) => true,
        Some(_) => false,
    }
}

/// Why a call that has to wait will not get its turn in time, if so.
pub(super) fn hopeless(gateway: &Gateway, admitted: &Admitted, turn: Turn) -> Option<ApiError> {
    let group = &admitted.resolution.group;
    let why = group.queue.as_ref()?.hopeless(turn, group.ruled_out(&admitted.wish()))?;
    gateway.telemetry.metrics.refused_in_queue(&group.name, why.as_str());
    Some(refusal(admitted, why))
}

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
        Err(bar) if !waits(admitted, bar) => {
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
    let wait = queue.wait(turn, ruled_out, admitted.progress.tried.clone());
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
            Ok(Err(refusal(admitted, why)))
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

fn refusal(admitted: &Admitted, why: NoTurn) -> ApiError {
    let reason = match why {
        NoTurn::Full(_) => "too many calls wait for it already",
        NoTurn::TooLate(_) => "its keys have no quota left, and none in the time that this call may wait",
        NoTurn::TimedOut(_) => "its keys had no quota left for as long as this call could wait",
    };
    let again = why.retry_after().map(|after| after.as_millis().div_ceil(1000).max(1));
    let again = again.map(|seconds| format!(", Try again in {seconds} seconds")).unwrap_or_default();
    let words = format!(
        "No deployments available for selected model{again}. Passed model={}: {reason}.",
        admitted.called
    );
    ApiError::new(ErrorKind::NoDeployments, words).with_retry_after(why.retry_after())
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
    may && progress.retries < MOST_RETRIES
        && queue.hopeless(turn, group.ruled_out(&admitted.wish())).is_none()
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
