//! The data plane at work: a lane for each thread, from the first connection to the last.

use super::ServeError;
use super::beats::Beats;
use super::handover::{self, Receipt};
use super::lane::{Lane, Signs};
use super::lifecycle::Signals;
use super::systemd;
use crate::proxy::{Gateway, UPSTREAM_POOL};
use pingora::server::configuration::ServerConf;
use pingora::server::{RunArgs, Server};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use tokio::sync::watch;

/// Pingora's own bound on attempts, above any plan of ours.
const ATTEMPTS: usize = 64;

/// What serves, before it does.
pub(super) struct Serving {
    pub(super) gateway: Arc<Gateway>,
    /// What readiness looks at.
    pub(super) unready: Arc<AtomicBool>,
    pub(super) workers: usize,
    /// Where a successor waits.
    pub(super) place: PathBuf,
}

impl Serving {
    /// Returns when a signal has ended the serving; the threads go with the process.
    pub(super) fn run(
        self,
        socket: TcpListener,
        receipt: Option<Receipt>,
        control: &tokio::runtime::Handle,
    ) -> Result<(), ServeError> {
        let watched = systemd::watchdog();
        let beats = Beats::of(self.workers, watched);
        let (close, closing) = watch::channel(false);
        let (leave, leaving) = watch::channel(false);
        let (began, beginnings) = mpsc::channel();
        let signs = Signs { close: closing, leave: leaving, open: Arc::new(AtomicUsize::new(0)), began };
        let address = self.address(&socket)?;
        let server = self.server(&socket, &signs, &beats)?;
        let (done, ended) = mpsc::channel();
        let announced = Announced { gateway: Arc::clone(&self.gateway), address, place: self.place.clone() };
        let Self { gateway, unready, place, workers } = self;
        let (socket, open) = (Mutex::new(Some(socket)), signs.open);
        let signals = Signals { gateway, unready, socket, place, open, close, leave, done };
        let serving = thread::spawn(move || server.run(RunArgs { shutdown_signal: Box::new(signals) }));
        // Ends early only if a lane did.
        drop(signs.began);
        if beginnings.iter().take(workers).count() == workers {
            announced.tell(workers, receipt);
            if let Some(within) = watched {
                control.spawn(systemd::keep_alive(beats, within));
            }
        }
        if ended.recv().is_err() && serving.join().is_err() {
            log::error!("the server ended in a panic");
        }
        Ok(())
    }

    fn address(&self, socket: &TcpListener) -> Result<SocketAddr, ServeError> {
        let server = &self.gateway.runtime.load().config.server;
        let wanted = SocketAddr::new(server.host, server.port);
        let fault = |error| ServeError::Listen(wanted, error);
        socket.set_nonblocking(true).and_then(|()| socket.local_addr()).map_err(fault)
    }

    /// Pingora's server with a lane for each thread.
    fn server(&self, socket: &TcpListener, signs: &Signs, beats: &Beats) -> Result<Server, ServeError> {
        let conf = ServerConf {
            threads: 1,
            work_stealing: false,
            upstream_keepalive_pool_size: UPSTREAM_POOL,
            max_retries: ATTEMPTS,
            ..ServerConf::default()
        };
        let mut server = Server::new_with_opt_and_conf(None, conf);
        server.bootstrap();
        for index in 0..self.workers {
            let copy = socket.try_clone().map_err(ServeError::Socket)?;
            let beat = beats.beat(index);
            server.add_service(Lane::new(&server.configuration, &self.gateway, copy, signs.clone(), beat));
        }
        Ok(server)
    }
}

/// What others are told once all lanes run.
struct Announced {
    gateway: Arc<Gateway>,
    address: SocketAddr,
    place: PathBuf,
}

impl Announced {
    fn tell(&self, workers: usize, receipt: Option<Receipt>) {
        log::info!("listening on http://{} with {workers} data-plane threads", self.address);
        systemd::ready(&self.gateway.runtime.load());
        if let Err(error) = handover::note_pid(&self.place) {
            log::warn!("which process serves cannot be noted at {}: {error}", self.place.display());
        }
        if let Some(Err(error)) = receipt.map(Receipt::serving) {
            log::warn!("the old process does not hear that this one serves: {error}");
        }
    }
}
