//! Several processes' counters in one, on the Redis that `TOLLGATE_TEST_REDIS_URL` names.

use super::link::Names;
use super::{Hears, OnLoss, Prepared, Settings, Shared};
use crate::domain::{BudgetTerms, CounterId, Money, RateTerms, Scope, unix_ms};
use crate::limits::{
    Ask, Descriptor, Expected, Gate, Manner, Meters, Permit, Purse, Refusal, Refuses, Zone, admit, wants,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

const ASK: Ask = Ask { tokens: 10, cost: Expected::About(Money::from_pico(10)), manner: Manner::Waits };

fn settings() -> Option<Settings> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let Ok(url) = std::env::var("TOLLGATE_TEST_REDIS_URL") else {
        eprintln!("TOLLGATE_TEST_REDIS_URL is not set: Redis is left out");
        return None;
    };
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let namespace = format!("test-{}-{number}", std::process::id());
    let patience = Duration::from_secs(10);
    Some(Settings { namespace, patience, ..Settings::from_url(&url).unwrap() })
}

/// One of several that share.
struct Process {
    shared: Shared,
    meters: Arc<Meters>,
}

fn now() -> i64 {
    unix_ms(SystemTime::now())
}

impl Process {
    async fn start(settings: &Settings) -> Self {
        let prepared = Prepared::new(settings.clone());
        let meters = Arc::new(Meters::new(60_000, 1000).shared(prepared.sharing()));
        let shared = prepared.start(Arc::clone(&meters), Hears::new(|_| {})).await;
        Self { shared, meters }
    }

    fn gate(&self, rates: RateTerms, max: Option<i64>) -> Arc<Gate> {
        let id = CounterId { scope: Scope::Key, id: "k".into(), slot: "".into() };
        let terms = BudgetTerms { max: max.map(Money::from_pico), ..BudgetTerms::default() };
        let purse = Purse::new(self.meters.account(&id, now()), terms, Refuses::AtMax, Zone::UTC);
        let window = self.meters.window(&id, now());
        Arc::new(Gate::new(Descriptor::ApiKey, "k".into()).limited(window, rates).charged(purse))
    }

    async fn take(&self, gate: &Arc<Gate>) -> Result<Permit, Refusal> {
        loop {
            match admit(now(), [gate], ASK) {
                Err(Refusal::Unknown) => self.shared.lend(wants(now(), [gate], ASK)).await,
                known => return known,
            }
        }
    }
}

/// So many calls over all processes at once that end at once; how many passed.
async fn passed(processes: &[Process], gates: &[Arc<Gate>], calls: usize) -> u64 {
    let calls = (0..calls).map(|n| async move {
        let at = n % processes.len();
        match processes[at].take(&gates[at]).await {
            Ok(permit) => {
                drop(permit.settle(10, Money::from_pico(10)));
                1
            }
            Err(_) => 0,
        }
    });
    futures::future::join_all(calls).await.iter().sum()
}

/// What passes until nothing does.
async fn all_that_passes(processes: &[Process], gates: &[Arc<Gate>]) -> u64 {
    let (mut all, mut nothing) = (0, 0);
    while nothing < 20 {
        let more = passed(processes, gates, 30).await;
        all += more;
        nothing = if more == 0 { nothing + 1 } else { 0 };
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    all
}

async fn three(settings: &Settings) -> Vec<Process> {
    futures::future::join_all((0..3).map(|_| Process::start(settings))).await
}

fn gates(processes: &[Process], rates: RateTerms, max: Option<i64>) -> Vec<Arc<Gate>> {
    processes.iter().map(|process| process.gate(rates, max)).collect()
}

const NO_RATES: RateTerms = RateTerms { rpm: None, tpm: None, parallel: None };

#[tokio::test]
async fn limits_hold_for_all_to_the_last_call() {
    for (rates, max) in [
        (RateTerms { rpm: Some(100), ..NO_RATES }, None),
        (RateTerms { tpm: Some(1000), ..NO_RATES }, None),
        (NO_RATES, Some(1000)),
    ] {
        let Some(settings) = settings() else { return };
        let processes = three(&settings).await;
        let gates = gates(&processes, rates, max);
        assert_eq!(all_that_passes(&processes, &gates).await, 100, "{rates:?} {max:?}");
    }
}

#[tokio::test]
async fn one_process_can_have_all() {
    let Some(settings) = settings() else { return };
    let processes = three(&settings).await;
    let gates = gates(&processes, RateTerms { rpm: Some(100), ..NO_RATES }, None);
    assert_eq!(passed(&processes[..1], &gates[..1], 150).await, 100);
    let waits = processes[0].shared.stats().waits;
    let exchanged = processes[0].shared.stats().exchanged;
    assert!(waits <= 150 && exchanged <= 20, "{waits} {exchanged}: the questions of all calls go together");
}

#[tokio::test]
async fn slots_are_held_by_one_and_come_back() {
    let Some(settings) = settings() else { return };
    let processes = three(&settings).await;
    let gates = gates(&processes, RateTerms { parallel: Some(2), ..NO_RATES }, None);
    let first = processes[0].take(&gates[0]).await.unwrap();
    let _second = processes[1].take(&gates[1]).await.unwrap();
    let eventually = async |at: usize, passes: bool| {
        for _ in 0..500 {
            let taken = processes[at].take(&gates[at]).await;
            if taken.is_ok() == passes {
                return taken;
            }
            drop(taken);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never: {passes}");
    };
    assert!(eventually(2, false).await.is_err());
    drop(first);
    let _third = eventually(2, true).await.unwrap();
    assert!(eventually(0, false).await.is_err());
    // One process is lost with its slot.
    let client = settings.client().unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let live = Names::new(&settings.namespace, "").live().to_owned();
    let window = format!("{{{}}}:w:key:k:", settings.namespace);
    let held: Vec<String> = redis::cmd("HKEYS").arg(&window).query_async(&mut redis).await.unwrap();
    let lost = held.iter().find_map(|field| field.strip_prefix("p:")).unwrap();
    let _: i64 = redis::cmd("ZADD").arg(&live).arg(1).arg(lost).query_async(&mut redis).await.unwrap();
    let free = futures::future::select_all((0..3).map(|at| Box::pin(eventually(at, true)))).await.0;
    assert!(free.is_ok());
}

#[tokio::test]
async fn what_is_not_used_comes_back() {
    let Some(settings) = settings() else { return };
    let processes = three(&settings).await;
    let gates = gates(&processes, RateTerms { rpm: Some(10), ..NO_RATES }, Some(1000));
    // One asks so often that it is given more than it needs, and stops.
    assert!(
        passed(&processes[..1], &gates[..1], 1).await + passed(&processes[..1], &gates[..1], 2).await == 3
    );
    for _ in 0..500 {
        if passed(&processes[1..2], &gates[1..2], 1).await == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        if all_that_passes(&processes[1..], &gates[1..]).await == 0 {
            break;
        }
    }
    let used: u64 = gates.iter().map(|gate| gate.rates().unwrap().0.report(now(), true).used.requests).sum();
    assert_eq!(used, 10);
}

#[tokio::test]
async fn an_emptied_redis_learns_the_window_that_runs() {
    let Some(settings) = settings() else { return };
    let processes = three(&settings).await;
    let gates = gates(&processes, RateTerms { rpm: Some(100), ..NO_RATES }, None);
    assert_eq!(passed(&processes, &gates, 60).await, 60);
    let client = settings.client().unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let window = format!("{{{}}}:w:key:k:", settings.namespace);
    let _: i64 = redis::cmd("DEL").arg(&window).query_async(&mut redis).await.unwrap();
    // Each tells what it has counted with its next question.
    assert!(all_that_passes(&processes, &gates).await <= 40 + 40, "at least one third was told at once");
    let fields: Vec<(String, u64)> =
        redis::cmd("HGETALL").arg(&window).query_async(&mut redis).await.unwrap();
    let told: u64 = fields.iter().filter(|(name, _)| name.starts_with("r:")).map(|(_, part)| part).sum();
    assert!(told >= 100, "{fields:?}");
}

#[tokio::test]
async fn without_redis_each_decides_alone_or_nobody_passes() {
    let nowhere = |on_loss| Settings { port: 1, on_loss, ..Settings::at("127.0.0.1") };
    let process = Process::start(&nowhere(OnLoss::Local)).await;
    let gate = process.gate(RateTerms { rpm: Some(2), ..NO_RATES }, None);
    let processes = [process];
    assert_eq!(passed(&processes, &[gate], 5).await, 2);
    let process = Process::start(&nowhere(OnLoss::Refuse)).await;
    let gate = process.gate(RateTerms { rpm: Some(2), ..NO_RATES }, None);
    assert_eq!(process.take(&gate).await.unwrap_err(), Refusal::Closed);
    assert!(process.take(&process.gate(NO_RATES, None)).await.is_ok(), "who has no limit passes");
    assert_eq!((process.shared.stats().is_up, process.shared.stats().losses), (false, 1));
}

#[tokio::test]
async fn leaving_gives_all_back() {
    let Some(settings) = settings() else { return };
    let processes = three(&settings).await;
    let gates = gates(&processes, RateTerms { parallel: Some(1), ..NO_RATES }, None);
    let _held = processes[0].take(&gates[0]).await.unwrap();
    processes[0].shared.leave().await;
    assert!(processes[1].take(&gates[1]).await.is_ok());
}
