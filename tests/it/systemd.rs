//! What the service manager hears, and the socket that it may hold.

use crate::harness::{CHAT, Config, Launch, chat, eventually, free_address, program, streamed, upstream};
use crate::support::{Running, tollgate};
use serde_json::json;
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Stands for systemd: keeps what it is told.
struct Manager {
    socket: UnixDatagram,
    folder: TempDir,
    heard: Vec<String>,
}

impl Manager {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { socket, folder, heard: Vec::new() }
    }

    fn path(&self) -> String {
        self.folder.path().join("notify").display().to_string()
    }

    /// Waits for a message that has not been waited for yet, and gives it with all that came before.
    async fn hears(&mut self, words: &str) -> String {
        let mut buffer = [0; 4096];
        eventually(&format!("the manager hears {words}"), async || {
            while let Ok(length) = self.socket.recv(&mut buffer) {
                self.heard.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
            }
            let at = self.heard.iter().position(|message| message.contains(words))?;
            self.heard.drain(..=at).next_back()
        })
        .await
    }
}

#[tokio::test]
async fn it_tells_that_it_serves_reloads_lives_and_goes() {
    let simulator = upstream("ok").await;
    let mut manager = Manager::new();
    let config = Config::new().deployment("m", "x", &simulator.base_url(), "k");
    let launch = Launch::of(&config).variable("NOTIFY_SOCKET", &manager.path());
    let mut gateway = launch.variable("WATCHDOG_USEC", "600000").start().await;
    let ready = manager.hears("READY=1").await;
    assert!(ready.contains("STATUS=serving configuration 1: 1 deployments in 1 groups"), "{ready}");
    for _ in 0..3 {
        manager.hears("WATCHDOG=1").await;
    }
    gateway.signal("HUP");
    let reloading = manager.hears("RELOADING=1").await;
    let since = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).unwrap();
    assert!(since.parse::<u64>().unwrap() > 0, "{reloading}");
    assert!(manager.hears("READY=1").await.contains("configuration 2"));
    fs::write(gateway.config_file(), "model_list: 1\n").unwrap();
    gateway.signal("HUP");
    manager.hears("RELOADING=1").await;
    assert!(
        manager.hears("READY=1").await.contains("configuration 2"),
        "a refused file is no end of the reload"
    );
    gateway.signal("TERM");
    let stopping = manager.hears("STOPPING=1").await;
    assert!(stopping.contains("EXTEND_TIMEOUT_USEC="), "{stopping}");
    assert_eq!(gateway.ended().await.code(), Some(0));
}

#[tokio::test]
async fn it_tells_who_took_over() {
    let simulator = upstream("ok").await;
    let mut manager = Manager::new();
    let config = Config::new().deployment("m", "x", &simulator.base_url(), "k");
    let mut gateway = Launch::of(&config).variable("NOTIFY_SOCKET", &manager.path()).start().await;
    manager.hears("READY=1").await;
    let mut command = tollgate(gateway.folder());
    let port = gateway.address.port().to_string();
    command
        .args(["--config", "config.yaml", "--port", &port, "--upgrade"])
        .env("HOME", gateway.folder())
        .env("NOTIFY_SOCKET", manager.path())
        .stdout(Stdio::null())
        .stderr(File::create(gateway.folder().join("successor")).unwrap());
    let successor = Running(command.spawn().unwrap());
    gateway.signal("QUIT");
    manager.hears("READY=1").await;
    manager.hears(&format!("MAINPID={}\n", successor.0.id())).await;
    assert_eq!(gateway.ended().await.code(), Some(0));
    assert_eq!(gateway.post(CHAT, &chat()).await.status(), 200);
}

#[tokio::test]
async fn without_a_watchdog_and_a_manager_it_says_nothing_and_serves() {
    let simulator = upstream("ok").await;
    let config = Config::new().deployment("m", "x", &simulator.base_url(), "k");
    let gateway = Launch::of(&config).variable("NOTIFY_SOCKET", "/nonexistent/notify").start().await;
    assert_eq!(gateway.post(CHAT, &chat()).await.status(), 200);
    assert!(gateway.output().contains("the service manager cannot be told"), "{}", gateway.output());
}

/// Starts the program as systemd does: its socket is descriptor 3.
fn activated(folder: &Path, socket: &TcpListener, log: &str) -> Running {
    let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"";
    let child = Command::new("/bin/sh")
        .args(["-c", script])
        .arg(program())
        .args(["--config", "config.yaml", "--port", "9"])
        .env_clear()
        .env("HOME", folder)
        .current_dir(folder)
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(socket.try_clone().unwrap())))
        .stdout(Stdio::null())
        .stderr(File::create(folder.join(log)).unwrap())
        .spawn();
    Running(child.unwrap())
}

#[tokio::test]
async fn a_restart_behind_a_socket_of_systemd_refuses_no_connection() {
    let simulator = upstream("ok").await;
    let socket = TcpListener::bind(free_address()).unwrap();
    let address = socket.local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = Config::new()
        .deployment("m", "x", &simulator.base_url(), "k")
        .set("tollgate", json!({ "shutdown_delay": 0 }));
    fs::write(folder.path().join("config.yaml"), config.text()).unwrap();
    let bytes = crate::support::post(CHAT, &crate::support::chat("m", ""));
    let mut running = activated(folder.path(), &socket, "first");
    let mut early = crate::harness::Connection::open(address).await;
    assert_eq!(early.ask(&bytes).await.status(), 200, "what came before the process did is answered");
    let sent = Command::new("kill").args(["-TERM", &running.0.id().to_string()]).status();
    assert!(sent.unwrap().success());
    eventually("it ends", async || running.0.try_wait().unwrap()).await;
    // Nobody serves, and nobody is refused.
    let mut waiting = crate::harness::Connection::open(address).await;
    waiting.send(&bytes).await;
    let _second = activated(folder.path(), &socket, "second");
    assert_eq!(waiting.read_response().await.status(), 200);
    // A lane may answer before the process says that all lanes listen.
    eventually("it says where it listens", async || {
        let said = fs::read_to_string(folder.path().join("second")).unwrap();
        said.contains(&format!("listening on http://{address}")).then_some(())
    })
    .await;
}

const UNITS: [&str; 2] = ["tollgate.service", "tollgate.socket"];

#[test]
fn the_units_are_sound_and_as_closed_as_they_say() {
    let folder = tempfile::tempdir().unwrap();
    for unit in UNITS {
        let text =
            fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docker").join(unit)).unwrap();
        // Verified is also whether the program is there.
        let text = text.replace("/usr/bin/tollgate", &program().display().to_string());
        fs::write(folder.path().join(unit), text).unwrap();
    }
    let analyze = |arguments: &[&str]| {
        Command::new("systemd-analyze").args(arguments).current_dir(folder.path()).output()
    };
    let Ok(verified) = analyze(&["verify", "./tollgate.service", "./tollgate.socket"]) else {
        return eprintln!("systemd-analyze is not here: the units are not verified");
    };
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    assert!(verified.status.success() && !said.contains("tollgate"), "{said}");
    let scored = analyze(&["security", "--offline=true", "./tollgate.service"]).unwrap();
    let said = String::from_utf8_lossy(&scored.stdout).into_owned();
    let line = said.lines().find(|line| line.contains("Overall exposure level")).unwrap_or_default();
    let score: f64 = line.split_ascii_whitespace().rev().nth(2).and_then(|word| word.parse().ok()).unwrap();
    assert!(score <= 1.5, "{line}");
}

#[tokio::test]
async fn the_unit_allows_all_that_the_program_asks_of_the_kernel() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return eprintln!("systemd-analyze is not here: nobody knows what the unit allows");
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (script, unit) = (root.join("tests/it/under_filter.py"), root.join("docker").join(UNITS[0]));
    let simulator = upstream("ok").await;
    let config = Config::new().deployment("m", "x", &simulator.base_url(), "k");
    let launch = Launch::of(&config).by(&["python3", script.to_str().unwrap(), unit.to_str().unwrap()]);
    let mut gateway = launch.variable("PATH", &std::env::var("PATH").unwrap()).start().await;
    let made = gateway.post("/key/generate", &json!({ "max_budget": 1.0 })).await;
    assert_eq!(made.status(), 200);
    gateway.key = made.json()["key"].as_str().unwrap().to_owned();
    assert_eq!(gateway.post(CHAT, &chat()).await.status(), 200);
    assert_eq!(gateway.post(CHAT, &streamed()).await.status(), 200);
    gateway.metric_is("tollgate_ledger_waiting_records", &[], 0.0).await;
    fs::write(gateway.config_file(), config.clone().deployment("n", "x", &simulator.base_url(), "k").text())
        .unwrap();
    gateway.signal("HUP");
    gateway.metric_is("tollgate_config_generation", &[], 2.0).await;
    gateway.signal("TERM");
    let ended = gateway.ended().await;
    assert_eq!(ended.code(), Some(0), "{ended}: {}", gateway.output());
}
