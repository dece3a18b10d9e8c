//! The yardstick: a Pingora proxy that does nothing but pass bytes on, configured as well as Pingora can be.
//!
//! One service per worker, each with its own single-threaded runtime and upstream pool, all accepting
//! on the one listening socket; no compression module; the peer is built once.

use async_trait::async_trait;
use pingora::Result;
use pingora::listeners::{L4BufferSettings, ListenerConfig};
use pingora::modules::http::HttpModules;
use pingora::proxy::{ProxyHttp, Session, http_proxy_service};
use pingora::server::Server;
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::HttpPeer;
use std::net::SocketAddr;
use std::sync::Arc;

/// A bare Pingora pass-through.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[arg(long)]
    listen: SocketAddr,
    #[arg(long)]
    upstream: SocketAddr,
    #[arg(long, default_value_t = 1)]
    workers: usize,
    /// Read buffer of client connections, in bytes; Pingora's own default is 64 KB.
    #[arg(long)]
    read_buffer: Option<usize>,
}

struct Pass {
    peer: HttpPeer,
}

#[async_trait]
impl ProxyHttp for Pass {
    type CTX = ();

    fn new_ctx(&self) {}

    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(self.peer.clone()))
    }
}

impl Args {
    /// Serves until killed.
    pub fn run(self) -> ! {
        let conf = ServerConf { upstream_keepalive_pool_size: 1024, threads: 1, ..ServerConf::default() };
        let mut server = Server::new_with_opt_and_conf(None, conf);
        server.bootstrap();
        for _ in 0..self.workers.max(1) {
            #[expect(clippy::disallowed_methods, reason = "an address, not a name: nothing to resolve")]
            let peer = HttpPeer::new(self.upstream, false, String::new());
            let mut service = http_proxy_service(&Arc::clone(&server.configuration), Pass { peer });
            service.threads = Some(1);
            let buffer = L4BufferSettings { read: self.read_buffer, write: None };
            service.add_listener(ListenerConfig::tcp(self.listen.to_string()).l4_buffer(buffer));
            server.add_service(service);
        }
        server.run_forever()
    }
}
