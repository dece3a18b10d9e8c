//! `POST /v1/chat/completions` and its twins.

use super::Endpoint;
use crate::domain::EndpointKind;

pub(super) const ENDPOINT: Endpoint = Endpoint {
    kind: EndpointKind::ChatCompletions,
    operation: "chat/completions",
    twins: &["/queue/chat/completions", "/cursor/chat/completions"],
    routes: Some([
        "/v1/chat/completions",
        "/chat/completions",
        "/openai/deployments/{model}/chat/completions",
        "/engines/{model}/chat/completions",
    ]),
};
