//! `POST /v1/images/generations` and its twins.

use super::Endpoint;
use crate::domain::EndpointKind;

pub(super) const ENDPOINT: Endpoint = Endpoint {
    kind: EndpointKind::ImageGenerations,
    operation: "images/generations",
    twins: &[],
    routes: Some([
        "/v1/images/generations",
        "/images/generations",
        "/openai/deployments/{model}/images/generations",
        "/engines/{model}/images/generations",
    ]),
};
