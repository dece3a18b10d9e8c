//! Going away and coming back: a new process takes over the listening socket, and nobody notices.

use crate::bodies::Two;
use crate::harness::{CHAT, Config, Connection, Gateway, Launch, Traffic, chat, eventually, upstream, with};
use crate::support::{Running, run, tollgate};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use tollgate::simulator::Simulator;

/// The process that comes after a gateway: in its folder, on its port.
struct Successor {
    process: Running,
    log: PathBuf,
}

impl Successor {
    fn start(gateway: &Gateway, name: &str, arguments: &[&str]) -> Self {
        Self::start_on(gateway, name, gateway.address.port(), arguments)
    }

    fn start_on(gateway: &Gateway, name: &str, port: u16, arguments: &[&str]) -> Self {
        let log = gateway.folder().join(name);
        let mut command = tollgate(gateway.folder());
        command
            .args(["serve", "--host", "127.0.0.1", "--port", &port.to_string()])
            .args(["--config", "config.yaml", "--upgrade"])
            .args(arguments)
            .env("HOME", gateway.folder())
            .stdout(File::create(gateway.folder().join("rest")).unwrap())
            .stderr(File::create(&log).unwrap());
        Self { process: Running(command.spawn().unwrap()), log }
    }

    fn output(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    async fn says(&self, words: &str) {
        eventually(words, async || self.output().contains(words).then_some(())).await;
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.process.0.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }
}

fn config(simulator: &Simulator, stream: &str) -> Config {
    let base = simulator.base_url();
    Config::new()
        .deployment("m", "kept", &base, "sk-up")
        .deployment("slow", &format!("sim-{stream}"), &base, "sk-up")
        .set("tollgate", json!({ "drain_timeout": 60 }))
}

fn slow() -> Value {
    with(chat(), json!({ "model": "slow", "stream": true }))
}

/// Reads a stream to its end; what is wrong with it, if anything.
async fn finish(mut stream: Connection, chunks: usize) -> Option<String> {
    let events = stream.events().await;
    let is_whole = stream.complete && events.last().is_some_and(|event| event.data == "[DONE]");
    (!is_whole || events.len() < chunks)
        .then(|| format!("{} events, complete: {}", events.len(), stream.complete))
}

/// Streams, calls each second; the large one is asked for by a variable.
fn size() -> (usize, u32) {
    if std::env::var("TOLLGATE_TEST_UPGRADE").is_ok() { (500, 500) } else { (40, 100) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_breaks_no_stream_and_refuses_no_connection() {
    const CHUNKS: usize = 60;
    let simulator = upstream("ok").await;
    let mut gateway = Gateway::start(&config(&simulator, &format!("chunks={CHUNKS}+gap=200"))).await;
    let (streams, rate) = size();
    let traffic = Traffic::start(gateway.address, "m", rate, 32);
    let body = slow();
    let opening = (0..streams).map(|_| gateway.stream(CHAT, &body));
    let mut open = futures::future::join_all(opening).await;
    for stream in &mut open {
        assert!(stream.next_event().await.is_some());
    }
    traffic.goes_on(50).await;
    let successor = Successor::start(&gateway, "successor", &[]);
    successor.says("ready to take over").await;
    traffic.goes_on(50).await;
    gateway.signal("QUIT");
    successor.says("listening on").await;
    eventually("the old one goes", async || gateway.output().contains("took over").then_some(())).await;
    traffic.goes_on(100).await;
    assert_eq!(gateway.exited(), None, "it waits for its streams");
    let broken: Vec<String> =
        futures::future::join_all(open.into_iter().map(|stream| finish(stream, CHUNKS - 1)))
            .await
            .into_iter()
            .flatten()
            .collect();
    assert_eq!(broken, Vec::<String>::new(), "{}", gateway.output());
    assert_eq!(gateway.ended().await.code(), Some(0), "{}", gateway.output());
    traffic.goes_on(50).await;
    let went = traffic.stop().await;
    println!("{streams} streams, {} calls on {} connections", went.answered, went.connections);
    assert_eq!(went.failures, Vec::<String>::new(), "{}\n{}", gateway.output(), successor.output());
    every_call_is_booked_once(&gateway, went.answered + streams as u64).await;
}

/// By both processes together, in one database and one access log.
async fn every_call_is_booked_once(gateway: &Gateway, calls: u64) {
    eventually(&format!("{calls} calls are booked"), async || {
        let sums = gateway.get("/global/activity?start_date=2020-01-01&end_date=2100-01-01").await.json();
        (sums["sum_api_requests"] == calls).then_some(())
    })
    .await;
    let logged = gateway.records(usize::try_from(calls).unwrap()).await.len() as u64;
    assert_eq!(logged, calls);
    let mut verify = tollgate(gateway.folder());
    verify.args(["ledger", "verify", "--config", "config.yaml"]).env("HOME", gateway.folder());
    let verified = run(verify).await;
    assert_eq!(verified.code, 0, "{verified:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_lets_streams_of_http_2_end() {
    let simulator = upstream("ok").await;
    let mut gateway = Gateway::start(&config(&simulator, "chunks=60+gap=100")).await;
    let mut two = Two::open(&gateway).await;
    let body = slow().to_string();
    let stream = tokio::spawn(async move { two.ask(Some(body.len()), body.as_bytes(), body.len()).await });
    gateway.metric_is("litellm_in_flight_requests", &[], 1.0).await;
    let successor = Successor::start(&gateway, "successor", &[]);
    successor.says("ready to take over").await;
    gateway.signal("QUIT");
    successor.says("listening on").await;
    assert_eq!(gateway.exited(), None, "it waits for its stream");
    let (status, answer) = stream.await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert_eq!(status, 200, "{answer}");
    assert!(answer.ends_with("data: [DONE]\n\n") && answer.matches("data: ").count() >= 60, "{answer}");
    assert_eq!(gateway.ended().await.code(), Some(0));
}

#[tokio::test]
async fn without_a_successor_nothing_changes() {
    let simulator = upstream("ok").await;
    let gateway = Gateway::start(&config(&simulator, "ok")).await;
    let place = "meet.sock";
    // One that comes for another port is sent away by what it is given, and the old one serves on.
    let launch = Launch::of(&config(&simulator, "ok")).argument("--upgrade-sock").argument(place);
    let old = launch.start().await;
    let mut wrong = Successor::start_on(&old, "wrong", gateway.address.port(), &["--upgrade-sock", place]);
    wrong.says("ready to take over").await;
    old.signal("QUIT");
    let status = eventually("it gives up", async || wrong.process.0.try_wait().unwrap()).await;
    assert_eq!(status.code(), Some(1), "{}", wrong.output());
    assert!(wrong.output().contains("the socket handed over listens on"), "{}", wrong.output());
    eventually("the old one goes on", async || old.output().contains("goes on serving").then_some(())).await;
    assert_eq!(old.post(CHAT, &chat()).await.status(), 200);
    assert_eq!(old.get("/health/readiness").await.status(), 200);
    // And with nobody there at all.
    old.signal("QUIT");
    eventually("it says so again", async || {
        (old.output().matches("goes on serving").count() == 2).then_some(())
    })
    .await;
    assert!(old.output().contains("no new process waits at"), "{}", old.output());
    assert_eq!(old.post(CHAT, &chat()).await.status(), 200);
    drop(gateway);
}

#[tokio::test]
async fn one_upgrade_follows_another() {
    let simulator = upstream("ok").await;
    let mut gateway = Gateway::start(&config(&simulator, "ok")).await;
    // Told first: the old one waits a while for its successor.
    gateway.signal("QUIT");
    let second = Successor::start(&gateway, "second", &[]);
    second.says("listening on").await;
    assert_eq!(gateway.ended().await.code(), Some(0));
    let changed = config(&simulator, "ok").deployment("fresh", "x", &simulator.base_url(), "k");
    fs::write(gateway.config_file(), changed.text()).unwrap();
    let mut third = Successor::start(&gateway, "third", &[]);
    third.says(&format!("send SIGQUIT to process {}", second.process.0.id())).await;
    second.signal("QUIT");
    third.says("listening on").await;
    let mut second = second;
    let status = eventually("the second one ends", async || second.process.0.try_wait().unwrap()).await;
    assert_eq!(status.code(), Some(0), "{}", second.output());
    let fresh = gateway.post(CHAT, &with(chat(), json!({ "model": "fresh" }))).await;
    assert_eq!(fresh.status(), 200, "the new process read the new file: {}", fresh.text());
    third.signal("TERM");
    let status = eventually("the third one ends", async || third.process.0.try_wait().unwrap()).await;
    assert_eq!(status.code(), Some(0), "{}", third.output());
    assert!(Connection::try_open(gateway.address).await.is_err());
}

#[tokio::test]
async fn a_term_turns_readiness_then_the_door_and_lets_streams_end() {
    let simulator = upstream("ok").await;
    let config = config(&simulator, "chunks=60+gap=100").set("tollgate", json!({ "shutdown_delay": 2 }));
    let mut gateway = Gateway::start(&config).await;
    let mut stream = gateway.stream(CHAT, &slow()).await;
    stream.next_event().await.unwrap();
    gateway.signal("TERM");
    eventually("readiness turns", async || {
        (gateway.get("/health/readiness").await.status() == 503).then_some(())
    })
    .await;
    let answer = gateway.post(CHAT, &chat()).await;
    assert_eq!((answer.status(), answer.header("connection")), (200, Some("close")), "calls are still taken");
    eventually("the door is shut", async || {
        Connection::try_open(gateway.address).await.is_err().then_some(())
    })
    .await;
    assert_eq!(finish(stream, 59).await, None, "{}", gateway.output());
    assert_eq!(gateway.ended().await.code(), Some(0));
}
