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
mod serving;
mod sharing;
mod sinks;
mod socket;
mod systemd;

pub use crate::runtime::Source;
pub use socket::Startup;

use crate::config::{AccessLogTarget, Config, HealthCheck};
use crate::control::{self, Control};
use crate::limits::Meters;
use crate::proxy::Gateway;
use crate::runtime::{Directory, Hooks, PrepareError, Reloader, zone};
use crate::shared::Prepared;
use crate::store::{StoreError, import};
use crate::telemetry::{Settings, StartError, Target, Telemetry, Tracer, Wanted};
use crate::upstream::{Probe, Upstreams};
use bridge::Bridge;
use serving::Serving;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::watch;

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
    let serving = Serving { gateway: Arc::clone(&gateway), unready, workers, place: place.clone() };
    serving.run(socket, receipt, control_runtime.handle())?;
    handover::forget_pid(&place);
    gateway.ledger.close(books::CLOSE);
    if let Some(shared) = &gateway.shared {
        // Without an answer others find out by themselves.
        drop(control_runtime.block_on(async { tokio::time::timeout(sharing::CLOSE, shared.leave()).await }));
    }
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
    source: Source,
    workers: usize,
    control_runtime: &tokio::runtime::Runtime,
) -> Result<(Arc<Gateway>, Arc<AtomicBool>), ServeError> {
    let telemetry = Arc::new(Telemetry::start(telemetry_settings(&config))?);
    let told = &config.telemetry;
    control_runtime.block_on(async { sinks::start(told.otel.as_ref(), told.langfuse.as_ref(), &telemetry) });
    let (probe, every) = probe(&config.server.health_check);
    let upstreams = Arc::new(Upstreams::new(Instant::now(), probe, every));
    let zone = zone(config.spending.time_zone.as_deref());
    let vault = config.stored.vault.clone();
    let moving = import::Options { apply: true, overwrite: false, zone, vault };
    let store = control_runtime.block_on(database::open(&config.server.database, moving))?;
    let sharing = config.server.shared.clone().map(Prepared::new);
    let meters = Meters::new(WINDOW_MS, MOST_COUNTERS);
    let meters = Arc::new(sharing.iter().fold(meters, |meters, prepared| meters.shared(prepared.sharing())));
    control_runtime.spawn(books::prune(Arc::clone(&meters)));
    let control_handle = control_runtime.handle().clone();
    let directory = Arc::new(Directory::new(store.clone(), control_handle.clone(), Arc::clone(&meters)));
    let hooks = hooks(source, &telemetry);
    let starting =
        Reloader::start(config, store.clone(), Arc::clone(&upstreams), Arc::clone(&directory), hooks);
    let reloader = Arc::new(control_runtime.block_on(starting)?);
    let runtime = reloader.runtime();
    let config = &runtime.load().config;
    for passage in config.passages.iter().filter(|passage| passage.vendor.is_some()) {
        log::info!("{}/… is passed through to {}", passage.path, passage.target);
    }
    let shared = sharing
        .map(|prepared| sharing::start(prepared, &meters, &runtime, &telemetry))
        .transpose()
        .map_err(ServeError::Runtime)?;
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
        booked: books::booked(&ledger),
    });
    let asked = Arc::clone(&upstreams);
    control_runtime.spawn(async move { asked.ask_stations().await });
    control_runtime.spawn(services::watch(upstreams, Arc::clone(&runtime), Arc::clone(&telemetry)));
    let reloading = lifecycle::reload_on_hangup(reloader, Arc::clone(&runtime), Arc::clone(&telemetry));
    control_runtime.spawn(reloading);
    let control = Arc::new(Bridge::new(control, control_handle));
    let draining = Arc::new(AtomicBool::new(false));
    let closed = watch::Sender::new(false);
    let gateway = Gateway { runtime, directory, telemetry, control, draining, closed, ledger, shared };
    Ok((Arc::new(gateway), unready))
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
            otel_metrics: told.otel.as_ref().is_some_and(|otel| otel.metrics.is_some()),
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
