//! Lets a request through to its handler, or does not.

use super::Control;
use super::calendar::now_ms;
use super::input::Refusal;
use super::route::Route;
use crate::auth::{self, Access, Claim, Origin, Principal};
use crate::domain::ApiError;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

pub(super) async fn gate(
    State((control, route)): State<(Control, &'static Route)>,
    request: Request,
    next: Next,
) -> Response {
    let open = match route.access {
        Access::Public => true,
        Access::KeyIfConfigured => !control.runtime.load().config.server.metrics_need_key,
        _ => false,
    };
    let (mut parts, body) = request.into_parts();
    if !open {
        match admit(&control, route, &parts).await {
            Ok(principal) => drop(parts.extensions.insert(principal)),
            Err(error) => return Refusal::Api(error).into_response(),
        }
    }
    next.run(Request::from_parts(parts, body)).await
}

/// Who calls, if they may.
async fn admit(control: &Control, route: &Route, parts: &Parts) -> Result<Principal, ApiError> {
    let snapshot = control.runtime.load();
    let ip = parts.extensions.get::<Origin>().and_then(|origin| origin.0);
    snapshot.house.lets_in(ip)?;
    let presented = auth::presented(&parts.headers, snapshot.config.server.key_header.as_deref());
    let principal = match snapshot.verifier.check(presented)? {
        Claim::Known(principal) => principal.clone(),
        Claim::Virtual(candidate) => control.directory.principal(&candidate).await?,
    };
    if let Some(key) = &principal.key {
        auth::usable(key, now_ms(), ip)?;
    }
    // A path may hold a key: what refusals repeat is the pattern.
    auth::may(&principal, route.access, parts.uri.path(), route.path)?;
    Ok(principal)
}
