//! The real binary in a directory of its own, and what it says.

use crate::wire::{self, BOUND, Reply, Wire};
use serde_json::Value;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const POLL: Duration = Duration::from_millis(10);

/// A running gateway; dropping it kills it.
pub struct Gate {
    pub address: SocketAddr,
    child: Child,
    dir: TempDir,
}

/// How to start one.
pub struct Setup {
    yaml: String,
    env: Vec<(String, String)>,
    arguments: Vec<String>,
}

impl Setup {
    pub fn new(yaml: impl Into<String>) -> Self {
        Self { yaml: yaml.into(), env: Vec::new(), arguments: Vec::new() }
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    pub async fn start(self) -> Gate {
        for _ in 0..5 {
            if let Some(gate) = self.try_start().await {
                return gate;
            }
        }
        panic!("no free port in five tries");
    }

    /// `None` if somebody else was faster to take the port.
    async fn try_start(&self) -> Option<Gate> {
        let dir = tempfile::tempdir().unwrap();
        let address = free_address();
        fs::write(dir.path().join("config.yaml"), &self.yaml).unwrap();
        let child = command(dir.path())
            .args(["--config", "config.yaml", "--workers", "2", "--port", &address.port().to_string()])
            .args(&self.arguments)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdout(File::create(dir.path().join("stdout")).unwrap())
            .stderr(File::create(dir.path().join("stderr")).unwrap())
            .spawn()
            .unwrap();
        let mut gate = Gate { address, child, dir };
        let end = Instant::now() + BOUND;
        while !gate.stderr().contains("listening on") || !answers(address).await {
            if gate.child.try_wait().unwrap().is_some() {
                assert!(gate.stderr().contains("cannot listen"), "{}", gate.stderr());
                return None;
            }
            assert!(Instant::now() < end, "not up in time: {}", gate.stderr());
            tokio::time::sleep(POLL).await;
        }
        Some(gate)
    }
}

async fn answers(address: SocketAddr) -> bool {
    if tokio::net::TcpStream::connect(address).await.is_err() {
        return false;
    }
    let mut wire = Wire::open(address).await;
    wire.try_send(&wire::get("/health/liveliness")).await.is_ok()
        && wire.try_reply().await.is_some_and(|reply| reply.status == 200)
}

/// The binary with nothing of our environment, in this directory.
pub fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.env_clear().env("LITELLM_LOG", "INFO").current_dir(dir).stdin(Stdio::null());
    command
}

pub fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

impl Gate {
    pub async fn start(yaml: impl Into<String>) -> Self {
        Setup::new(yaml).start().await
    }

    pub async fn ask(&self, bytes: &[u8]) -> Reply {
        wire::ask(self.address, bytes).await
    }

    /// The metrics as text.
    pub async fn metrics(&self) -> String {
        self.ask(&wire::get("/metrics")).await.text()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn stdout(&self) -> String {
        fs::read_to_string(self.path("stdout")).unwrap()
    }

    pub fn stderr(&self) -> String {
        fs::read_to_string(self.path("stderr")).unwrap()
    }

    /// The records so far; the access log goes to standard output unless told otherwise.
    pub fn records(&self) -> Vec<Value> {
        let out = self.stdout();
        let whole = out.rsplit_once('\n').map_or("", |(lines, _)| lines);
        let records =
            whole.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")));
        records.collect()
    }

    /// The record of a call, as soon as it is written.
    pub async fn record(&self, call_id: &str) -> Value {
        let mut found = None;
        self.until("the record", || {
            found = self.records().into_iter().find(|record| record["call_id"] == call_id);
            found.is_some()
        })
        .await;
        found.unwrap()
    }

    /// Waits until something is so.
    pub async fn until(&self, what: &str, mut so: impl FnMut() -> bool) {
        let end = Instant::now() + BOUND;
        while !so() {
            assert!(Instant::now() < end, "waited in vain for {what}\n{}", self.stderr());
            tokio::time::sleep(POLL).await;
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success(), "{kill}");
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for the end of the process.
    pub async fn ended(&mut self) -> ExitStatus {
        ended(&mut self.child).await
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn ended(child: &mut Child) -> ExitStatus {
    let end = Instant::now() + BOUND;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < end, "the process does not end");
        tokio::time::sleep(POLL).await;
    }
}

/// What a command that ends by itself said and how it ended.
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a command to its end.
pub async fn run(mut command: Command) -> Ended {
    let dir = tempfile::tempdir().unwrap();
    let (out, err) = (dir.path().join("out"), dir.path().join("err"));
    command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
    let mut child = Killed(command.spawn().unwrap());
    let status = ended(&mut child.0).await;
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    Ended { code: status.code().expect("it was killed by a signal"), stdout: read(&out), stderr: read(&err) }
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One entry of a model list.
pub fn entry(name: &str, model: &str, base: &str, key: &str, more: &str) -> String {
    format!(
        "  - model_name: \"{name}\"\n    litellm_params:\n      model: \"openai/{model}\"\n      \
         api_base: {base}\n      api_key: {key}\n{more}"
    )
}

/// A file with these entries, the tests' master key, no retries and no cooldown.
pub fn yaml(entries: &[String], more: &str) -> String {
    format!(
        "model_list:\n{}general_settings: {{master_key: {}}}\n\
         router_settings: {{num_retries: 0, disable_cooldowns: true}}\n{more}",
        entries.concat(),
        wire::KEY
    )
}
