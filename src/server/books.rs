//! The ledger, and how the counters in memory hear what it has booked.

use super::ServeError;
use crate::config::{Config, LedgerConfig};
use crate::domain::{CounterId, Money, TargetId, unix_ms};
use crate::ledger::{Bookkeeper, Ledger, LedgerSettings, OnFull};
use crate::limits::Meters;
use crate::runtime::RuntimeHandle;
use crate::store::{Deployed, Store};
use crate::telemetry::{LedgerGauges, Telemetry};
use futures::future::BoxFuture;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::runtime::Handle;

const JOURNAL: &str = "journal";
/// Time between two looks for counters that nobody uses any more.
const PRUNE: Duration = Duration::from_secs(60);
/// At the end the database is waited for so long; what is left is booked at the next start.
pub(super) const CLOSE: Duration = Duration::from_secs(10);

/// Whoever sets what was spent waits so long for the books.
const CATCH_UP: Duration = Duration::from_secs(5);

struct Clerk {
    meters: Arc<Meters>,
    runtime: Arc<RuntimeHandle>,
}

impl Bookkeeper for Clerk {
    fn written(&self, counter: &CounterId, total: Money, period_end: i64, amount: Money) {
        if let Some(account) = self.meters.find_account(counter) {
            account.written(unix_ms(SystemTime::now()), total, period_end, amount);
        }
    }

    fn deployed(&self, target: &TargetId) -> Option<Deployed> {
        let snapshot = self.runtime.load();
        snapshot.deployment(target).map(|deployment| Deployed {
            group: Arc::from(deployment.target.group.as_str()),
            api_base: Arc::clone(&deployment.traits.words.base),
        })
    }
}

/// Opens the ledger with a lane for each data-plane thread.
pub(super) fn open(
    config: &Config,
    workers: usize,
    store: Store,
    meters: Arc<Meters>,
    runtime: Arc<RuntimeHandle>,
    control: &Handle,
) -> Result<Arc<Ledger>, ServeError> {
    let settings = settings(&config.spending.ledger, config.server.data_dir.join(JOURNAL), workers);
    let ledger = Ledger::open(settings, store, Arc::new(Clerk { meters, runtime }), control.clone())?;
    Ok(Arc::new(ledger))
}

/// Waits until the calls that have ended are booked, for whoever sets what was spent.
pub(super) fn booked(ledger: &Arc<Ledger>) -> Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync> {
    let ledger = Arc::clone(ledger);
    Arc::new(move || {
        let ledger = Arc::clone(&ledger);
        Box::pin(async move { ledger.catches_up(CATCH_UP).await })
    })
}

fn settings(config: &LedgerConfig, folder: std::path::PathBuf, lanes: usize) -> LedgerSettings {
    LedgerSettings {
        on_full: if config.serves_when_full { OnFull::Serve } else { OnFull::Refuse },
        alarm_bytes: config.journal_max_bytes,
        rows: config.keeps_rows,
        retention: config.retention,
        retention_every: config.retention_interval,
        ..LedgerSettings::new(folder, lanes)
    }
}

/// Drops counters that nobody uses, for ever.
pub(super) async fn prune(meters: Arc<Meters>) {
    loop {
        tokio::time::sleep(PRUNE).await;
        meters.prune(unix_ms(SystemTime::now()));
    }
}

/// Shows for ever how the ledger is.
pub(super) async fn watch(ledger: Arc<Ledger>, telemetry: Arc<Telemetry>) {
    loop {
        let stats = ledger.stats();
        telemetry.metrics.ledger(&LedgerGauges {
            waiting_records: stats.appended.saturating_sub(stats.booked),
            waiting_bytes: stats.waiting_bytes,
            behind: stats.behind,
            journal_bytes: stats.journal_bytes,
            failed_writes: stats.failed_writes,
            lost: stats.lost,
            damaged_bytes: stats.damaged_bytes,
            has_room: stats.room,
        });
        tokio::time::sleep(LOOK).await;
    }
}

/// Time between two looks at how the ledger is.
const LOOK: Duration = Duration::from_millis(500);
