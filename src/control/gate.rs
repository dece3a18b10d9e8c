//! Lets a request through to its handler, or does not.

use super::Control;
use super::respond::Failed;
use super::routes::Route;
use crate::auth::{self, Access, Claim, Principal};
use crate::domain::ApiError;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::time::{SystemTime, UNIX_EPOCH};

pub(super) async fn gate(
    State((control, route)): State<(Control, &'static Route)>,
    mut request: Request,
    next: Next,
) -> Response {
    let open = match route.access {
        Access::Public => true,
        Access::KeyIfConfigured => !control.runtime.load().config.server.metrics_need_key,
        _ => false,
    };
    if !open {
        match admit(&control, route, request.headers(), request.uri().path()).await {
            Ok(principal) => drop(request.extensions_mut().insert(principal)),
            Err(error) => return Failed(error).into_response(),
        }
    }
    next.run(request).await
}

/// Who calls, if they may.
async fn admit(
    control: &Control,
    route: &Route,
    headers: &HeaderMap,
    path: &str,
) -> Result<Principal, ApiError> {
    let snapshot = control.runtime.load();
    let presented = auth::presented(headers, snapshot.config.server.key_header.as_deref());
    let principal = match snapshot.verifier.check(presented)? {
        Claim::Known(principal) => principal,
        Claim::Virtual(candidate) => control.directory.principal(&candidate).await?,
    };
    if let Some(key) = &principal.key {
        auth::usable(key, now_ms())?;
    }
    // A path may hold a key: what refusals repeat is the pattern.
    auth::may(&principal, route.access, path, route.path)?;
    Ok(principal)
}

/// Unix milliseconds.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
