//! `POST /v1/messages/count_tokens`, Anthropic's.

use super::Endpoint;
use crate::domain::EndpointKind;

pub(super) const ENDPOINT: Endpoint = Endpoint {
    kind: EndpointKind::CountTokens,
    operation: "",
    twins: &["/v1/messages/count_tokens"],
    routes: [""; 4],
};
