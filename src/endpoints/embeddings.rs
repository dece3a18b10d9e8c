//! `POST /v1/embeddings` and its twins.

use super::Endpoint;
use crate::domain::EndpointKind;

pub(super) const ENDPOINT: Endpoint = Endpoint {
    kind: EndpointKind::Embeddings,
    operation: "embeddings",
    twins: &[],
    routes: Some([
        "/v1/embeddings",
        "/embeddings",
        "/openai/deployments/{model}/embeddings",
        "/engines/{model}/embeddings",
    ]),
};
