//! The ledger as a whole, with the database there, away, full and back.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use super::codec::tests::plain;
use super::journal::{Found, Segment};
use super::*;
use crate::domain::{CallId, Charge, CounterId, RecordId, Scope};
use crate::store::tests::both;
use crate::store::{DatabaseSettings, Store};
use std::path::Path;
use std::time::SystemTime;
use tempfile::TempDir;

const ROWS: &str = "SELECT COUNT(*) FROM tollgate_usage";
const SPENT: &str = "SELECT spent FROM tollgate_spend WHERE scope = 'key'";
const PATIENCE: Duration = Duration::from_secs(20);
const COST: i64 = 33_964_000;

fn open(root: &Path, store: &Store, change: impl FnOnce(&mut LedgerSettings)) -> Ledger {
    let mut settings = LedgerSettings::new(root.join("journal"), 2);
    change(&mut settings);
    Ledger::open(settings, store.clone(), Arc::new(()), Handle::current()).unwrap()
}

/// A database that never answers.
fn away() -> Store {
    let mut settings = DatabaseSettings::postgres("postgresql://nobody@127.0.0.1:9/none").unwrap();
    settings.pool_timeout = Duration::from_millis(200);
    Store::connect(&settings).unwrap()
}

fn append(ledger: &Ledger, numbers: std::ops::Range<u128>) {
    numbers.for_each(|number| ledger.append(&plain(number)).unwrap());
}

async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// `close` waits; on a runtime of one thread nothing else would go on.
async fn close(ledger: Ledger, within: Duration) {
    tokio::task::spawn_blocking(move || ledger.close(within)).await.unwrap();
}

async fn is_booked(store: &Store, records: i64) {
    assert_eq!(store.number(ROWS).await, Some(records));
    assert_eq!(store.number(SPENT).await, Some(records * COST));
    assert_eq!(
        store.number("SELECT CAST(SUM(requests) AS BIGINT) FROM tollgate_usage_day").await,
        Some(records)
    );
}

fn segments(root: &Path) -> usize {
    let files = std::fs::read_dir(root.join("journal/0")).unwrap();
    files.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|end| end == "seg")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_appended_is_booked_and_the_folder_is_left_empty() {
    for (store, _folder) in both().await {
        let root = TempDir::new().unwrap();
        let ledger = open(root.path(), &store, |_| {});
        // More than a segment holds.
        append(&ledger, 0..5000);
        eventually("all is booked", async || ledger.stats().booked == 5000).await;
        append(&ledger, 5000..5010);
        close(ledger, PATIENCE).await;
        is_booked(&store, 5010).await;
        assert_eq!(segments(root.path()), 0);
        assert_eq!(store.number("SELECT COUNT(*) FROM tollgate_journal").await, Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_process_left_is_booked_once() {
    for (store, _folder) in both().await {
        let root = TempDir::new().unwrap();
        let first = open(root.path(), &away(), |_| {});
        // A second process on the same data folder, which ends before the first.
        let second = open(root.path(), &away(), |_| {});
        append(&second, 0..10);
        append(&first, 10..3010);
        close(second, Duration::ZERO).await;
        let stats = first.stats();
        assert_eq!((stats.appended, stats.booked, stats.lost), (3000, 0, 0));
        close(first, Duration::ZERO).await;
        // A copy, as if all had been booked and the files were still there.
        let copy = TempDir::new().unwrap();
        for number in ["0", "1"] {
            std::fs::create_dir_all(copy.path().join("journal").join(number)).unwrap();
            for file in std::fs::read_dir(root.path().join("journal").join(number)).unwrap() {
                let file = file.unwrap();
                std::fs::copy(file.path(), copy.path().join("journal").join(number).join(file.file_name()))
                    .unwrap();
            }
        }
        for root in [&root, &copy] {
            let ledger = open(root.path(), &store, |_| {});
            close(ledger, PATIENCE).await;
            is_booked(&store, 3010).await;
            assert_eq!(segments(root.path()), 0);
        }
        // Even when no row says that a record was booked.
        let without = open(copy.path(), &store, |settings| settings.rows = false);
        close(without, PATIENCE).await;
        is_booked(&store, 3010).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_leaves_is_taken_over_by_one_that_runs() {
    for (store, _folder) in both().await {
        let root = TempDir::new().unwrap();
        let soon = |settings: &mut LedgerSettings| settings.adopt_every = Duration::from_millis(1);
        let first = open(root.path(), &store, soon);
        append(&first, 0..10);
        let second = open(root.path(), &away(), |_| {});
        append(&second, 10..2510);
        eventually("its own is booked", async || first.stats().booked == 10).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(first.stats().booked, 10, "a process that lives keeps its own");
        close(second, Duration::ZERO).await;
        eventually("all is booked", async || first.stats().booked == 2510).await;
        close(first, PATIENCE).await;
        is_booked(&store, 2510).await;
        let mut left = std::fs::read_dir(root.path().join("journal/1")).unwrap();
        assert!(left.all(|file| file.unwrap().file_name() == "lock"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_before_it_loses_and_recovers() {
    let root = TempDir::new().unwrap();
    let (store, _folder) = both().await.swap_remove(0);
    store.limit_pages(1).await;
    let quota = |settings: &mut LedgerSettings| {
        settings.lanes = 1;
        settings.quota = 8 << 20;
        settings.alarm_bytes = 1 << 20;
    };
    let ledger = open(root.path(), &store, quota);
    let mut number = 0;
    while ledger.has_room() {
        append(&ledger, number..number + 100);
        number += 100;
        thread::sleep(Duration::from_millis(1));
        assert!(number < 100_000, "the disk is never full");
    }
    // Those under way still find room.
    append(&ledger, number..number + 2000);
    number += 2000;
    eventually("an alarm", async || ledger.stats().alarm).await;
    eventually("a batch meets the full disk", async || ledger.stats().failed_writes > 0).await;
    assert_eq!(ledger.stats().lost, 0);
    store.limit_pages(1 << 30).await;
    let booked = u64::try_from(number).unwrap();
    eventually("all is booked", async || ledger.stats().booked == booked).await;
    eventually("there is room again", async || ledger.has_room() && !ledger.stats().alarm).await;
    is_booked(&store, i64::try_from(number).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_even_the_reserve_is_used_up_the_loss_is_told() {
    let root = TempDir::new().unwrap();
    let tight = |settings: &mut LedgerSettings| {
        settings.lanes = 1;
        settings.quota = 3 << 20;
        settings.on_full = OnFull::Serve;
    };
    let ledger = open(root.path(), &away(), tight);
    let appended = (0..100_000).take_while(|number| ledger.append(&plain(*number)).is_ok()).count();
    assert!(appended > 3000, "{appended}");
    assert_eq!(ledger.stats().lost, 1);
    assert!(ledger.has_room(), "it is to serve all the same");
}

#[test]
fn a_segment_that_is_used_again_is_empty() {
    let folder = TempDir::new().unwrap();
    let space = Space::new(folder.path().to_owned(), 1, u64::MAX);
    let lane = Lane::default();
    let begun = Mutex::new(Vec::new());
    lane.append(&plain(1), &space, |segment| begun.lock().unwrap().push(segment)).unwrap();
    lane.seal();
    let segment: Segment = Arc::into_inner(begun.into_inner().unwrap().remove(0)).unwrap();
    let id = segment.id();
    space.give_back(segment);
    let found = Folders::lock(folder.path()).unwrap();
    assert!(found.left().unwrap().is_empty());
    let path = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|file| file.unwrap().path())
        .find(|path| path.is_file());
    let Found::Segment(again) = Segment::open(&path.unwrap()).unwrap() else { panic!("no segment") };
    assert_ne!(again.id(), id);
    assert_eq!(
        codec::Frames::new(again.id(), again.read(journal::HEAD, &mut Vec::new()).unwrap()).count(),
        0
    );
}

#[test]
fn a_file_that_was_never_finished_goes_and_a_foreign_one_is_kept() {
    let root = TempDir::new().unwrap();
    let folder = root.path().join("0");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("a.seg"), [0; 70_000]).unwrap();
    std::fs::write(folder.join("b.seg"), b"").unwrap();
    std::fs::write(folder.join("c.seg"), [7; 70_000]).unwrap();
    assert!(Folders::lock(root.path()).unwrap().left().unwrap().is_empty());
    let mut left: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["c.bad", "lock"]);
}

/// A call among those of a thousand keys, at ten a millisecond.
fn busy(number: u64) -> UsageRecord {
    let mut draw = fastrand::Rng::with_seed(number);
    let mut record = plain(number.into());
    let ms = 1_750_000_000_123 + number / 10;
    record.id = RecordId::new(ms, draw.u128(..));
    record.arrived = SystemTime::UNIX_EPOCH + Duration::from_millis(ms);
    record.call_id = CallId::new(&uuid::Builder::from_u128(draw.u128(..)).into_uuid().to_string());
    record.response_id = Some(Arc::from(format!("chatcmpl-{:032x}", draw.u128(..))));
    let who = draw.u64(..1000);
    let key = format!("{:064x}", u128::from(who + 1) << 96);
    let (user, team) = (format!("user-{who}"), format!("team-{}", who % 50));
    let charge = |scope, id: &str| Charge {
        counter: CounterId { scope, id: Arc::from(id), slot: Arc::from("") },
        period_end: 0,
    };
    let own = record.attribution.as_mut().unwrap();
    own.charges = vec![
        charge(Scope::Key, &key),
        charge(Scope::User, &user),
        charge(Scope::Team, &team),
        charge(Scope::Global, ""),
    ];
    own.tags = Vec::new();
    (own.user_id, own.team_id) = (Some(Arc::from(user)), Some(Arc::from(team)));
    record.key_hash = Some(Arc::from(key));
    record
}

/// Time of an append, and CPU time of the whole process for each record booked, at ten thousand a second.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: cargo test --release slow_cost -- --ignored --nocapture"]
async fn slow_cost_of_a_record() {
    const RECORDS: u64 = 100_000;
    let records: Vec<UsageRecord> = (0..RECORDS).map(busy).collect();
    for (store, _folder) in both().await {
        let root = TempDir::new().unwrap();
        let ledger = open(root.path(), &away(), |_| {});
        let began = Instant::now();
        records.iter().for_each(|record| ledger.append(record).unwrap());
        let append = began.elapsed();
        close(ledger, Duration::ZERO).await;
        let (cpu, began) = (cpu(), Instant::now());
        close(open(root.path(), &store, |_| {}), Duration::from_secs(100)).await;
        while store.index_calls().await.unwrap() {}
        let (cpu, booking) = (self::cpu() - cpu, began.elapsed());
        assert_eq!(store.number(ROWS).await, i64::try_from(RECORDS).ok());
        let each = |time: Duration| time / u32::try_from(RECORDS).unwrap();
        let kind = if store.is_file() { "SQLite" } else { "Postgres" };
        println!("{kind}: append {:?}, booking {:?} CPU, {:?}", each(append), each(cpu), each(booking));
    }
}

/// User and system time of this process.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let ticks = stat.rsplit_once(')').unwrap().1.split_whitespace().skip(11).take(2);
    Duration::from_millis(ticks.map(|ticks| ticks.parse::<u64>().unwrap()).sum::<u64>() * 10)
}
