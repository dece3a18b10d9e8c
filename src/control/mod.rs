//! Floor 5: the control plane, a plain axum router that tests call without a socket.
//!
//! Every route stands in one table with what it takes to call it ([`routes::ALL`]); there is no other way
//! to add one, so a route without a permission cannot exist. Adding a route is a file under `api/` and a
//! line in the table.

mod api;
mod calendar;
mod gate;
mod input;
mod preflight;
mod records;
mod route;
pub mod routes;
mod state;
#[cfg(test)]
mod tests;
mod unrouted;
mod verbs;

use axum::routing::MethodRouter;
use axum::{Extension, Router};

pub use state::Control;

/// The whole control plane.
pub fn router(control: Control) -> Router {
    routed(control, |route| (route.handler)().router)
}

/// Each row of the table behind its gate.
fn routed(control: Control, handler: impl Fn(&routes::Route) -> MethodRouter<Control>) -> Router {
    let mut router = Router::new();
    for route in routes::ALL {
        let gated = axum::middleware::from_fn_with_state((control.clone(), route), gate::gate);
        router = router.route(route.path, handler(route).layer(gated));
    }
    router
        .fallback(unrouted::unknown)
        .method_not_allowed_fallback(unrouted::wrong_method)
        .layer(Extension(routes::ALL))
        .layer(axum::middleware::from_fn(preflight::preflight))
        .with_state(control)
}
