//! `POST /v1/audio/speech` and its twins.

use super::Endpoint;
use crate::domain::EndpointKind;

pub(super) const ENDPOINT: Endpoint = Endpoint {
    kind: EndpointKind::Speech,
    operation: "audio/speech",
    twins: &[],
    routes: Some([
        "/v1/audio/speech",
        "/audio/speech",
        "/openai/deployments/{model}/audio/speech",
        "/engines/{model}/audio/speech",
    ]),
};
