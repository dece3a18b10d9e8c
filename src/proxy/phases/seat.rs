//! The next deployment that takes a call: its turn, its probe, its slot.

use super::pick::pick;
use super::queue::{self, Turned};
use crate::domain::{ApiError, ErrorKind, Failure, UpstreamClass};
use crate::proxy::Gateway;
use crate::proxy::stage::Admitted;
use crate::proxy::waiting::while_client_stays;
use crate::runtime::Pick;
use crate::upstream::{Deployment, InFlight, Leave, Ticket};
use pingora::Error;
use pingora_proxy::Session;
use std::sync::Arc;
use std::time::Duration;

/// Another call's probe is waited for so long before its deployment is looked at again.
const PROBED: Duration = Duration::from_millis(20);

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

/// The deployment that is asked next, with its slot.
pub(in crate::proxy) async fn seat(
    gateway: &Gateway,
    session: &mut Session,
    admitted: &mut Admitted,
) -> Result<Seat, Stop> {
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
) -> Result<InFlight, Stop> {
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
async fn turned(gateway: &Gateway, session: &mut Session, admitted: &mut Admitted) -> Result<Turned, Stop> {
    match admitted.turn {
        None => choose(admitted).map_err(Stop::Cannot),
        Some(turn) => {
            // On the heap, so that calls that never wait need not carry it.
            let taken = Box::pin(queue::take(gateway, session, admitted, turn)).await;
            taken.map_err(Stop::Gone)?.map_err(Stop::Cannot)
        }
    }
}

/// The failure that a client asked for, to see its fallbacks at work.
fn pretended(class: UpstreamClass, admitted: &Admitted) -> ApiError {
    let words = format!("This is a mock exception for model={}, to trigger a fallback.", admitted.requested);
    ApiError::upstream(&Failure::without_answer(class, &words), "openai")
}

fn choose(admitted: &mut Admitted) -> Result<Turned, ApiError> {
    let pick = pick(admitted);
    let group = &admitted.resolution.group;
    match pick {
        Pick::Deployment(index) => Ok((index, Arc::clone(&group.deployments[index]), None)),
        Pick::None(bar) => Err(group.refusal(bar, &admitted.called, &admitted.wish())),
    }
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
