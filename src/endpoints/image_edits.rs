//! `POST /v1/images/edits` and its twins.

use super::Endpoint;
use crate::domain::EndpointKind;

pub(super) const ENDPOINT: Endpoint = Endpoint {
    kind: EndpointKind::ImageEdits,
    operation: "images/edits",
    twins: &[],
    routes: Some([
        "/v1/images/edits",
        "/images/edits",
        "/openai/deployments/{model}/images/edits",
        "/engines/{model}/images/edits",
    ]),
};
