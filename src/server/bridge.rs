//! The control plane as the data plane sees it: a router that runs on another runtime.

use crate::proxy::ControlPlane;
use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use tokio::runtime::Handle;
use tower::ServiceExt;

/// Largest answer of the control plane.
const LARGEST: usize = 64 * 1024 * 1024;

/// Carries requests over to the control runtime.
pub(super) struct Bridge {
    router: Router,
    runtime: Handle,
}

impl Bridge {
    pub(super) fn new(router: Router, runtime: Handle) -> Self {
        Self { router, runtime }
    }
}

#[async_trait]
impl ControlPlane for Bridge {
    async fn answer(&self, request: Request<Bytes>) -> Response<Bytes> {
        let router = self.router.clone();
        let answered = self.runtime.spawn(async move {
            // A router's error type is uninhabited.
            let response = router.oneshot(request.map(Body::from)).await.unwrap_or_default();
            let (parts, body) = response.into_parts();
            to_bytes(body, LARGEST).await.map(|bytes| Response::from_parts(parts, bytes))
        });
        match answered.await {
            Ok(Ok(response)) => response,
            Ok(Err(_)) | Err(_) => {
                let mut response = Response::new(Bytes::new());
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                response
            }
        }
    }
}
