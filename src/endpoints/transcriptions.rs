//! `POST /v1/audio/transcriptions` and its twins.

use super::Endpoint;
use crate::domain::EndpointKind;

pub(super) const ENDPOINT: Endpoint = Endpoint {
    kind: EndpointKind::Transcriptions,
    operation: "audio/transcriptions",
    twins: &[],
    routes: Some([
        "/v1/audio/transcriptions",
        "/audio/transcriptions",
        "/openai/deployments/{model}/audio/transcriptions",
        "/engines/{model}/audio/transcriptions",
    ]),
};
