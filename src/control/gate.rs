//! Lets a request through to its handler, or does not.

use super::Control;
use super::respond::Failed;
use super::routes::Access;
use crate::auth::{self, Claim};
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
        let claim = snapshot.verifier.check(presented);
        let principal = match claim {
            Ok(Claim::Known(principal)) => Ok(principal),
            Ok(Claim::Virtual(candidate)) => control.directory.principal(&candidate).await,
            Err(error) => Err(error),
        };
        match principal {
            Ok(principal) => drop(request.extensions_mut().insert(principal)),
            Err(error) => return Failed(error).into_response(),
        }
    }
    next.run(request).await
}
