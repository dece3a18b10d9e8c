//! `kill -9` at random moments under load: every answer that a client saw whole is in the books, once.

use crate::harness::{CHAT, Config, Gateway, Launch, MODEL, chat, eventually, request, streamed};
use crate::support::{run, tollgate};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tollgate::simulator::{Script, Simulator};
use tollgate::store::{CallQuery, DatabaseSettings, MOST_CALLS, Store};

const KILLS: usize = 20;
const CLIENTS: usize = 8;

/// A group with prices.
pub(crate) fn priced(base: &str) -> Config {
    let prices = json!({ "input_cost_per_token": 1.078e-6, "output_cost_per_token": 3.774e-6 });
    Config::new().entry(json!({
        "model_name": MODEL,
        "litellm_params": { "model": format!("openai/{MODEL}"), "api_base": base, "api_key": "k" },
        "model_info": prices,
    }))
}

/// Calls one after the other, under ids of their own, until told to stop.
#[derive(Default)]
pub(crate) struct Clients {
    /// The ids of the calls whose answers came whole.
    pub(crate) answered: Mutex<Vec<String>>,
    /// How many calls were answered with an error.
    pub(crate) refused: AtomicUsize,
    /// Times to whole answers, in microseconds.
    pub(crate) took: Mutex<Vec<u64>>,
    /// What they ask; if `None`, plain calls and streams in turn.
    pub(crate) body: Option<Value>,
    /// The time between two calls of one client, if they do not follow at once.
    pub(crate) pace: Option<Duration>,
    pub(crate) begun: AtomicUsize,
}

/// A key with limits and budgets that nobody reaches.
pub(crate) async fn limited_key(gateway: &Gateway) -> String {
    let user =
        json!({ "user_id": "u", "max_budget": 1000, "rpm_limit": 10_000_000, "auto_create_key": false });
    assert_eq!(gateway.post("/user/new", &user).await.status(), 200);
    let key = json!({ "user_id": "u", "max_budget": 1000, "rpm_limit": 10_000_000, "tpm_limit": 1_000_000_000,
        "max_parallel_requests": 1000 });
    let made = gateway.post("/key/generate", &key).await;
    assert_eq!(made.status(), 200, "{}", made.text());
    format!("Bearer {}", made.json()["key"].as_str().unwrap())
}

impl Clients {
    /// Calls until the gateway is gone.
    pub(crate) async fn call(self: Arc<Self>, address: SocketAddr, bearer: String) {
        let mut turns = self.pace.map(tokio::time::interval);
        loop {
            if let Some(turns) = &mut turns {
                turns.tick().await;
            }
            let number = self.begun.fetch_add(1, Ordering::Relaxed);
            let id = format!("crash-{number}");
            let body = match &self.body {
                Some(body) => body.clone(),
                None if number.is_multiple_of(2) => chat(),
                None => streamed(),
            };
            let headers = [
                ("authorization", bearer.as_str()),
                ("x-litellm-call-id", id.as_str()),
                ("connection", "close"),
            ];
            let bytes = request("POST", CHAT, &headers, body.to_string().as_bytes());
            let began = Instant::now();
            match whole_answer(address, &bytes).await {
                Some(Seen::Whole) => {
                    let took = u64::try_from(began.elapsed().as_micros()).unwrap();
                    self.took.lock().unwrap().push(took);
                    self.answered.lock().unwrap().push(id);
                }
                Some(Seen::Refused) => drop(self.refused.fetch_add(1, Ordering::Relaxed)),
                Some(Seen::Part) => {}
                None => return,
            }
        }
    }

    /// The 99th percentile of the times since the last time this was asked, in microseconds.
    pub(crate) fn p99(&self) -> u64 {
        let mut took = std::mem::take(&mut *self.took.lock().unwrap());
        took.sort_unstable();
        took.get(took.len() * 99 / 100).copied().unwrap_or_default()
    }

    pub(crate) fn count(&self) -> usize {
        self.answered.lock().unwrap().len()
    }
}

/// What a client saw of an answer.
enum Seen {
    Whole,
    Part,
    Refused,
}

/// What came of an answer; `None` if nothing listens.
async fn whole_answer(address: SocketAddr, bytes: &[u8]) -> Option<Seen> {
    let mut socket = TcpStream::connect(address).await.ok()?;
    let mut answer = Vec::new();
    let talk = async {
        socket.write_all(bytes).await?;
        socket.read_to_end(&mut answer).await
    };
    // A broken connection leaves what had come by then.
    drop(talk.await);
    let text = String::from_utf8_lossy(&answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return Some(Seen::Part) };
    if !head.starts_with("HTTP/1.1 200 ") {
        return Some(Seen::Refused);
    }
    let lower = head.to_ascii_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    let is_whole = length.map_or_else(|| body.contains("data: [DONE]"), |length| length == body.len());
    Some(if is_whole { Seen::Whole } else { Seen::Part })
}

/// How often each call is in the books.
pub(crate) async fn booked(store: &Store) -> HashMap<String, usize> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    let mut found = HashMap::new();
    let mut to = u64::try_from(now).unwrap();
    // Half a second a page, and further back than the longest of these tests takes.
    for _ in 0..600 {
        let from = to - 500;
        let page =
            CallQuery { from_ms: Some(from), to_ms: Some(to), limit: MOST_CALLS, ..CallQuery::default() };
        let rows = store.calls(&page).await.unwrap();
        assert!(rows.len() < 10_000, "too many for a page");
        rows.into_iter().for_each(|row| *found.entry(row.call_id).or_default() += 1);
        to = from;
    }
    found
}

/// Every answered call is there once, nothing is there twice, and the sums are those of the records.
pub(crate) async fn nothing_is_lost(store: &Store, answered: &[String]) {
    let booked = booked(store).await;
    let missing: Vec<&String> = answered.iter().filter(|id| !booked.contains_key(*id)).collect();
    assert!(
        missing.is_empty(),
        "{} of {} calls are lost: {:?}",
        missing.len(),
        answered.len(),
        missing.first()
    );
    assert!(booked.values().all(|&times| times == 1), "a call is booked twice");
    assert_eq!(answered.iter().collect::<HashSet<_>>().len(), answered.len());
    let verified = store.verify_usage(true, None).await.unwrap();
    assert!(verified.differences.is_empty(), "{:?}", verified.differences);
    assert!(verified.cost.pico() > 0 && verified.days > 0);
}

fn launch(config: &Config, data: &Path) -> Launch {
    Launch::of(config).argument("--data-dir").argument(data.to_str().unwrap())
}

/// How it is killed.
struct Kills {
    clients: usize,
    pace: Option<Duration>,
    /// Answers between two kills, at random.
    answers: std::ops::Range<usize>,
}

#[tokio::test]
async fn what_a_client_saw_whole_is_booked_once_whenever_the_process_is_killed() {
    killed(Kills { clients: CLIENTS, pace: None, answers: 1..200 }).await;
}

/// A thousand calls a second and more, on a machine that can, of the gateway that `TOLLGATE_TEST_BIN` names:
/// `cargo test --test it slow_killed -- --ignored --nocapture`.
///
/// Measured on 21 November 2026 with an optimised gateway on four cores: 20 kills, 41,728 answers, 1,401 a second.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "long"]
async fn slow_killed_at_a_thousand_a_second() {
    killed(Kills { clients: 140, pace: Some(Duration::from_millis(100)), answers: 1..4000 }).await;
}

/// Kills a gateway at some moment of its calls; how long it was loaded.
async fn kill_under_load(
    kills: &Kills,
    clients: &Arc<Clients>,
    gateway: &mut Gateway,
    key: &str,
) -> Duration {
    let began = Instant::now();
    let calls: Vec<_> = (0..kills.clients)
        .map(|_| tokio::spawn(Arc::clone(clients).call(gateway.address, key.to_owned())))
        .collect();
    let enough = clients.count() + fastrand::usize(kills.answers.clone());
    eventually("some answers", async || (clients.count() >= enough).then_some(())).await;
    tokio::time::sleep(Duration::from_micros(fastrand::u64(0..5000))).await;
    gateway.signal("KILL");
    let loaded = began.elapsed();
    gateway.ended().await;
    for call in calls {
        call.await.unwrap();
    }
    loaded
}

async fn killed(kills: Kills) {
    let simulator =
        Simulator::start_thread(SocketAddr::from(([127, 0, 0, 1], 0)), Script::default()).unwrap();
    let config = priced(&simulator.base_url());
    let data = TempDir::new().unwrap();
    let clients = Arc::new(Clients { pace: kills.pace, ..Clients::default() });
    let mut key = None;
    let mut loaded = Duration::ZERO;
    for _ in 0..KILLS {
        let mut gateway = launch(&config, data.path()).start().await;
        let key = match &mut key {
            Some(key) => String::clone(key),
            None => String::clone(key.insert(limited_key(&gateway).await)),
        };
        loaded += kill_under_load(&kills, &clients, &mut gateway, &key).await;
    }
    let mut gateway = launch(&config, data.path()).start().await;
    gateway.metric_is("tollgate_ledger_waiting_bytes", &[], 0.0).await;
    gateway.signal("TERM");
    gateway.ended().await;
    let store = Store::connect(&DatabaseSettings::sqlite(data.path().join("tollgate.db"))).unwrap();
    let answered = clients.answered.lock().unwrap().clone();
    assert_eq!(clients.refused.load(Ordering::Relaxed), 0, "a call was refused");
    nothing_is_lost(&store, &answered).await;
    let rate = answered.len() as f64 / loaded.as_secs_f64();
    eprintln!(
        "{KILLS} kills, {} answers, {rate:.0} a second: nothing is lost, nothing is there twice",
        answered.len()
    );
    let mut command = tollgate(gateway.folder());
    command
        .args(["ledger", "verify", "--config"])
        .arg(gateway.config_file())
        .arg("--data-dir")
        .arg(data.path());
    let verified = run(command).await;
    assert!(verified.code == 0 && verified.stdout.contains("the books agree"), "{}", verified.stdout);
    let left = std::fs::read_dir(data.path().join("journal/0")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["lock"], "an orderly end leaves an empty journal");
}
