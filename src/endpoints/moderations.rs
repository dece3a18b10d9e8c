//! `POST /v1/moderations` and its twins.

use super::Endpoint;
use crate::domain::EndpointKind;

pub(super) const ENDPOINT: Endpoint = Endpoint {
    kind: EndpointKind::Moderations,
    operation: "moderations",
    twins: &[],
    routes: Some([
        "/v1/moderations",
        "/moderations",
        "/openai/deployments/{model}/moderations",
        "/engines/{model}/moderations",
    ]),
};
