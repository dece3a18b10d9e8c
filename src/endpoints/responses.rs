//! `POST /v1/responses` and its twins, OpenAI's newer API.

use super::Endpoint;
use crate::domain::EndpointKind;

pub(super) const ENDPOINT: Endpoint = Endpoint {
    kind: EndpointKind::Responses,
    operation: "responses",
    twins: &["/v1/responses", "/responses", "/openai/v1/responses"],
    routes: None,
};
