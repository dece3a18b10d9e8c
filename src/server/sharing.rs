//! Counters that all processes share: what is done with news, and what the metrics show.

use crate::limits::Meters;
use crate::runtime::RuntimeHandle;
use crate::shared::{Hears, Prepared, Shared};
use crate::telemetry::{SharedGauges, Telemetry};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use std::{io, thread};

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// At the end Redis is waited for so long.
pub(super) const CLOSE: Duration = Duration::from_secs(1);

/// Begins to share, in a thread of its own: calls wait for it, and admin work may take its time.
///
/// # Errors
/// There is no thread, or no runtime.
pub(super) fn start(
    prepared: Prepared,
    meters: &Arc<Meters>,
    runtime: &Arc<RuntimeHandle>,
    telemetry: &Arc<Telemetry>,
) -> io::Result<Shared> {
    let thread = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (meters, hears, telemetry) = (Arc::clone(meters), hears(Arc::clone(runtime)), Arc::clone(telemetry));
    let (started, start) = mpsc::channel();
    thread::Builder::new().name("shared".to_owned()).spawn(move || {
        thread.block_on(async move {
            let shared = prepared.start(meters, hears).await;
            // Fails only if nobody waits for it any more.
            drop(started.send(shared.clone()));
            watch(shared, telemetry).await;
        });
    })?;
    start.recv().map_err(io::Error::other)
}

/// Shows for ever how the sharing goes.
async fn watch(shared: Shared, telemetry: Arc<Telemetry>) {
    loop {
        let stats = shared.stats();
        telemetry.metrics.shared(&SharedGauges {
            is_up: stats.is_up,
            processes: stats.processes,
            waits: stats.waits,
            exchanged: stats.exchanged,
            losses: stats.losses,
        });
        tokio::time::sleep(LOOK).await;
    }
}

/// Takes deployments out of rotation that are so elsewhere.
fn hears(runtime: Arc<RuntimeHandle>) -> Hears {
    Hears::new(move |cooled| {
        let snapshot = runtime.load();
        if snapshot.config.router.disable_cooldowns {
            return;
        }
        if let Some(deployment) = snapshot.deployment(&cooled.target) {
            deployment.state.heard(cooled.class, cooled.length);
        }
    })
}
