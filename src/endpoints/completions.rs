//! `POST /v1/completions` and its twins.

use super::Endpoint;
use crate::domain::EndpointKind;

pub(super) const ENDPOINT: Endpoint = Endpoint {
    kind: EndpointKind::Completions,
    operation: "completions",
    twins: &[],
    routes: Some([
        "/v1/completions",
        "/completions",
        "/openai/deployments/{model}/completions",
        "/engines/{model}/completions",
    ]),
};
