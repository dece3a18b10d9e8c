//! `/v1/realtime` and its twins: a WebSocket to a model.

use super::Match;
use crate::domain::EndpointKind;

/// The model is in the query, or `deployment` is, as Azure's clients have it.
pub(super) fn find(path: &str) -> Option<Match<'_>> {
    let routes = ["/v1/realtime", "/realtime", "/openai/realtime", "/openai/v1/realtime"];
    let route = routes.into_iter().find(|route| *route == path)?;
    Some(Match { kind: EndpointKind::Realtime, route, model: None })
}
