//! Signals: SIGHUP reads the configuration again, SIGTERM lets open requests end, SIGINT does not.

use crate::config::Config;
use crate::proxy::Gateway;
use crate::runtime::Reloader;
use crate::telemetry::Telemetry;
use async_trait::async_trait;
use pingora::server::{ShutdownSignal, ShutdownSignalWatch};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant, SystemTime};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Reads the configuration again; `Err` says what is wrong with it.
pub type Reload = Box<dyn Fn() -> Result<Config, String> + Send + Sync>;

const POLL: Duration = Duration::from_millis(20);

/// Tells Pingora when to stop.
pub(super) struct Signals {
    pub(super) gateway: Arc<Gateway>,
    pub(super) drain: Duration,
    /// Told when the process may end.
    pub(super) done: Sender<()>,
}

#[async_trait]
impl ShutdownSignalWatch for Signals {
    async fn recv(&self) -> ShutdownSignal {
        let (Ok(mut term), Ok(mut int), Ok(mut quit)) =
            (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::quit()))
        else {
            log::error!("signals cannot be watched; only a kill ends this process");
            return std::future::pending().await;
        };
        tokio::select! {
            _ = term.recv() => self.drain(&mut int).await,
            _ = quit.recv() => return ShutdownSignal::GracefulUpgrade,
            _ = int.recv() => {}
        }
        // Pingora's services hold one listening socket between them, and at a shutdown each would close it.
        // So none is begun: the process ends as it is.
        if self.done.send(()).is_err() {
            return ShutdownSignal::FastShutdown;
        }
        std::future::pending().await
    }
}

impl Signals {
    async fn drain(&self, int: &mut Signal) {
        self.gateway.draining.store(true, Ordering::Relaxed);
        log::info!("going away: waiting up to {:?} for open requests", self.drain);
        let empty = async {
            while self.gateway.telemetry.metrics.calls_in_flight() > 0 {
                tokio::time::sleep(POLL).await;
            }
        };
        tokio::select! {
            () = empty => {}
            () = tokio::time::sleep(self.drain) => log::warn!("open requests are cut off after {:?}", self.drain),
            _ = int.recv() => {}
        }
    }
}

/// Swaps in what `reload` reads at every SIGHUP; what is wrong with it changes nothing.
pub(super) async fn reload_on_hangup(reload: Reload, reloader: Arc<Reloader>, telemetry: Arc<Telemetry>) {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
    while hangup.recv().await.is_some() {
        telemetry.access_log.reopen();
        let began = Instant::now();
        let adopted = match reload() {
            Ok(config) => reloader.file(config).await.map_err(|error| error.to_string()),
            Err(faults) => Err(faults),
        };
        telemetry.metrics.reloaded(began.elapsed(), adopted.is_ok(), SystemTime::now());
        match adopted {
            Ok(generation) => log::info!("configuration {generation} is in use"),
            Err(faults) => log::error!("the configuration was not reloaded, the old one stays:\n{faults}"),
        }
    }
}
