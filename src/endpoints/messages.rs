//! `POST /v1/messages`, Anthropic's.

use super::Endpoint;
use crate::domain::EndpointKind;

pub(super) const ENDPOINT: Endpoint =
    Endpoint { kind: EndpointKind::Messages, operation: "", twins: &["/v1/messages"], routes: [""; 4] };
