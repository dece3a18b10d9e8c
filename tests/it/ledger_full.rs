//! Disks that fill up under load: what is promised is kept, and the rest is refused in time. A small file system of its own
//! takes root; without it these tests are left out.

use crate::harness::{Gateway, Launch, PATIENCE, chat, eventually, with};
use crate::ledger_away::Postgres;
use crate::ledger_crash::{Clients, limited_key, nothing_is_lost, priced};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tollgate::simulator::{Script, Simulator};
use tollgate::store::{DatabaseSettings, Store};

/// A disk of so many MiB.
struct Disk(TempDir);

impl Disk {
    fn of(mib: u32) -> Option<Self> {
        let folder = TempDir::with_prefix("tollgate-disk-").unwrap();
        let size = format!("size={mib}m");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tollgate-test"]).arg(folder.path());
        if mount.output().is_ok_and(|mounted| mounted.status.success()) {
            return Some(Self(folder));
        }
        eprintln!("no file system can be mounted here: left out");
        None
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(self.0.path()).status());
    }
}

/// Calls whose records are twenty times as large as others.
fn large() -> Value {
    let tags: Vec<String> = (0..32).map(|n| format!("{n:0>200}")).collect();
    with(chat(), json!({ "metadata": { "tags": tags } }))
}

fn launch(simulator: &Simulator, disk: &Disk) -> Launch {
    let config = priced(&simulator.base_url()).set("tollgate", json!({ "journal": { "max_mb": 1 } }));
    Launch::of(&config)
        .argument("--workers")
        .argument("1")
        .argument("--data-dir")
        .argument(disk.path().to_str().unwrap())
}

/// Calls until the journal has no room, and then some that are refused.
async fn fill(gateway: &Gateway, clients: &Clients) {
    gateway.metric_is("tollgate_ledger_has_room", &[], 0.0).await;
    let before = clients.refused.load(Ordering::Relaxed);
    eventually("calls are refused", async || {
        (clients.refused.load(Ordering::Relaxed) > before + 10).then_some(())
    })
    .await;
    let refused = gateway.post(crate::harness::CHAT, &chat()).await;
    assert_eq!(
        (refused.status(), refused.json()["error"]["type"].is_string()),
        (503, true),
        "{}",
        refused.text()
    );
    assert_eq!(gateway.metric("tollgate_ledger_lost_records", &[]).await, 0.0);
}

/// Waits until all is booked and calls are answered again.
async fn recovers(gateway: &Gateway, clients: &Clients) {
    let deadline = Instant::now() + 3 * PATIENCE;
    while gateway.metric("tollgate_ledger_has_room", &[]).await < 1.0 {
        assert!(Instant::now() < deadline, "no room:\n{}", gateway.output());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let before = clients.count();
    eventually("calls are answered again", async || (clients.count() > before + 20).then_some(())).await;
    assert_eq!(gateway.metric("tollgate_ledger_lost_records", &[]).await, 0.0);
}

async fn end(mut gateway: Gateway, again: Launch, calls: Vec<tokio::task::JoinHandle<()>>) -> Gateway {
    gateway.signal("TERM");
    gateway.ended().await;
    for call in calls {
        call.await.unwrap();
    }
    let gateway = again.start().await;
    gateway.metric_is("tollgate_ledger_waiting_bytes", &[], 0.0).await;
    gateway
}

fn simulator() -> Simulator {
    Simulator::start_thread(([127, 0, 0, 1], 0).into(), Script::default()).unwrap()
}

#[tokio::test]
async fn a_server_that_is_away_for_longer_than_the_journal_can_hold() {
    let (Some(disk), Some(mut postgres)) =
        (Disk::of(6), tokio::task::spawn_blocking(Postgres::start).await.unwrap())
    else {
        return;
    };
    postgres.is_there().await;
    let simulator = simulator();
    let launch = launch(&simulator, &disk).variable("DATABASE_URL", &postgres.url());
    let gateway = launch.clone().start().await;
    let key = limited_key(&gateway).await;
    let clients = Arc::new(Clients { body: Some(large()), ..Clients::default() });
    let calls: Vec<_> =
        (0..4).map(|_| tokio::spawn(Arc::clone(&clients).call(gateway.address, key.clone()))).collect();
    eventually("some answers", async || (clients.count() >= 20).then_some(())).await;
    assert_eq!(clients.refused.load(Ordering::Relaxed), 0);
    postgres.stop();
    fill(&gateway, &clients).await;
    eventually("an alarm", async || gateway.output().contains("wait for the database").then_some(())).await;
    postgres.go_on();
    let store = postgres.is_there().await;
    recovers(&gateway, &clients).await;
    let _gateway = end(gateway, launch, calls).await;
    let answered = clients.answered.lock().unwrap().clone();
    nothing_is_lost(&store, &answered).await;
}

#[tokio::test]
async fn a_file_on_a_disk_that_fills_up() {
    let Some(disk) = Disk::of(48) else { return };
    let simulator = simulator();
    let launch = launch(&simulator, &disk);
    let gateway = launch.clone().start().await;
    let key = limited_key(&gateway).await;
    let clients = Arc::new(Clients { body: Some(large()), ..Clients::default() });
    let calls: Vec<_> =
        (0..4).map(|_| tokio::spawn(Arc::clone(&clients).call(gateway.address, key.clone()))).collect();
    eventually("some answers", async || (clients.count() >= 20).then_some(())).await;
    // Somebody else takes what is left.
    let filler = disk.path().join("filler");
    let free = rustix::fs::statvfs(disk.path()).unwrap();
    let zeros = vec![0; usize::try_from(free.f_bavail * free.f_frsize).unwrap()];
    drop(std::fs::write(&filler, zeros));
    fill(&gateway, &clients).await;
    eventually("the file cannot grow", async || {
        (gateway.metric("tollgate_ledger_failed_writes", &[]).await > 0.0).then_some(())
    })
    .await;
    std::fs::remove_file(&filler).unwrap();
    recovers(&gateway, &clients).await;
    let mut gateway = end(gateway, launch, calls).await;
    gateway.signal("TERM");
    gateway.ended().await;
    let answered = clients.answered.lock().unwrap().clone();
    let store = Store::connect(&DatabaseSettings::sqlite(disk.path().join("tollgate.db"))).unwrap();
    nothing_is_lost(&store, &answered).await;
    store.close().await;
}
