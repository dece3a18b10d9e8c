//! Three upstreams, two of which do the worst they can at any moment, and clients that must not notice more than that
//! a stream they were reading has broken.
//!
//! Twenty seconds at 200 calls a second; `CHAOS_SECONDS=600 CHAOS_RATE=500` for the long run, of a program that was built
//! for speed with `TOLLGATE_TEST_BIN`. At each moment one
//! upstream is well, not always the same; the next one is well before the last one may fail.

use crate::harness::{
    CHAT, Config, Connection, Gateway, Response, behaviour, chat, eventually, free_address, with,
};
use serde_json::json;
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tollgate::simulator::{Script, Simulator};

/// What an upstream that is not well does; `killed` and `deaf` are about its socket.
const FAULTS: [&str; 22] = [
    "killed",
    "killed",
    "deaf",
    "hang",
    "500",
    "500",
    "502",
    "503",
    "404",
    "401",
    "429",
    "429+retry-after=1",
    "notjson",
    "close",
    "reset",
    "wait=900",
    "cut=2",
    "rst=3",
    "stall=2",
    "error=1",
    "truncate=2",
    "cut=0",
];
const WELL: &str = "ok+chunks=6+gap=3";
/// No key or deployment is out for longer after it is well again.
const BENCHED: Duration = Duration::from_secs(2);

struct Upstream {
    address: SocketAddr,
    running: Option<Simulator>,
    deaf: Option<TcpListener>,
}

impl Upstream {
    fn new() -> Self {
        let mut upstream = Self { address: free_address(), running: None, deaf: None };
        upstream.start(WELL);
        upstream
    }

    fn start(&mut self, words: &str) {
        self.deaf = None;
        let script = Script { record: 0, ..Script::of(behaviour(words)) };
        match &self.running {
            Some(running) => running.set(script),
            None => self.running = Some(Simulator::start_thread(self.address, script).unwrap()),
        }
    }

    async fn become_so(&mut self, words: &str) {
        if matches!(words, "killed" | "deaf") {
            if let Some(running) = self.running.take() {
                running.stop().await;
            }
            self.deaf = None;
            self.deaf = (words == "deaf").then(|| TcpListener::bind(self.address).unwrap());
            return;
        }
        self.start(words);
    }
}

/// The clients: so many calls a second, whatever becomes of them, on connections that are kept while they may be.
struct Clients {
    gateway: Arc<Gateway>,
    bodies: [Vec<u8>; 4],
    idle: Mutex<Vec<Connection>>,
    /// Calls under way by the moment at which they began.
    under_way: Mutex<BTreeMap<(Instant, u64), ()>>,
    next: AtomicU64,
    whole: AtomicUsize,
    broken: AtomicUsize,
    failed: Mutex<Vec<String>>,
}

impl Clients {
    fn new(gateway: Arc<Gateway>) -> Self {
        let of = |model: &str, stream: bool| {
            gateway.post_bytes(CHAT, &with(chat(), json!({ "model": model, "stream": stream })))
        };
        let bodies = [of("m", false), of("m", true), of("spare", false), of("m", true)];
        Self {
            gateway,
            bodies,
            idle: Mutex::default(),
            under_way: Mutex::default(),
            next: AtomicU64::new(0),
            whole: AtomicUsize::new(0),
            broken: AtomicUsize::new(0),
            failed: Mutex::default(),
        }
    }

    async fn call(&self) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let call = (Instant::now(), number);
        self.under_way.lock().unwrap().insert(call, ());
        let idle = self.idle.lock().unwrap().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.gateway.connect().await,
        };
        connection.send(&self.bodies[usize::try_from(number % 4).unwrap()]).await;
        let response = connection.read_response().await;
        match verdict(&response) {
            Verdict::Whole => {
                self.whole.fetch_add(1, Ordering::Relaxed);
                // A stream whose upstream died behind its last word is whole, and its connection closed.
                let is_stream = response.header("content-length").is_none();
                if !is_stream && response.header("connection") != Some("close") {
                    self.idle.lock().unwrap().push(connection);
                }
            }
            Verdict::Broken => {
                self.broken.fetch_add(1, Ordering::Relaxed);
            }
            Verdict::Failed => {
                let said = format!("{} after {:?}: {}", response.status(), call.0.elapsed(), response.text());
                self.failed.lock().unwrap().push(said);
            }
        }
        self.under_way.lock().unwrap().remove(&call);
    }

    /// Waits until no call is under way that began before.
    async fn older_are_done(&self, than: Instant) {
        eventually("older calls end", async || {
            let under_way = self.under_way.lock().unwrap();
            under_way.keys().next().is_none_or(|(began, _)| *began >= than).then_some(())
        })
        .await;
    }
}

enum Verdict {
    Whole,
    /// A stream that broke, and says so.
    Broken,
    Failed,
}

fn verdict(response: &Response) -> Verdict {
    let text = response.text();
    if response.status() != 200 || !response.complete {
        return Verdict::Failed;
    }
    if response.header("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
        let whole = response.json()["choices"][0]["finish_reason"] == "stop";
        return if whole { Verdict::Whole } else { Verdict::Failed };
    }
    let (done, error) = (text.ends_with("data: [DONE]\n\n"), text.matches("data: {\"error\":").count());
    match (done, error) {
        (true, 0) if text.contains("\"stop\"") => Verdict::Whole,
        (false, 1) if !text.contains("\"stop\"") => Verdict::Broken,
        _ => Verdict::Failed,
    }
}

/// Does the worst to all upstreams but one until the time is over.
async fn rage(upstreams: &mut [Upstream; 3], clients: &Clients, until: Instant) {
    let mut survivor = 2;
    while Instant::now() < until {
        let calm = Instant::now() + Duration::from_millis(fastrand::u64(1500..4000));
        while Instant::now() < calm {
            for (at, upstream) in upstreams.iter_mut().enumerate() {
                if at != survivor && fastrand::u8(..3) > 0 {
                    let words = fastrand::choice(FAULTS).unwrap();
                    upstream.become_so(words).await;
                }
            }
            tokio::time::sleep(Duration::from_millis(fastrand::u64(100..700))).await;
        }
        // The next survivor is well before the last one fails, for every call that could have met it before.
        let next = (survivor + fastrand::usize(1..3)) % 3;
        upstreams[next].become_so(WELL).await;
        tokio::time::sleep(BENCHED).await;
        clients.older_are_done(Instant::now()).await;
        survivor = next;
    }
    for upstream in upstreams {
        upstream.become_so(WELL).await;
    }
}

fn open_files(gateway: &Gateway) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", gateway.pid())).unwrap().count()
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn config(upstreams: &[Upstream; 3]) -> Config {
    let base = |at: usize| format!("http://{}/v1", upstreams[at].address);
    Config::new()
        .target("one", "m", &base(0), "k", json!({}))
        .target("two", "m", &base(1), "k", json!({}))
        .target("three", "spare", &base(2), "k", json!({}))
        .set(
            "router_settings",
            json!({
                "num_retries": 2, "timeout": 1, "disable_cooldowns": false, "cooldown_time": 1,
                "allowed_fails": 3, "fallbacks": [{ "m": ["spare"] }, { "spare": ["m"] }],
            }),
        )
        .set("tollgate", json!({ "health_check": { "kind": "tcp", "interval_seconds": 1 } }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_client_notices_while_one_upstream_is_well() {
    let length = Duration::from_secs(number("CHAOS_SECONDS", 20));
    let rate = number("CHAOS_RATE", 200);
    let mut upstreams = [Upstream::new(), Upstream::new(), Upstream::new()];
    let gateway = Arc::new(Gateway::start(&config(&upstreams)).await);
    let quiet = open_files(&gateway);
    let clients = Arc::new(Clients::new(Arc::clone(&gateway)));
    let until = Instant::now() + length;
    let calls = {
        let clients = Arc::clone(&clients);
        tokio::spawn(async move {
            let mut tick = tokio::time::interval(Duration::from_micros(1_000_000 / rate));
            let mut calls = tokio::task::JoinSet::new();
            while Instant::now() < until {
                tick.tick().await;
                let clients = Arc::clone(&clients);
                calls.spawn(async move { clients.call().await });
                while let Some(ended) = calls.try_join_next() {
                    ended.unwrap();
                }
            }
            while let Some(ended) = calls.join_next().await {
                ended.unwrap();
            }
        })
    };
    // What it takes to serve is there once it has served a while.
    tokio::time::sleep(length.min(Duration::from_secs(60)) / 4).await;
    let resident = gateway.resident();
    rage(&mut upstreams, &clients, until).await;
    calls.await.unwrap();

    let failed = std::mem::take(&mut *clients.failed.lock().unwrap());
    let (whole, broken) = (clients.whole.load(Ordering::Relaxed), clients.broken.load(Ordering::Relaxed));
    println!("{whole} whole, {broken} broken and said so, {} failed", failed.len());
    assert!(
        failed.is_empty(),
        "{} of {}: {:?}",
        failed.len(),
        failed.len() + whole,
        &failed[..failed.len().min(5)]
    );
    assert!(broken > 0 && whole > broken, "{whole} whole, {broken} broken");

    gateway.metric_is("litellm_in_flight_requests", &[], 0.0).await;
    let busy = open_files(&gateway);
    drop(std::mem::take(&mut *clients.idle.lock().unwrap()));
    for upstream in &mut upstreams {
        upstream.become_so("killed").await;
    }
    eventually("all sockets are closed", async || (open_files(&gateway) <= quiet + 8).then_some(())).await;
    let (after, last) = (gateway.resident(), open_files(&gateway));
    println!(
        "files: {quiet} before, {busy} under load, {last} after; MiB: {} after a while, {} in the end",
        resident >> 20,
        after >> 20
    );
    let grown = after.saturating_sub(resident) >> 20;
    assert!(grown < 48, "{grown} MiB more than after a while of serving");
}
