//! Floor 6: the composition root, the only module that names all others.
//!
//! It turns a [`Config`] into a running process: one Pingora service with a runtime and an upstream pool
//! of its own for each core, all accepting on one listening socket, and a control runtime for DNS,
//! probes, reloads and the admin API. A pool for each core beat one shared by work-stealing threads by a
//! fifth of the CPU for each request.

mod beats;
mod books;
mod bridge;
mod database;
mod handover;
mod lane;
mod lifecycle;
mod services;
mod socket;
mod systemd;

pub use crate::runtime::Source;
pub use socket::Startup;

use crate::config::{AccessLogTarget, Config, HealthCheck};
use crate::control::{self, Control};
use crate::limits::Meters;
use crate::proxy::Gateway;
use crate::runtime::{Directory, Hooks, PrepareError, Reloader, zone};
use crate::store::StoreError;
use crate::telemetry::{StartError, Target, Telemetry};
use crate::upstream::{Probe, Upstreams};
use beats::Beats;
use bridge::Bridge;
use handover::Receipt;
use lane::{Lane, Signs};
use lifecycle::Signals;
use pingora::server::configuration::ServerConf;
use pingora::server::{RunArgs, Server};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::watch;

/// Idle upstream connections each data-plane thread keeps.
const POOL: usize = 512;
/// Pingora's own bound on attempts, above any plan of ours.
const ATTEMPTS: usize = 64;

/// Limits of speed are for so many milliseconds (LiteLLM's `LITELLM_RATE_LIMIT_WINDOW_SIZE`).
const WINDOW_MS: i64 = 60_000;
/// Counters that are kept of each kind; those in use are never dropped.
const MOST_COUNTERS: usize = 200_000;

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken or not ours.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
    /// The listening socket cannot be shared among the threads.
    #[error("the listening socket cannot be shared: {0}")]
    Socket(io::Error),
    /// The socket was not handed over.
    #[error("the socket cannot be taken over at {0}: {1}")]
    Upgrade(PathBuf, io::Error),
    /// The control runtime cannot be made.
    #[error("cannot start a runtime: {0}")]
    Runtime(io::Error),
    /// The configuration cannot be made ready.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The database cannot be used.
    #[error(transparent)]
    Database(#[from] StoreError),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] crate::ledger::OpenError),
    /// Metrics or access log.
    #[error(transparent)]
    Telemetry(#[from] StartError),
}

/// Serves until a signal ends it. `source` reads the configuration again.
///
/// # Errors
/// [`ServeError`], before the first request is taken.
pub fn run(config: Config, source: Source, startup: &Startup) -> Result<(), ServeError> {
    let address = SocketAddr::new(config.server.host, config.server.port);
    let place = startup.meeting_place(&config.server.data_dir, config.server.port);
    let incoming = socket::Incoming::open(address, startup, &place)?;
    let control_runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("control")
        .enable_all()
        .build()
        .map_err(ServeError::Runtime)?;
    let workers = workers(config.server.workers);
    let (gateway, unready) = compose(config, source, workers, &control_runtime)?;
    let (socket, receipt) = incoming.socket(address, &place)?;
    let serving = Serving { gateway: Arc::clone(&gateway), unready, workers, place };
    serving.run(socket, receipt, control_runtime.handle())?;
    gateway.ledger.close(books::CLOSE);
    gateway.telemetry.access_log.close();
    control_runtime.shutdown_background();
    Ok(())
}

fn compose(
    config: Config,
    source: Source,
    workers: usize,
    control_runtime: &tokio::runtime::Runtime,
) -> Result<(Arc<Gateway>, Arc<AtomicBool>), ServeError> {
    let telemetry = Arc::new(Telemetry::start(
        log_target(&config.server.access_log),
        config.telemetry.selection.clone(),
    )?);
    let (probe, every) = probe(&config.server.health_check);
    let upstreams = Arc::new(Upstreams::new(Instant::now(), probe, every));
    let zone = zone(config.spending.time_zone.as_deref());
    let store = control_runtime.block_on(database::open(&config.server.database, zone))?;
    let meters = Arc::new(Meters::new(WINDOW_MS, MOST_COUNTERS));
    control_runtime.spawn(books::prune(Arc::clone(&meters)));
    let control_handle = control_runtime.handle().clone();
    let directory = Arc::new(Directory::new(store.clone(), control_handle.clone(), Arc::clone(&meters)));
    let hooks = hooks(source, &telemetry);
    let starting =
        Reloader::start(config, store.clone(), Arc::clone(&upstreams), Arc::clone(&directory), hooks);
    let reloader = Arc::new(control_runtime.block_on(starting)?);
    let runtime = reloader.runtime();
    let config = &runtime.load().config;
    let ledger = books::open(config, workers, store.clone(), meters, Arc::clone(&runtime), &control_handle)?;
    control_runtime.spawn(books::watch(Arc::clone(&ledger), Arc::clone(&telemetry)));
    control_runtime.spawn(database::follow(store.clone(), Arc::clone(&directory), Arc::clone(&reloader)));
    control_runtime.spawn(services::count(store.clone(), Arc::clone(&telemetry)));
    control_runtime.spawn(database::follow_models(Arc::clone(&reloader)));
    let unready = Arc::new(AtomicBool::new(false));
    let control = control::router(Control {
        runtime: Arc::clone(&runtime),
        directory: Arc::clone(&directory),
        reloader: Arc::clone(&reloader),
        store,
        telemetry: Arc::clone(&telemetry),
        draining: Arc::clone(&unready),
        log_level: log::max_level(),
    });
    control_runtime.spawn(services::watch(upstreams, Arc::clone(&runtime), Arc::clone(&telemetry)));
    let reloading = lifecycle::reload_on_hangup(reloader, Arc::clone(&runtime), Arc::clone(&telemetry));
    control_runtime.spawn(reloading);
    let control = Arc::new(Bridge::new(control, control_handle));
    let draining = Arc::new(AtomicBool::new(false));
    Ok((Arc::new(Gateway { runtime, directory, telemetry, control, draining, ledger }), unready))
}

fn hooks(source: Source, telemetry: &Arc<Telemetry>) -> Hooks {
    let (published, reloaded) = (Arc::clone(telemetry), Arc::clone(telemetry));
    Hooks {
        source,
        published: Box::new(move |snapshot| services::publish(&published, snapshot)),
        reloaded: Box::new(move |took, is_used| {
            reloaded.metrics.reloaded(took, is_used, SystemTime::now());
        }),
    }
}

/// What serves, before it does.
struct Serving {
    gateway: Arc<Gateway>,
    unready: Arc<AtomicBool>,
    workers: usize,
    place: PathBuf,
}

impl Serving {
    /// Returns when a signal has ended the serving; the threads go with the process.
    fn run(
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
        let (gateway, workers) = (Arc::clone(&self.gateway), self.workers);
        let Self { unready, place, .. } = self;
        let socket = Mutex::new(Some(socket));
        let signals =
            Signals { gateway: Arc::clone(&gateway), unready, socket, place, signs, close, leave, done };
        let serving = thread::spawn(move || server.run(RunArgs { shutdown_signal: Box::new(signals) }));
        if beginnings.iter().take(workers).count() == workers {
            log::info!("listening on http://{address} with {workers} data-plane threads");
            systemd::ready(&gateway.runtime.load());
            if let Some(within) = watched {
                control.spawn(systemd::keep_alive(beats, within));
            }
            if let Some(Err(error)) = receipt.map(Receipt::serving) {
                log::warn!("the old process does not hear that this one serves: {error}");
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
            upstream_keepalive_pool_size: POOL,
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

fn workers(configured: usize) -> usize {
    if configured > 0 { configured } else { thread::available_parallelism().map_or(1, usize::from) }
}

fn log_target(target: &AccessLogTarget) -> Target {
    match target {
        AccessLogTarget::Off => Target::Off,
        AccessLogTarget::Stdout => Target::Stdout,
        AccessLogTarget::File(path) => Target::File(path.clone()),
    }
}

fn probe(check: &HealthCheck) -> (Probe, Duration) {
    match check {
        HealthCheck::Off => (Probe::Off, Duration::MAX),
        HealthCheck::Tcp { interval } => (Probe::Tcp, *interval),
        HealthCheck::Http { path, interval } => (Probe::Http(path.clone()), *interval),
    }
}
