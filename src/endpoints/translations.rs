//! `POST /v1/audio/translations` and its twins.

use super::Endpoint;
use crate::domain::EndpointKind;

pub(super) const ENDPOINT: Endpoint = Endpoint {
    kind: EndpointKind::Translations,
    operation: "audio/translations",
    twins: &[],
    routes: Some([
        "/v1/audio/translations",
        "/audio/translations",
        "/openai/deployments/{model}/audio/translations",
        "/engines/{model}/audio/translations",
    ]),
};
