//! A data-plane thread at the listening socket.
//!
//! Pingora's services would share one descriptor of the socket, and each would close it at its end; so each gets a
//! copy of its own. And Pingora drops idle connections the moment that it accepts no more; here they stay until the
//! process leaves, so that a call that is just on its way over one of them is still answered.

use super::beats::Beat;
use crate::proxy::{Gateway, Proxy, Spliced};
use async_trait::async_trait;
use pingora::apps::{HttpServerOptions, ServerApp};
use pingora::listeners::{L4BufferSettings, ListenerConfig};
use pingora::protocols::Stream;
use pingora::server::configuration::ServerConf;
use pingora::server::{Fds, ListenFds, ShutdownWatch};
use pingora::services::listening::Service;
use pingora_proxy::HttpProxy;
use std::net::TcpListener;
use std::os::fd::IntoRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;

/// Bytes that are gathered for a client before they are sent: the head of most answers and a short body go in one system call.
const WRITE_BUFFER: usize = 4096;

/// What all lanes are told, and what they tell.
#[derive(Clone)]
pub(super) struct Signs {
    /// Turns true when no more connections are to be accepted.
    pub(super) close: ShutdownWatch,
    /// Turns true when idle connections are to be dropped.
    pub(super) leave: ShutdownWatch,
    /// Open connections.
    pub(super) open: Arc<AtomicUsize>,
    /// Told once by each lane that runs.
    pub(super) began: Sender<()>,
}

/// A service with one thread and a copy of the socket.
pub(super) struct Lane {
    service: Service<Door>,
    socket: Option<TcpListener>,
    signs: Signs,
    beat: Option<Beat>,
}

/// The proxy of one lane.
struct Door {
    proxy: Arc<HttpProxy<Proxy>>,
    gateway: Arc<Gateway>,
    leave: ShutdownWatch,
    open: Arc<AtomicUsize>,
}

impl Lane {
    pub(super) fn new(
        conf: &Arc<ServerConf>,
        gateway: &Arc<Gateway>,
        socket: TcpListener,
        signs: Signs,
        beat: Option<Beat>,
    ) -> Self {
        let mut proxy = HttpProxy::new(Proxy::new(Arc::clone(gateway)), Arc::clone(conf));
        proxy.handle_init_modules();
        let mut options = HttpServerOptions::default();
        options.h2c = true;
        proxy.server_options = Some(options);
        let door = Door {
            proxy: Arc::new(proxy),
            gateway: Arc::clone(gateway),
            leave: signs.leave.clone(),
            open: Arc::clone(&signs.open),
        };
        let mut service = Service::new("data".to_owned(), door);
        service.threads = Some(1);
        // Pingora would keep a read buffer of 64 KiB for each connection, above its own body buffer.
        let buffers = L4BufferSettings::default().read(0).write(WRITE_BUFFER);
        service.add_listener(ListenerConfig::tcp(SOCKET).l4_buffer(buffers));
        Self { service, socket: Some(socket), signs, beat }
    }
}

/// The name of the socket in the table that Pingora looks it up in; nothing is resolved.
const SOCKET: &str = "handed over";

#[async_trait]
impl pingora::services::Service for Lane {
    // Pingora's own table would be shared with the other lanes.
    async fn start_service(&mut self, _: Option<ListenFds>, _: ShutdownWatch, listeners: usize) {
        let Some(socket) = self.socket.take() else { return };
        let mut table = Fds::new();
        table.add(SOCKET.to_owned(), socket.into_raw_fd());
        if let Some(beat) = self.beat.take() {
            drop(tokio::spawn(beat.keep()));
        }
        // Nobody listens only once the process ends.
        _ = self.signs.began.send(());
        self.service
            .start_service(Some(ListenFds::new(table.into())), self.signs.close.clone(), listeners)
            .await;
    }

    fn name(&self) -> &str {
        self.service.name()
    }

    fn threads(&self) -> Option<usize> {
        Some(1)
    }
}

#[async_trait]
impl ServerApp for Door {
    async fn process_new(self: &Arc<Self>, stream: Stream, close: &ShutdownWatch) -> Option<Stream> {
        let _open = Open::one(&self.open);
        let patience = self.gateway.runtime.load().config.server.body_timeout;
        self.proxy.process_new(Box::new(Spliced::new(stream, patience)), close).await
    }

    async fn cleanup(&self) {
        // The sender lives as long as the process.
        drop(self.leave.clone().wait_for(|leave| *leave).await);
        self.proxy.cleanup().await;
    }
}

struct Open<'a>(&'a AtomicUsize);

impl<'a> Open<'a> {
    fn one(open: &'a AtomicUsize) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(open)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
