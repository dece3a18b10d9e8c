//! An attempt failed: is the deployment benched, and does another one get the call.

use super::cut::cut;
use super::queue;
use crate::domain::{ApiError, Failure, FaultClass, UpstreamClass};
use crate::proxy::stage::{Admitted, Attempt, Ctx, Extra, MOST_ATTEMPTS, Refused, Stage};
use crate::proxy::{Gateway, body, detour, passing, race, respond};
use crate::routing::{BreakerRules, backoff, jitter};
use crate::shared::Cooled;
use crate::telemetry::DeploymentState;
use crate::upstream::{Deployment, Fault};
use pingora::{Error, ErrorSource, ErrorType};
use pingora_proxy::{FailToProxy, Session};
use std::sync::Arc;
use std::time::Duration;

/// No upstream is believed to be away for longer: that a quota is by the month is the longest that is known.
const LONGEST: Duration = Duration::from_hours(31 * 24);

/// Pooled connections may be found dead so often before it counts as a failure.
const STALE: u32 = 3;

/// Pingora's `fail_to_connect`.
pub(in crate::proxy) fn connecting(gateway: &Gateway, ctx: &mut Ctx, error: Box<Error>) -> Box<Error> {
    fail(gateway, ctx, error, false)
}

/// Pingora's `error_while_proxy`.
pub(in crate::proxy) fn proxying(
    gateway: &Gateway,
    ctx: &mut Ctx,
    mut error: Box<Error>,
    reused: bool,
) -> Box<Error> {
    match &mut ctx.stage {
        // The body filter has decided already.
        Stage::Admitted(_)
        | Stage::Refused(_)
        | Stage::Served(_)
        | Stage::Arrived
        | Stage::Delegated
        | Stage::Superseded(_) => error,
        _ if *error.esource() == ErrorSource::Downstream => {
            error.set_retry(false);
            client_left(ctx);
            error
        }
        Stage::Relaying(relay) => {
            if !relay.has_said_all() {
                relay.interrupted.get_or_insert_with(|| classify(&error, relay.attempt.patience));
            }
            error.set_retry(false);
            error
        }
        _ => fail(gateway, ctx, error, reused),
    }
}

fn fail(gateway: &Gateway, ctx: &mut Ctx, mut error: Box<Error>, reused: bool) -> Box<Error> {
    // Who has begun to answer had not closed its idle connection.
    let may_be_stale = reused && matches!(ctx.stage, Stage::Attempting(_));
    let attempt = match ctx.take() {
        Stage::Passing(passing) => {
            let fault = classify(&error, passing.patience());
            ctx.stage = passing::finish(passing, fault);
            error.set_retry(false);
            return error;
        }
        Stage::Attempting(attempt) => attempt,
        Stage::Capturing(capture) => capture.attempt,
        Stage::Holding(hold) => hold.attempt,
        other => {
            ctx.stage = other;
            error.set_retry(false);
            return error;
        }
    };
    let fault = classify(&error, attempt.patience);
    let is_spent = attempt.admitted.upload.as_ref().is_some_and(|upload| upload.is_spent());
    if may_be_stale
        && !is_spent
        && fault.class == UpstreamClass::Connection
        && attempt.admitted.progress.stale < STALE
    {
        // An idle connection that the upstream had closed says nothing about the upstream.
        let mut admitted = attempt.admitted;
        admitted.progress.stale += 1;
        admitted.progress.tried.pop();
        ctx.stage = Stage::Admitted(admitted);
        error.set_retry(true);
        return error;
    }
    let (stage, retry) = decide(gateway, attempt, fault);
    ctx.stage = stage;
    error.set_retry(retry);
    error
}

/// Benches the deployment if need be; says what the call is next, and whether it is tried again.
pub(in crate::proxy) fn decide(
    gateway: &Gateway,
    attempt: Box<Attempt>,
    mut fault: Failure,
) -> (Stage, bool) {
    attempt.deployment.target.secrets().for_each(|secret| fault.hide(secret));
    fault.retry_after = fault.retry_after.map(|after| after.min(LONGEST));
    bench(gateway, &attempt, &fault);
    if fault.class == UpstreamClass::Timeout {
        let Attempt { admitted, deployment, started, .. } = &*attempt;
        let stream = admitted.request.stream();
        admitted.resolution.group.note_silence(deployment, started.elapsed(), stream);
    }
    let deployment = attempt.deployment.clone();
    let mut admitted = attempt.close(Some(fault.class), fault.status.unwrap_or(0));
    if race::yields(&mut admitted) {
        return (Stage::Delegated, false);
    }
    if let Some(upload) = admitted.upload.as_ref().filter(|upload| upload.is_spent()) {
        let mut error = ApiError::upstream(&fault, &deployment.target.provider);
        upload.explain(&mut error);
        return (Stage::Refused(Box::new(admitted.refuse(error, Some(deployment)))), false);
    }
    let extra = admitted.retries_after(fault.class, deployment.target.params.num_retries);
    admitted.progress.max_retries = extra.most;
    let fresh = admitted.resolution.group.has_fresh(&admitted.progress.tried);
    let turns_again =
        admitted.progress.attempts.len() < MOST_ATTEMPTS && queue::again(&admitted, fault.class.fault());
    if !turns_again && !is_tried_again(&admitted, fault.class, extra, fresh) {
        return elsewhere(gateway, admitted, &fault, deployment);
    }
    // Rather than the same once more, one that is out for faults that may be over.
    if !turns_again && !fresh && !detour::has_next(&admitted) {
        admitted.progress.last_resort = detour::doubtful(&admitted, &admitted.resolution.group);
    }
    let another = fresh || admitted.progress.last_resort.is_some();
    let least = admitted.snapshot.config.router.retry_after;
    // Who waits for a turn waits in the queue.
    admitted.progress.wait = if turns_again {
        Duration::ZERO
    } else {
        jitter(backoff(admitted.progress.retries, another, fault.retry_after, least), fastrand::f64())
    };
    admitted.progress.retries += 1;
    admitted.progress.last = Some(fault);
    (Stage::Admitted(admitted), true)
}

/// Whether the present group is asked once more.
fn is_tried_again(admitted: &Admitted, class: UpstreamClass, extra: Extra, fresh: bool) -> bool {
    let (group, progress) = (&admitted.resolution.group, &admitted.progress);
    if progress.retries >= extra.most || progress.attempts.len() >= MOST_ATTEMPTS {
        return false;
    }
    if extra.is_policy {
        return fresh || group.in_rotation();
    }
    // A refused key or an unknown model stays so, and who is told to wait goes where nobody waits, if there is such a
    // group. Other faults may pass with time.
    let may_pass = match class {
        UpstreamClass::RateLimit => !detour::has_next(admitted),
        UpstreamClass::NotFound => false,
        _ => class.fault() != FaultClass::Key,
    };
    class.is_retryable() && (fresh || (may_pass && group.in_rotation()))
}

/// The present group has answered with a failure: another one may be asked.
fn elsewhere(
    gateway: &Gateway,
    mut admitted: Box<Admitted>,
    fault: &Failure,
    deployment: Arc<Deployment>,
) -> (Stage, bool) {
    let mut error = ApiError::upstream(fault, &deployment.target.provider);
    // While all are out, what this one said of itself is not when the group is back.
    let back = admitted.resolution.group.cooled().filter(|_| fault.class.is_retryable());
    let back = queue::back(&admitted, fault.class.fault()).or(back);
    error.retry_after = back.or(error.retry_after);
    let ended = if admitted.progress.attempts.len() < MOST_ATTEMPTS {
        detour::leave(gateway, &mut admitted, error, Some(deployment))
    } else {
        Err((error, Some(deployment)))
    };
    match ended {
        Ok(()) => (Stage::Admitted(admitted), true),
        Err((error, deployment)) => (Stage::Refused(Box::new(admitted.refuse(error, deployment))), false),
    }
}

fn bench(gateway: &Gateway, attempt: &Attempt, fault: &Failure) {
    let router = &attempt.admitted.snapshot.config.router;
    if router.disable_cooldowns {
        return;
    }
    let target = &attempt.deployment.target;
    let cooldown = target.params.cooldown_time.unwrap_or(router.cooldown_time);
    let rules =
        BreakerRules { allowed_fails: router.allowed_fails, policy: router.allowed_fails_policy, cooldown };
    let endpoint = &attempt.deployment.endpoint;
    let who = Arc::as_ptr(&attempt.deployment.state).addr() as u64;
    if fault.status.is_none() && endpoint.failed(fault.class, who, router.allowed_fails, cooldown) {
        log::warn!(
            "{} answers nobody: passed over for {cooldown:?} where there is another",
            endpoint.origin()
        );
    }
    let admitted = &attempt.admitted;
    let others =
        admitted.resolution.group.has_other(attempt.index, fault.class) || detour::has_next(admitted);
    let seen = Fault { class: fault.class, retry_after: fault.retry_after, others };
    if let Some(length) = attempt.deployment.state.failed(seen, rules) {
        let status = fault.status.unwrap_or(0);
        log::warn!(
            "deployment {} of {:?} is out of rotation for {length:?}: {:?} (status {status})",
            target.id,
            target.group,
            fault.class
        );
        let metrics = &gateway.telemetry.metrics;
        metrics.cooled_down(&target.id, status);
        metrics.deployment_state(&target.id, DeploymentState::Outage);
        if let Some(shared) = &gateway.shared {
            shared.cooled(Cooled { target: target.id.clone(), class: fault.class, length });
        }
    }
}

fn client_left(ctx: &mut Ctx) {
    ctx.stage = match ctx.take() {
        Stage::Attempting(attempt) => gone(attempt),
        Stage::Capturing(capture) => gone(capture.attempt),
        Stage::Holding(hold) if hold.answer.is_none() => gone(hold.attempt),
        Stage::Relaying(relay) if race::has_lost(&relay.attempt.admitted) => {
            let weight = relay.weigh();
            race::loses(relay.attempt, Some(weight))
        }
        Stage::Relaying(mut relay) => {
            relay.client_gone = true;
            Stage::Relaying(relay)
        }
        Stage::Passing(mut passing) => {
            passing.leave();
            Stage::Passing(passing)
        }
        other => other,
    };
}

fn gone(attempt: Box<Attempt>) -> Stage {
    if race::has_lost(&attempt.admitted) {
        return race::loses(attempt, None);
    }
    let deployment = attempt.deployment.clone();
    let admitted = attempt.close(None, 0);
    let error = ApiError::new(crate::domain::ErrorKind::InvalidRequest, "the client left");
    let refused = admitted.refuse(error, Some(deployment));
    Stage::Refused(Box::new(Refused { client_gone: true, ..refused }))
}

/// What Pingora's error says of the upstream.
fn classify(error: &Error, patience: Duration) -> Failure {
    use ErrorType as E;
    let seconds = patience.as_secs_f64();
    match error.etype() {
        E::ReadTimedout | E::WriteTimedout | E::ConnectTimedout | E::TLSHandshakeTimedout => {
            let words = format!("Request timed out. - timeout value={seconds:?}");
            Failure::without_answer(UpstreamClass::Timeout, &words)
        }
        E::InvalidHTTPHeader | E::H1Error | E::H2Error | E::InvalidH2 => {
            Failure::without_answer(UpstreamClass::Internal, "The upstream's answer is not HTTP.")
        }
        _ => Failure::without_answer(UpstreamClass::Connection, "Connection error."),
    }
}

/// Pingora's `fail_to_proxy`: nothing is tried any more, so the client is told.
pub(in crate::proxy) async fn last(
    gateway: &Gateway,
    session: &mut Session,
    error: &Error,
    ctx: &mut Ctx,
) -> FailToProxy {
    // Pingora closes the client's connection after an error, whatever is said here.
    let mut told = FailToProxy { error_code: 0, can_reuse_downstream: false };
    let left = *error.esource() == ErrorSource::Downstream;
    match &mut ctx.stage {
        Stage::Relaying(relay) if !left => cut(gateway, session, relay).await,
        Stage::Refused(refused) if !refused.client_gone => {
            told.error_code = refused.error.status();
            let is_open = refused.begun || !respond::is_answered(session);
            if is_open && let Err(error) = respond::last_refusal(session, refused).await {
                log::debug!("the client did not take the error: {error}");
            }
            body::drain(session).await;
        }
        Stage::Admitted(_) if left => {
            if let Stage::Admitted(mut admitted) = ctx.take() {
                if race::has_lost(&admitted) {
                    admitted.leave_race();
                    ctx.stage = Stage::Delegated;
                    return told;
                }
                let error = ApiError::new(crate::domain::ErrorKind::InvalidRequest, "the client left");
                let refused = Refused { client_gone: true, ..admitted.refuse(error, None) };
                ctx.stage = Stage::Refused(Box::new(refused));
            }
        }
        // Another leg answers.
        Stage::Delegated | Stage::Superseded(_) if session.subrequest_ctx.is_some() => {}
        _ if !left && !respond::is_answered(session) => {
            told.error_code = 500;
            respond::internal(session).await;
        }
        _ => {}
    }
    told
}
