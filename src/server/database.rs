//! The database at the start, and what other processes change in it.

use crate::runtime::{Directory, Reloader};
use crate::store::import::Options;
use crate::store::{DatabaseSettings, MODELS, Store, StoreError};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// Time between two looks at what others changed.
const LOOK: Duration = Duration::from_millis(300);
/// A change may show so late; transactions of ours are far shorter.
const OVERLAP: Duration = Duration::from_secs(10);
/// Changes are kept so long.
const KEEP: Duration = Duration::from_secs(600);
/// Looks between two sweeps of old changes.
const SWEEP: u32 = 200;

/// Opens the database. A file must be usable; a server that is away is waited for while traffic is served. What a
/// LiteLLM has in it is brought over as `moving` says.
pub(super) async fn open(settings: &DatabaseSettings, moving: Options) -> Result<Store, StoreError> {
    let store = Store::connect(settings)?;
    match store.migrate().await {
        Ok(()) => {
            move_in(&store, settings, &moving).await;
            Ok(store)
        }
        Err(StoreError::Away(why)) if !store.is_file() => {
            log::error!("the database is away, virtual keys are not known until it is back: {why}");
            tokio::spawn(migrate_later(store.clone(), settings.clone(), moving));
            Ok(store)
        }
        Err(error) => Err(error),
    }
}

async fn migrate_later(store: Store, settings: DatabaseSettings, moving: Options) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        match store.migrate().await {
            Ok(()) => {
                move_in(&store, &settings, &moving).await;
                return log::info!("the database is there");
            }
            Err(StoreError::Away(_)) => {}
            Err(error) => log::error!("the database cannot be used: {error}"),
        }
    }
}

/// Serves the deployments of the database as they are, for ever.
pub(super) async fn follow_models(reloader: Arc<Reloader>) {
    reloader.follow().await;
}

/// Takes over what a LiteLLM has in this database, the first time that it is served from here.
async fn move_in(store: &Store, settings: &DatabaseSettings, moving: &Options) {
    match store.import_own(settings, moving).await {
        Ok(None) => {}
        Ok(Some(report)) if report.is_idle() => {}
        Ok(Some(report)) => {
            log::info!("brought over from LiteLLM's tables in this database: {}", report.summary());
            for note in &report.notes {
                log::info!("{note}");
            }
        }
        Err(error) => log::error!("LiteLLM's tables in this database cannot be brought over: {error}"),
    }
}

/// Forgets what others change, within a second, for ever.
pub(super) async fn follow(store: Store, directory: Arc<Directory>, reloader: Arc<Reloader>) {
    let mut seen: HashSet<i64> = HashSet::new();
    let (mut last, mut away) = (0, false);
    for look in 0u32.. {
        tokio::time::sleep(LOOK).await;
        match store.changes(OVERLAP, last).await {
            Ok(changes) => {
                // What was missed while the database was away is unknown.
                if std::mem::take(&mut away) {
                    directory.forget_all();
                    reloader.models_may_have_changed();
                }
                let new = || changes.iter().filter(|change| !seen.contains(&change.seq));
                new().for_each(|change| directory.changed(&change.kind, &change.id));
                if new().any(|change| change.kind == MODELS.kind) {
                    reloader.models_may_have_changed();
                }
                seen = changes.iter().map(|change| change.seq).collect();
                last = seen.iter().copied().fold(last, i64::max);
            }
            Err(error) => {
                if !std::mem::replace(&mut away, true) {
                    log::warn!("changes in the database cannot be followed: {error}");
                }
            }
        }
        if look % SWEEP == 0 {
            // What is not swept now is swept later.
            drop(store.prune_changes(KEEP).await);
        }
    }
}
