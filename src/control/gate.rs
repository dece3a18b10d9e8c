//! Lets a request through to its handler, or does not.

use super::Control;
use super::respond::Failed;
use super::routes::Access;
use crate::auth;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

pub(super) async fn gate(
    State((control, access)): State<(Control, Access)>,
    mut request: Request,
    next: Next,
) -> Response {
    let snapshot = control.runtime.load();
    let open = match access {
        Access::Public => true,
        Access::Key => false,
        Access::KeyIfConfigured => !snapshot.config.server.metrics_need_key,
    };
    if !open {
        let presented = auth::presented(request.headers(), snapshot.config.server.key_header.as_deref());
        match snapshot.verifier.check(presented) {
            Ok(principal) => drop(request.extensions_mut().insert(principal)),
            Err(error) => return Failed(error).into_response(),
        }
    }
    next.run(request).await
}
