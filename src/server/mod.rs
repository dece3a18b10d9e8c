//! Floor 6: the composition root, the only module that names all others.
//!
//! It turns a [`Config`] into a running process: one Pingora service with a runtime and an upstream pool
//! of its own for each core, all accepting on one listening socket, and a control runtime for DNS,
//! probes, reloads and the admin API. A pool for each core beat one shared by work-stealing threads by a
//! fifth of the CPU for each request.

mod books;
mod bridge;
mod database;
mod lifecycle;
mod services;
mod sinks;

pub use lifecycle::Reload;

use crate::config::{AccessLogTarget, Config, HealthCheck};
use crate::control::{self, Control};
use crate::limits::Meters;
use crate::proxy::{Gateway, Proxy};
use crate::runtime::{Directory, PrepareError, Reloader, zone};
use crate::store::StoreError;
use crate::telemetry::{Settings, StartError, Target, Telemetry, Tracer, Wanted};
use crate::upstream::{Probe, Upstreams};
use bridge::Bridge;
use pingora::apps::HttpServerOptions;
use pingora::listeners::{L4BufferSettings, ListenerConfig};
use pingora::server::configuration::ServerConf;
use pingora::server::{RunArgs, Server};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

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

/// Serves until a signal ends it. `reload` reads the configuration again, on SIGHUP.
///
/// # Errors
/// [`ServeError`], before the first request is taken.
pub fn run(config: Config, reload: Reload) -> Result<(), ServeError> {
    let address = SocketAddr::new(config.server.host, config.server.port);
    // Pingora panics on a thread of its own when it cannot listen; found out here it is an error.
    drop(TcpListener::bind(address).map_err(|error| ServeError::Listen(address, error))?);
    let control_runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("control")
        .enable_all()
        .build()
        .map_err(ServeError::Runtime)?;
    let workers = workers(config.server.workers);
    let drain = config.server.drain_timeout;
    let gateway = compose(config, reload, workers, &control_runtime)?;
    log::info!("listening on http://{address} with {workers} data-plane threads");
    serve(address, workers, &gateway, drain);
    gateway.ledger.close(books::CLOSE);
    let flushed = control_runtime
        .block_on(async { tokio::time::timeout(sinks::FLUSH, gateway.telemetry.sinks.flush()).await });
    if flushed.is_err() {
        log::warn!("finished calls that are not sent within {:?} are lost to their sinks", sinks::FLUSH);
    }
    gateway.telemetry.access_log.close();
    control_runtime.shutdown_background();
    Ok(())
}

fn compose(
    config: Config,
    reload: Reload,
    workers: usize,
    control_runtime: &tokio::runtime::Runtime,
) -> Result<Arc<Gateway>, ServeError> {
    let telemetry = Arc::new(Telemetry::start(telemetry_settings(&config))?);
    let told = &config.telemetry;
    control_runtime.block_on(async { sinks::start(told.otel.as_ref(), told.langfuse.as_ref(), &telemetry) });
    let (probe, every) = probe(&config.server.health_check);
    let upstreams = Arc::new(Upstreams::new(Instant::now(), probe, every));
    let zone = zone(config.spending.time_zone.as_deref());
    let store = control_runtime.block_on(database::open(&config.server.database, zone))?;
    let meters = Arc::new(Meters::new(WINDOW_MS, MOST_COUNTERS));
    control_runtime.spawn(books::prune(Arc::clone(&meters)));
    let control_handle = control_runtime.handle().clone();
    let directory = Arc::new(Directory::new(store.clone(), control_handle.clone(), Arc::clone(&meters)));
    let publish = {
        let telemetry = Arc::clone(&telemetry);
        Box::new(move |snapshot: &_| services::publish(&telemetry, snapshot))
    };
    let starting =
        Reloader::start(config, store.clone(), Arc::clone(&upstreams), Arc::clone(&directory), publish);
    let reloader = Arc::new(control_runtime.block_on(starting)?);
    let runtime = reloader.runtime();
    let config = &runtime.load().config;
    let ledger = books::open(config, workers, store.clone(), meters, Arc::clone(&runtime), &control_handle)?;
    control_runtime.spawn(books::watch(Arc::clone(&ledger), Arc::clone(&telemetry)));
    control_runtime.spawn(database::follow(store.clone(), Arc::clone(&directory), Arc::clone(&reloader)));
    control_runtime.spawn(services::count(store.clone(), Arc::clone(&telemetry)));
    control_runtime.spawn(database::follow_models(Arc::clone(&reloader)));
    let draining = Arc::new(AtomicBool::new(false));
    let control = control::router(Control {
        runtime: Arc::clone(&runtime),
        directory: Arc::clone(&directory),
        reloader: Arc::clone(&reloader),
        store,
        telemetry: Arc::clone(&telemetry),
        draining: Arc::clone(&draining),
        log_level: log::max_level(),
    });
    control_runtime.spawn(services::watch(upstreams, Arc::clone(&runtime), Arc::clone(&telemetry)));
    control_runtime.spawn(lifecycle::reload_on_hangup(reload, reloader, Arc::clone(&telemetry)));
    let bridge = Arc::new(Bridge::new(control, control_handle));
    Ok(Arc::new(Gateway { runtime, directory, telemetry, control: bridge, draining, ledger }))
}

/// Returns when a signal has ended the serving; the threads go with the process.
fn serve(address: SocketAddr, workers: usize, gateway: &Arc<Gateway>, drain: Duration) {
    let conf = ServerConf {
        threads: 1,
        work_stealing: false,
        upstream_keepalive_pool_size: POOL,
        max_retries: ATTEMPTS,
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    for _ in 0..workers {
        let mut service =
            pingora_proxy::http_proxy_service(&server.configuration, Proxy::new(Arc::clone(gateway)));
        service.threads = Some(1);
        // Pingora would keep a read buffer of 64 KiB for each connection, above its own body buffer.
        let unbuffered = L4BufferSettings::default().read(0);
        service.add_listener(ListenerConfig::tcp(address.to_string()).l4_buffer(unbuffered));
        if let Some(proxy) = service.app_logic_mut() {
            let mut options = HttpServerOptions::default();
            options.h2c = true;
            proxy.server_options = Some(options);
        }
        server.add_service(service);
    }
    let (done, ended) = mpsc::channel();
    let signals = lifecycle::Signals { gateway: Arc::clone(gateway), drain, done };
    let serving = thread::spawn(move || server.run(RunArgs { shutdown_signal: Box::new(signals) }));
    if ended.recv().is_err() && serving.join().is_err() {
        log::error!("the server ended in a panic");
    }
}

fn workers(configured: usize) -> usize {
    if configured > 0 { configured } else { thread::available_parallelism().map_or(1, usize::from) }
}

fn telemetry_settings(config: &Config) -> Settings {
    let told = &config.telemetry;
    let sampler = told.otel.as_ref().map(|otel| otel.sampler);
    let passes_on = told.passes_traces_on.unwrap_or(sampler.is_some());
    Settings {
        log: log_target(&config.server.access_log),
        selection: told.selection.clone(),
        tracer: Tracer::new(sampler, passes_on),
        sinks: Wanted {
            otel: told.otel.is_some(),
            langfuse: told.langfuse.as_ref().map(|langfuse| langfuse.choice),
        },
    }
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
