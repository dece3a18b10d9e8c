//! Calls that are answered by a text of the configuration or of their client, `mock_response`: they pass all that other
//! calls pass, and nobody is asked. They say nothing of how their deployments do.

pub(super) mod play;

use super::stage::Admitted;
use crate::dialects::mock::Mock;
use crate::domain::{ApiError, EndpointKind, Failure};
use crate::upstream::Deployment;
use std::sync::Arc;

/// Whether some deployment may answer so.
pub(super) fn may_be(admitted: &Admitted) -> bool {
    admitted.snapshot.has_mocks || admitted.request.mock().is_some()
}

/// What the call is answered with at this deployment, if it is not asked.
///
/// # Errors
/// What the text stands for is a failure.
pub(super) fn of(admitted: &Admitted, deployment: &Deployment) -> Result<Option<Arc<str>>, ApiError> {
    let own = deployment.traits.params.mock_response.as_ref();
    let Some(text) = admitted.request.mock().or(own).filter(|_| is_answered(admitted.caller.kind)) else {
        return Ok(None);
    };
    match Mock::of(text) {
        Mock::Says(_) => Ok(Some(Arc::clone(text))),
        Mock::Fails(class, words) => {
            let failure = Failure::without_answer(class, words);
            Err(ApiError::upstream(&failure, &deployment.target.provider))
        }
    }
}

/// Whether a text can be the answer.
const fn is_answered(kind: EndpointKind) -> bool {
    use EndpointKind as K;
    matches!(
        kind,
        K::ChatCompletions
            | K::Completions
            | K::Messages
            | K::Responses
            | K::GenerateContent
            | K::StreamContent
    )
}
