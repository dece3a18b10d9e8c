//! `POST /v1/rerank` and its twins.

use super::Endpoint;
use crate::domain::EndpointKind;

pub(super) const ENDPOINT: Endpoint = Endpoint {
    kind: EndpointKind::Rerank,
    operation: "rerank",
    twins: &["/v2/rerank"],
    routes: Some(["/v1/rerank", "/rerank", "/openai/deployments/{model}/rerank", "/engines/{model}/rerank"]),
};
