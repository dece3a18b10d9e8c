//! Floor 5: the data plane, an adapter between Pingora's phases and the stages of a call.
//!
//! Each phase is one delegating line; what a call is at any moment is its `stage::Stage`, and a
//! transition consumes the old stage. Rules live below: who may call in `auth`, which deployment in
//! `routing` and `runtime`, what bytes mean in `dialects`, what they cost in `metering`.

mod admission;
mod body;
mod deposit;
mod detour;
mod entry;
mod exchange;
mod head;
mod media;
mod mock;
mod outlook;
mod passing;
mod phases;
mod quota;
mod race;
mod realtime;
mod respond;
mod route_report;
mod searching;
mod settle;
mod splice;
mod stage;
mod subrequest;
mod tooling;
mod upload;

use crate::ledger::Ledger;
use crate::runtime::{Directory, RuntimeHandle};
use crate::shared::Shared;
use crate::telemetry::Telemetry;
use crate::upstream::wire::Wire;
use async_trait::async_trait;
use bytes::Bytes;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::prelude::HttpPeer;
use pingora::{Error, Result};
use pingora_proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Once};
use std::time::Duration;
use tokio::sync::watch;

pub use splice::Spliced;
pub use stage::Ctx;

/// Idle upstream connections that a data-plane thread keeps of each kind.
pub const UPSTREAM_POOL: usize = 512;

/// Answers what is not a model call. Implemented above, so that admin work never runs on a data thread.
#[async_trait]
pub trait ControlPlane: Send + Sync {
    /// Answers one whole request.
    async fn answer(&self, request: http::Request<Bytes>) -> http::Response<Bytes>;
}

/// What all data-plane threads share.
pub struct Gateway {
    /// The present snapshot.
    pub runtime: Arc<RuntimeHandle>,
    /// Keys and those they belong to.
    pub directory: Arc<Directory>,
    /// Where every call is written down before its client has all of the answer.
    pub ledger: Arc<Ledger>,
    /// Metrics and access log.
    pub telemetry: Arc<Telemetry>,
    /// The counters of other processes, if they are shared.
    pub shared: Option<Shared>,
    /// Everything that is not a model call.
    pub control: Arc<dyn ControlPlane>,
    /// Set when the process is going away: connections are no longer kept alive.
    pub draining: Arc<AtomicBool>,
    /// Set shortly before what is open is cut off: who waits still is told to come again.
    pub closed: watch::Sender<bool>,
}

impl Gateway {
    /// Waits until there is no more use in waiting.
    pub(crate) async fn closes(&self) {
        // The sender is here, so it is not gone.
        drop(self.closed.subscribe().wait_for(|is_closed| *is_closed).await);
    }
}

/// The proxy of one data-plane thread.
pub struct Proxy {
    gateway: Arc<Gateway>,
    wire: Wire,
    pulse: Once,
}

impl Proxy {
    /// A proxy for one more thread.
    #[must_use]
    pub fn new(gateway: Arc<Gateway>) -> Self {
        Self { gateway, wire: Wire::new(UPSTREAM_POOL), pulse: Once::new() }
    }

    /// Keeps a near timer in this thread's runtime. Each read has a far one, and a timer that is nearer
    /// than all others wakes the runtime by a system call; with the pulse none is.
    fn pulse(&self) {
        self.pulse.call_once(|| {
            let runtime = Arc::clone(&self.gateway.runtime);
            drop(tokio::spawn(async move {
                let mut pulse = tokio::time::interval(PULSE);
                loop {
                    pulse.tick().await;
                    // A thread without calls lets go of the snapshot before.
                    drop(runtime.load_here());
                }
            }));
        });
    }
}

const PULSE: Duration = Duration::from_secs(1);

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = Ctx;

    fn new_ctx(&self) -> Ctx {
        Ctx::new()
    }

    // Pingora would add a compression module: a gateway relays what it gets.
    fn init_downstream_modules(&self, _: &mut HttpModules) {}

    fn allow_spawning_subrequest(&self, session: &Session, _: &Ctx) -> bool {
        subrequest::is_allowed(session)
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Ctx) -> Result<bool> {
        self.pulse();
        phases::request::run(&self.gateway, &self.wire, session, ctx).await
    }

    async fn upstream_peer(&self, session: &mut Session, ctx: &mut Ctx) -> Result<Box<HttpPeer>> {
        phases::upstream_peer::run(&self.gateway, session, ctx).await
    }

    async fn upstream_request_filter(
        &self,
        _: &mut Session,
        request: &mut RequestHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        phases::upstream_request::head(request, ctx)
    }

    async fn request_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        ctx: &mut Ctx,
    ) -> Result<()> {
        phases::upstream_request::body(body, end, ctx)
    }

    async fn upstream_response_filter(
        &self,
        _: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        phases::upstream_response::receive(&self.gateway, response, ctx)
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        phases::upstream_response::send(session, response, ctx)
    }

    fn response_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        ctx: &mut Ctx,
    ) -> Result<Option<Duration>> {
        phases::response_body::run(&self.gateway, body, end, ctx).map(|()| None)
    }

    fn fail_to_connect(&self, _: &mut Session, _: &HttpPeer, ctx: &mut Ctx, error: Box<Error>) -> Box<Error> {
        phases::failure::connecting(&self.gateway, ctx, error)
    }

    fn error_while_proxy(
        &self,
        _: &HttpPeer,
        _: &mut Session,
        error: Box<Error>,
        ctx: &mut Ctx,
        reused: bool,
    ) -> Box<Error> {
        phases::failure::proxying(&self.gateway, ctx, error, reused)
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, ctx: &mut Ctx) -> FailToProxy {
        phases::failure::last(&self.gateway, session, error, ctx).await
    }

    async fn logging(&self, session: &mut Session, _: Option<&Error>, ctx: &mut Ctx) {
        phases::logging::run(&self.gateway, session, ctx).await;
    }

    // Pingora's lines name paths, which may hold a client's key; what matters is in our own log.
    fn suppress_error_log(&self, _: &Session, _: &Ctx, _: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(&self, _: &Session, _: &Ctx, _: &Error, _: ProxyWarnLogContext) -> bool {
        true
    }
}
