//! `POST /v1/images/variations` and its twins.

use super::Endpoint;
use crate::domain::EndpointKind;

pub(super) const ENDPOINT: Endpoint = Endpoint {
    kind: EndpointKind::ImageVariations,
    operation: "images/variations",
    twins: &[],
    routes: Some([
        "/v1/images/variations",
        "/images/variations",
        "/openai/deployments/{model}/images/variations",
        "/engines/{model}/images/variations",
    ]),
};
