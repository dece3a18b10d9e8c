//! Makes new snapshots: when the file is read again, and when deployments of the database change.

use super::{Directory, PrepareError, RuntimeHandle, Snapshot};
use crate::config::{self, Config, ConfigError, Place, Plan};
use crate::store::{Doc, MODELS, Query, Store, StoreError};
use crate::upstream::{Upstreams, callable};
use arc_swap::ArcSwapOption;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::{Mutex, Notify};

/// Rows fetched at a time.
const PAGE: u32 = 500;
/// When the rows cannot be read, they are asked for again after so long.
const AGAIN: Duration = Duration::from_secs(1);

/// Keeps what the present snapshot was made of.
pub struct Reloader {
    store: Store,
    upstreams: Arc<Upstreams>,
    directory: Arc<Directory>,
    runtime: Arc<RuntimeHandle>,
    hooks: Hooks,
    made_of: Mutex<MadeOf>,
    changed: Notify,
    refused: ArcSwapOption<RefusedFile>,
}

/// Reads the file and the environment again, and compiles them. It may block.
pub type Source = Arc<dyn Fn() -> Result<Config, Vec<ConfigError>> + Send + Sync>;

/// What a reloader needs of others.
pub struct Hooks {
    /// Where configurations come from.
    pub source: Source,
    /// Told of each snapshot before it is used.
    pub published: Box<dyn Fn(&Snapshot) + Send + Sync>,
    /// Told of each try to read the file again: how long it took, and whether it is in use.
    pub reloaded: Box<dyn Fn(Duration, bool) + Send + Sync>,
}

/// What reading the file again did, or would do.
#[derive(Debug)]
pub struct Reloaded {
    /// What changed.
    pub plan: Plan,
    /// The generation that is in use.
    pub generation: u64,
}

/// A file that was refused; the configuration before it is in use.
#[derive(Debug)]
pub struct RefusedFile {
    /// What is wrong with it.
    pub faults: Vec<ConfigError>,
    /// When it was read.
    pub at: SystemTime,
}

/// The file without the database's deployments, and those.
struct MadeOf {
    file: Config,
    rows: Vec<(String, Doc)>,
}

/// Why there is no new snapshot; the old one stays.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The configuration cannot be made ready.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The database's deployments cannot be read.
    #[error(transparent)]
    Database(#[from] StoreError),
}

impl Reloader {
    /// Makes the first snapshot. While the database is away its deployments are not served, and
    /// [`Reloader::follow`] asks for them again.
    ///
    /// # Errors
    /// [`PrepareError`] if the file's own deployments cannot be called.
    pub async fn start(
        file: Config,
        store: Store,
        upstreams: Arc<Upstreams>,
        directory: Arc<Directory>,
        hooks: Hooks,
    ) -> Result<Self, PrepareError> {
        let changed = Notify::new();
        let rows = rows(&store, &file).await.unwrap_or_else(|error| {
            log::error!("the deployments of the database are not served until it is back: {error}");
            changed.notify_one();
            Vec::new()
        });
        let snapshot = prepare(&file, &rows, (&upstreams, &directory), 1).await?;
        (hooks.published)(&snapshot);
        let runtime = Arc::new(RuntimeHandle::new(snapshot));
        let made_of = Mutex::new(MadeOf { file, rows });
        let refused = ArcSwapOption::empty();
        Ok(Self { store, upstreams, directory, runtime, hooks, made_of, changed, refused })
    }

    /// Where the present snapshot is held.
    #[must_use]
    pub fn runtime(&self) -> Arc<RuntimeHandle> {
        Arc::clone(&self.runtime)
    }

    /// Reads the file again and serves what it says from now on. Requests under way end with what they began with.
    ///
    /// # Errors
    /// All that is wrong with it; then nothing has changed.
    pub async fn reload(&self) -> Result<Reloaded, Vec<ConfigError>> {
        let began = Instant::now();
        // Read under the lock: what is read last is what is served.
        let mut made_of = self.made_of.lock().await;
        let reloaded = match self.read().await {
            Ok(file) => self.adopt(&mut made_of, file).await.map_err(|error| vec![unplaced(&error)]),
            Err(faults) => Err(faults),
        };
        match &reloaded {
            Ok(Reloaded { plan, generation }) => {
                log::info!("configuration {generation} is in use: {}", plan.summary());
                self.refused.store(None);
            }
            Err(faults) => {
                let lines: Vec<String> = faults.iter().map(|fault| format!("  {fault}")).collect();
                log::error!("the configuration was not reloaded, the old one stays:\n{}", lines.join("\n"));
                let refused = RefusedFile { faults: faults.clone(), at: SystemTime::now() };
                self.refused.store(Some(Arc::new(refused)));
            }
        }
        (self.hooks.reloaded)(began.elapsed(), reloaded.is_ok());
        reloaded
    }

    /// Says what [`Reloader::reload`] would do now.
    ///
    /// # Errors
    /// All that is wrong with the file.
    pub async fn plan(&self) -> Result<Reloaded, Vec<ConfigError>> {
        let made_of = self.made_of.lock().await;
        let file = self.read().await?;
        let uncallable = file.targets.iter().filter_map(|target| callable(target).err());
        let faults: Vec<ConfigError> = uncallable.map(|fault| unplaced(&fault)).collect();
        if !faults.is_empty() {
            return Err(faults);
        }
        let plan = config::diff(&made_of.file, &file);
        Ok(Reloaded { plan, generation: self.runtime.load().generation })
    }

    /// The file that was refused last, unless one was taken since.
    #[must_use]
    pub fn refused(&self) -> Option<Arc<RefusedFile>> {
        self.refused.load_full()
    }

    async fn read(&self) -> Result<Config, Vec<ConfigError>> {
        let source = Arc::clone(&self.hooks.source);
        let read = tokio::task::spawn_blocking(move || source()).await;
        read.unwrap_or_else(|error| Err(vec![unplaced(&error)]))
    }

    async fn adopt(&self, made_of: &mut MadeOf, file: Config) -> Result<Reloaded, ReloadError> {
        let plan = config::diff(&made_of.file, &file);
        let rows = match rows(&self.store, &file).await {
            Ok(rows) => rows,
            Err(error) => {
                log::warn!("the deployments of the database stay as they were: {error}");
                made_of.rows.clone()
            }
        };
        let generation = self.swap(made_of, MadeOf { file, rows }).await?;
        Ok(Reloaded { plan, generation })
    }

    /// Serves the deployments that the database has now.
    ///
    /// # Errors
    /// [`ReloadError`].
    pub async fn models(&self) -> Result<(), ReloadError> {
        let mut made_of = self.made_of.lock().await;
        let rows = rows(&self.store, &made_of.file).await?;
        if rows == made_of.rows {
            return Ok(());
        }
        let file = made_of.file.clone();
        let generation = self.swap(&mut made_of, MadeOf { file, rows }).await?;
        log::info!("configuration {generation} is in use: deployments of the database changed");
        Ok(())
    }

    async fn swap(&self, made_of: &mut MadeOf, new: MadeOf) -> Result<u64, ReloadError> {
        let present = self.runtime.load();
        let generation = present.generation + 1;
        let snapshot = prepare(&new.file, &new.rows, (&self.upstreams, &self.directory), generation).await?;
        snapshot.take_over(&present);
        (self.hooks.published)(&snapshot);
        self.runtime.swap(snapshot);
        *made_of = new;
        Ok(generation)
    }

    /// Says that deployments of the database may have changed; [`Reloader::follow`] looks.
    pub fn models_may_have_changed(&self) {
        self.changed.notify_one();
    }

    /// Follows [`Reloader::models_may_have_changed`] for ever.
    pub async fn follow(&self) {
        loop {
            self.changed.notified().await;
            if let Err(error) = self.models().await {
                log::warn!("the deployments of the database stay as they were: {error}");
                tokio::time::sleep(AGAIN).await;
                self.changed.notify_one();
            }
        }
    }
}

fn unplaced(fault: &dyn std::fmt::Display) -> ConfigError {
    ConfigError::new(Place::default(), fault.to_string())
}

async fn rows(store: &Store, file: &Config) -> Result<Vec<(String, Doc)>, StoreError> {
    let mut rows = Vec::new();
    if !file.stored.is_on {
        return Ok(rows);
    }
    loop {
        let offset = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        let page = store.list(&MODELS, &Query { limit: PAGE, offset, ..Query::default() }).await?.rows;
        let last = page.len() < PAGE as usize;
        rows.extend(page);
        if last {
            return Ok(rows);
        }
    }
}

/// A deployment of the database that cannot be called is left out; one of the file is an error.
async fn prepare(
    file: &Config,
    rows: &[(String, Doc)],
    (upstreams, directory): (&Upstreams, &Directory),
    generation: u64,
) -> Result<Snapshot, PrepareError> {
    let mut config = file.clone();
    for fault in file.stored.add(rows, &mut config.targets) {
        log::error!("a deployment of the database is not served: {fault}");
    }
    loop {
        match Snapshot::prepare(config.clone(), upstreams, directory, generation).await {
            Err(PrepareError::Deployment(fault)) => {
                let bad = config.targets.iter().position(|t| t.info.is_stored && t.id == *fault.id());
                let Some(at) = bad else { return Err(PrepareError::Deployment(fault)) };
                log::error!("a deployment of the database is not served: {fault}");
                config.targets.remove(at);
            }
            prepared => return prepared,
        }
    }
}
