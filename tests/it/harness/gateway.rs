//! The real program: started on a free port with a folder and an environment of its own, ended when dropped.

use super::http::{Connection, Response, request};
use super::{Config, PATIENCE, eventually};
use serde_json::Value;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The master key of every configuration that does not set another.
pub(crate) const MASTER_KEY: &str = "sk-master-0f9a1c77e2";

/// Where [`Config`] has the access log written, in the gateway's folder.
pub(crate) const ACCESS_LOG: &str = "access.log";

/// The program that is tested: the one that was built with the tests, or that of `TOLLGATE_TEST_BIN`.
pub(crate) fn program() -> PathBuf {
    std::env::var_os("TOLLGATE_TEST_BIN").map_or_else(|| env!("CARGO_BIN_EXE_tollgate").into(), PathBuf::from)
}

/// How to start it.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    config: String,
    /// What starts the program, if anything does.
    starter: Vec<String>,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
}

/// A running gateway.
#[derive(Debug)]
pub(crate) struct Gateway {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What [`Gateway::post`] and its like present.
    pub(crate) key: String,
    child: Child,
    folder: TempDir,
}

// === impl Launch ===

impl Launch {
    pub(crate) fn of(config: &Config) -> Self {
        Self::of_text(config.text())
    }

    pub(crate) fn of_text(config: impl Into<String>) -> Self {
        Self { config: config.into(), starter: Vec::new(), arguments: Vec::new(), variables: Vec::new() }
    }

    pub(crate) fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Has the program started by this command, which becomes it.
    pub(crate) fn by(mut self, starter: &[&str]) -> Self {
        self.starter = starter.iter().map(|&word| word.to_owned()).collect();
        self
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts it and waits until it answers.
    pub(crate) async fn start(self) -> Gateway {
        // Another process may take the free port before the gateway does.
        for _ in 0..3 {
            let mut gateway = self.spawn();
            if gateway.is_ready().await {
                return gateway;
            }
            let output = gateway.output();
            assert!(output.to_lowercase().contains("in use"), "the gateway did not start:\n{output}");
        }
        panic!("no free port in three tries");
    }

    /// Starts it and waits for its end: a configuration that is refused, a command that answers.
    pub(crate) fn refused(self) -> (ExitStatus, String) {
        let mut gateway = self.spawn();
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = gateway.child.try_wait().unwrap() {
                return (status, gateway.output());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it goes on:\n{}", gateway.output());
    }

    fn spawn(&self) -> Gateway {
        let folder = TempDir::with_prefix("tollgate-it-").unwrap();
        let file = folder.path().join("config.yaml");
        fs::write(&file, &self.config).unwrap();
        let address = free_address();
        let words: Vec<OsString> =
            self.starter.iter().map(OsString::from).chain([program().into()]).collect();
        let child = Command::new(&words[0])
            .args(&words[1..])
            .args(["serve", "--host", "127.0.0.1", "--port", &address.port().to_string(), "--config"])
            .arg(&file)
            .args(&self.arguments)
            .current_dir(folder.path())
            .env_clear()
            .env("HOME", folder.path())
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(File::create(folder.path().join("stdout")).unwrap())
            .stderr(File::create(folder.path().join("stderr")).unwrap())
            .spawn()
            .unwrap();
        Gateway { address, key: MASTER_KEY.to_owned(), child, folder }
    }
}

// === impl Gateway ===

impl Gateway {
    /// Starts one with this configuration and nothing special.
    pub(crate) async fn start(config: &Config) -> Self {
        Launch::of(config).start().await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its working directory.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its configuration file, for tests that rewrite it.
    pub(crate) fn config_file(&self) -> PathBuf {
        self.folder.path().join("config.yaml")
    }

    /// All it has printed so far.
    pub(crate) fn output(&self) -> String {
        let read = |name| fs::read(self.folder.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&[read("stdout"), read("stderr")].concat()).into_owned()
    }

    /// The access log's records, as soon as there are `count` of them.
    pub(crate) async fn records(&self, count: usize) -> Vec<Value> {
        eventually(&format!("{count} records in the access log"), async || {
            let records = self.records_so_far();
            (records.len() >= count).then_some(records)
        })
        .await
    }

    /// The access log's whole lines so far, in the order in which the calls ended: each thread writes its own down.
    pub(crate) fn records_so_far(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.path().join(ACCESS_LOG)).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let mut records: Vec<Value> = whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        records.sort_by(|one, other| ended(one).total_cmp(&ended(other)));
        records
    }

    /// The sum of a metric's samples that have these labels; zero if there are none.
    pub(crate) async fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let text = self.get("/metrics").await.text();
        let wanted: Vec<String> =
            labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
        let samples = text.lines().filter_map(|line| line.strip_prefix(name));
        let samples = samples.filter(|rest| rest.starts_with(['{', ' ']));
        let samples = samples.filter(|rest| wanted.iter().all(|label| rest.contains(label.as_str())));
        samples.map(|rest| rest.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }

    /// Waits until a metric has a value.
    pub(crate) async fn metric_is(&self, name: &str, labels: &[(&str, &str)], value: f64) {
        eventually(&format!("{name}{labels:?} is {value}"), async || {
            (self.metric(name, labels).await == value).then_some(())
        })
        .await;
    }

    /// Resident memory, in bytes, without the pages of files: which of the program's own are there is the kernel's business.
    pub(crate) fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// Sends a signal by name: `TERM`, `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.pid().to_string()]).status();
        assert!(sent.unwrap().success(), "kill -{name}");
    }

    /// How it ended, if it did.
    pub(crate) fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        eventually("the gateway ends", async || self.child.try_wait().unwrap()).await
    }

    pub(crate) async fn connect(&self) -> Connection {
        Connection::open(self.address).await
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.call(&request("GET", path, &[("authorization", &self.bearer())], b"")).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Response {
        self.call(&self.post_bytes(path, body)).await
    }

    /// Posts with more headers.
    pub(crate) async fn post_with(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Response {
        let bearer = self.bearer();
        let headers = [&[("authorization", bearer.as_str())], headers].concat();
        self.call(&request("POST", path, &headers, body.to_string().as_bytes())).await
    }

    /// Posts and answers the connection with the response's head read: its events are still to come.
    pub(crate) async fn stream(&self, path: &str, body: &Value) -> Connection {
        let mut connection = self.connect().await;
        connection.send(&self.post_bytes(path, body)).await;
        connection.read_head().await;
        connection
    }

    /// Sends bytes on a connection of their own and reads the whole response.
    pub(crate) async fn call(&self, bytes: &[u8]) -> Response {
        let mut connection = self.connect().await;
        connection.send(bytes).await;
        connection.read_response().await
    }

    /// The bytes that [`Gateway::post`] sends.
    pub(crate) fn post_bytes(&self, path: &str, body: &Value) -> Vec<u8> {
        let headers = [("authorization", self.bearer()), ("content-type", "application/json".to_owned())];
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        request("POST", path, &headers, body.to_string().as_bytes())
    }

    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.key)
    }

    /// False when it ended instead.
    async fn is_ready(&mut self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait().unwrap().is_none() {
            // Who answers may be another program that got the port first.
            if self.output().contains("listening on") && answers(self.address).await.unwrap_or_default() {
                return true;
            }
            assert!(Instant::now() < deadline, "not ready within {PATIENCE:?}:\n{}", self.output());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    }
}

async fn answers(address: SocketAddr) -> io::Result<bool> {
    let mut socket = TcpStream::connect(address).await?;
    socket.write_all(&request("GET", "/health/liveliness", &[("connection", "close")], b"")).await?;
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, socket.read_to_end(&mut answer)).await??;
    Ok(answer.starts_with(b"HTTP/1.1 200 "))
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Both fail only for a process that has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            eprintln!("--- what the gateway printed\n{}---", self.output());
        }
    }
}

/// An address of this machine where nothing listens at the moment, and which no outgoing connection
/// is given.
pub(crate) fn free_address() -> SocketAddr {
    let ports = std::iter::repeat_with(|| fastrand::u16(10_000..32_000));
    let mut addresses = ports.take(100).map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    addresses.find(|address| TcpListener::bind(address).is_ok()).expect("a free port in a hundred")
}

/// When a call of the access log ended, in milliseconds.
fn ended(record: &Value) -> f64 {
    let began: jiff::Timestamp = record["ts"].as_str().unwrap().parse().unwrap();
    began.as_millisecond() as f64 + record["duration_ms"].as_f64().unwrap()
}
