//! Postgres goes away under load and comes back: calls go on, and nothing is lost.

use crate::harness::{Launch, eventually, free_address};
use crate::ledger_crash::{Clients, limited_key, nothing_is_lost, priced};
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tollgate::simulator::{Script, Simulator};
use tollgate::store::{DatabaseSettings, Store};

/// How long the database is away; `TOLLGATE_TEST_AWAY_SECONDS` says another.
fn away() -> Duration {
    let seconds = std::env::var("TOLLGATE_TEST_AWAY_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(4))
}

/// The folder of initdb and postgres, newest version first, as `tests/run` looks for it.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|entry| entry.unwrap().path().join("bin")).collect();
    folders.sort();
    folders.reverse();
    folders.extend(["/usr/local/bin", "/usr/bin"].map(PathBuf::from));
    folders.into_iter().find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
}

/// A server of this test alone.
pub(crate) struct Postgres {
    programs: PathBuf,
    folder: TempDir,
    address: SocketAddr,
    running: Option<Child>,
}

impl Postgres {
    pub(crate) fn start() -> Option<Self> {
        let folder = TempDir::with_prefix("tollgate-pg-").unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let mut server = Self { programs: programs()?, folder, address: free_address(), running: None };
        let made = server
            .command("initdb")
            .args(["-U", "tollgate", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        server.go_on();
        Some(server)
    }

    /// Postgres refuses to run as root.
    fn command(&self, program: &str) -> Command {
        let path = self.programs.join(program);
        let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
        let mut command = if is_root {
            let known = Command::new("id").arg("postgres").output().is_ok_and(|id| id.status.success());
            let user = if known { "postgres" } else { "nobody" };
            let mut command = Command::new("setpriv");
            command.args([&format!("--reuid={user}"), "--clear-groups"]).arg(path);
            command
        } else {
            Command::new(path)
        };
        let data: &Path = self.folder.path();
        command.arg("-D").arg(data.join("data")).current_dir(data).stdin(Stdio::null());
        command
    }

    pub(crate) fn go_on(&mut self) {
        let port = self.address.port().to_string();
        let child = self
            .command("postgres")
            .args(["-h", "127.0.0.1", "-p", &port, "-k", "", "-c", "fsync=off"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.running = Some(child.unwrap());
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn stop(&mut self) {
        let Some(mut child) = self.running.take() else { return };
        let pid = child.id().to_string();
        assert!(Command::new("kill").args(["-QUIT", &pid]).status().unwrap().success());
        child.wait().unwrap();
    }

    pub(crate) fn url(&self) -> String {
        format!("postgresql://tollgate@{}/postgres", self.address)
    }

    pub(crate) async fn is_there(&self) -> Store {
        eventually("Postgres answers", async || {
            let store = Store::connect(&DatabaseSettings::postgres(&self.url()).unwrap()).unwrap();
            store.ping().await.is_ok().then_some(store)
        })
        .await
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

#[tokio::test]
async fn a_database_that_goes_away_and_comes_back_misses_nothing() {
    let Some(mut postgres) = tokio::task::spawn_blocking(Postgres::start).await.unwrap() else {
        eprintln!("no Postgres on this machine: left out");
        return;
    };
    postgres.is_there().await;
    let simulator =
        Simulator::start_thread(SocketAddr::from(([127, 0, 0, 1], 0)), Script::default()).unwrap();
    let config = priced(&simulator.base_url());
    let data = TempDir::new().unwrap();
    let launch = Launch::of(&config).argument("--data-dir").argument(data.path().to_str().unwrap());
    let launch = launch.variable("DATABASE_URL", &postgres.url());
    let mut gateway = launch.clone().start().await;
    let clients = Arc::new(Clients::default());
    let key = limited_key(&gateway).await;
    let calls: Vec<_> =
        (0..2).map(|_| tokio::spawn(Arc::clone(&clients).call(gateway.address, key.clone()))).collect();
    gateway.metric_is("tollgate_ledger_has_room", &[], 1.0).await;
    eventually("some answers", async || (clients.count() >= 200).then_some(())).await;
    let usual = clients.p99();
    let ready = async || gateway.get("/health/readiness").await;
    assert_eq!(ready().await.json()["db"], "connected");
    postgres.stop();
    let before = clients.count();
    let stopped = Instant::now();
    tokio::time::sleep(away()).await;
    let during = clients.count() - before;
    let without = clients.p99();
    eprintln!("99 of 100 answers within {usual} us with the database, {without} us without");
    assert_eq!(clients.refused.load(Ordering::Relaxed), 0, "a known key was refused");
    assert!(during > 100, "only {during} answers while the database was away");
    eventually("readiness tells it, and stays 200", async || {
        let told = ready().await;
        assert_eq!(told.status(), 200);
        (told.json()["db"] == "Not connected").then_some(())
    })
    .await;
    eventually("the ledger is behind", async || {
        (gateway.metric("tollgate_ledger_lag_seconds", &[]).await > 1.0).then_some(())
    })
    .await;
    postgres.go_on();
    let store = postgres.is_there().await;
    let caught_up = eventually("the ledger catches up", async || {
        let lag = gateway.metric("tollgate_ledger_lag_seconds", &[]).await;
        (lag < 1.0).then_some(stopped.elapsed())
    })
    .await;
    assert!(caught_up < away() * 3 / 2 + Duration::from_secs(10), "{caught_up:?}");
    gateway.signal("TERM");
    gateway.ended().await;
    for call in calls {
        call.await.unwrap();
    }
    // What was called after the ledger was closed, in the moment before the end, is booked at the next start.
    let gateway = launch.start().await;
    gateway.metric_is("tollgate_ledger_waiting_bytes", &[], 0.0).await;
    let answered = clients.answered.lock().unwrap().clone();
    nothing_is_lost(&store, &answered).await;
}
