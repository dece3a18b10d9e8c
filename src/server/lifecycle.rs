//! Signals: SIGHUP reads the configuration again, SIGTERM lets open requests end, SIGQUIT makes way for a successor,
//! SIGINT waits for nobody.

use super::{books, handover, systemd};
use crate::proxy::Gateway;
use crate::runtime::{Reloader, RuntimeHandle};
use crate::telemetry::Telemetry;
use async_trait::async_trait;
use pingora::server::{ShutdownSignal, ShutdownSignalWatch};
use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

const POLL: Duration = Duration::from_millis(20);
/// After the last connection is accepted, idle ones may bring another call for so long; for longer while a
/// successor serves already.
const LINGER: Duration = Duration::from_millis(250);
const LINGER_LONG: Duration = Duration::from_secs(5);
/// Calls that wait for quota or a slot are told so long before the end, if there is time.
const LAST: Duration = Duration::from_secs(1);
/// A successor is waited for so long, and may take so long until it serves.
const MEET: Duration = Duration::from_secs(10);
const START: Duration = Duration::from_secs(60);

/// Ends the serving when it is time.
pub(super) struct Signals {
    pub(super) gateway: Arc<Gateway>,
    /// What readiness looks at.
    pub(super) unready: Arc<AtomicBool>,
    /// To be handed to a successor; gone once no more is accepted.
    pub(super) socket: Mutex<Option<TcpListener>>,
    /// Where a successor waits.
    pub(super) place: PathBuf,
    /// Open connections.
    pub(super) open: Arc<AtomicUsize>,
    pub(super) close: watch::Sender<bool>,
    pub(super) leave: watch::Sender<bool>,
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
        let successor = tokio::select! {
            successor = self.successor(&mut quit) => Some(Some(successor)),
            _ = term.recv() => Some(None),
            _ = int.recv() => None,
        };
        if let Some(successor) = successor {
            self.go(successor, &mut int).await;
        }
        // What Pingora would do at a shutdown is done already, or is not wanted: the process ends as it is.
        if self.done.send(()).is_err() {
            return ShutdownSignal::FastShutdown;
        }
        std::future::pending().await
    }
}

impl Signals {
    /// The process that took over; without one nothing changes.
    async fn successor(&self, quit: &mut Signal) -> u32 {
        loop {
            quit.recv().await;
            let Some(giving) = self.give() else { continue };
            match giving.await.unwrap_or_else(|error| Err(io::Error::other(error))) {
                Ok(pid) => return pid,
                Err(error) => {
                    log::error!("the socket was not handed over, this process goes on serving: {error}")
                }
            }
        }
    }

    fn give(&self) -> Option<JoinHandle<io::Result<u32>>> {
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let socket = socket.as_ref()?.try_clone();
        let place = self.place.clone();
        log::info!("handing the socket over at {}", place.display());
        Some(tokio::task::spawn_blocking(move || handover::give(&place, &socket?, MEET, START)))
    }

    async fn go(&self, successor: Option<u32>, int: &mut Signal) {
        let (delay, drain) = {
            let server = &self.gateway.runtime.load().config.server;
            (server.shutdown_delay, server.drain_timeout)
        };
        self.gateway.draining.store(true, Ordering::Relaxed);
        let (delay, linger) = match successor {
            Some(pid) => {
                log::info!("process {pid} took over: going away, waiting up to {drain:?} for open requests");
                systemd::succeeded_by(pid);
                (Duration::ZERO, LINGER_LONG)
            }
            None => {
                self.unready.store(true, Ordering::Relaxed);
                log::info!("going away: waiting up to {drain:?} for open requests");
                systemd::stopping(delay + drain + books::CLOSE + LINGER_LONG);
                (delay, LINGER)
            }
        };
        tokio::select! {
            () = self.drain(delay, drain, linger) => {}
            _ = int.recv() => {}
        }
        self.leave.send_replace(true);
    }

    async fn drain(&self, delay: Duration, drain: Duration, linger: Duration) {
        tokio::time::sleep(delay).await;
        drop(self.socket.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.close.send_replace(true);
        let closed = Instant::now();
        loop {
            let calls = self.gateway.telemetry.metrics.calls_in_flight();
            let open = self.open.load(Ordering::Relaxed);
            if calls <= 0 && (open == 0 || closed.elapsed() >= linger.min(drain)) {
                return;
            }
            if closed.elapsed() + LAST.min(drain / 4) >= drain {
                self.gateway.closed.send_replace(true);
            }
            if closed.elapsed() >= drain {
                return log::warn!("open requests are cut off after {drain:?}");
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

/// Reads the configuration again at every SIGHUP; what is wrong with it changes nothing.
pub(super) async fn reload_on_hangup(
    reloader: Arc<Reloader>,
    runtime: Arc<RuntimeHandle>,
    telemetry: Arc<Telemetry>,
) {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
    while hangup.recv().await.is_some() {
        systemd::reloading();
        telemetry.access_log.reopen();
        // What is wrong was logged, and can be asked for.
        drop(Box::pin(reloader.reload()).await);
        systemd::ready(&runtime.load());
    }
}
