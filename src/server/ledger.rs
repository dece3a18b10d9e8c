//! The ledger as the configuration wants it, and what it wants to know of the rest.

use crate::config::ServerConfig;
use crate::domain::{CounterId, Money, TargetId};
use crate::ledger::{Bookkeeper, Ledger, LedgerSettings, OnFull, OpenError};
use crate::runtime::RuntimeHandle;
use crate::store::Store;
use crate::telemetry::{LedgerGauges, Telemetry};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// Longest wait at the end for the database to take the rest.
pub(super) const CLOSE_WITHIN: Duration = Duration::from_secs(10);
/// Time between two looks at how the ledger is.
const LOOK: Duration = Duration::from_millis(500);

struct Books {
    runtime: Arc<RuntimeHandle>,
}

impl Bookkeeper for Books {
    fn written(&self, _: &CounterId, _: Money, _: i64, _: Money) {}

    fn api_base(&self, target: &TargetId) -> Option<Arc<str>> {
        let snapshot = self.runtime.load();
        let deployment = snapshot.deployments.iter().find(|deployment| deployment.target.id == *target)?;
        Some(Arc::from(deployment.target.api_base.as_str()))
    }
}

/// Opens the journal in the data folder.
pub(super) fn open(
    server: &ServerConfig,
    workers: usize,
    store: Store,
    runtime: Arc<RuntimeHandle>,
    control: Handle,
) -> Result<Ledger, OpenError> {
    let wanted = &server.ledger;
    let settings = LedgerSettings {
        on_full: if wanted.serve_when_full { OnFull::Serve } else { OnFull::Refuse },
        alarm_bytes: wanted.journal_max_bytes,
        rows: wanted.keep_rows,
        retention: wanted.retention,
        retention_every: wanted.retention_every,
        ..LedgerSettings::new(server.data_dir.join("journal"), workers)
    };
    Ledger::open(settings, store, Arc::new(Books { runtime }), control)
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
