//! A Redis of a test's own, which it can kill.

use super::{eventually, free_address};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A running Redis, ended when dropped.
#[derive(Debug)]
pub(crate) struct Redis {
    pub(crate) address: SocketAddr,
    child: Option<Child>,
    folder: TempDir,
}

impl Redis {
    /// `None` where there is no `redis-server`.
    pub(crate) async fn start() -> Option<Self> {
        let folder = TempDir::with_prefix("tollgate-redis-").unwrap();
        let mut redis = Self { address: free_address(), child: None, folder };
        redis.launch().await.then_some(redis)
    }

    async fn launch(&mut self) -> bool {
        let port = self.address.port().to_string();
        let launched = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no", "--dir"])
            .arg(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match launched {
            Ok(child) => self.child = Some(child),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                eprintln!("there is no redis-server: Redis is left out");
                return false;
            }
            Err(error) => panic!("redis-server: {error}"),
        }
        eventually("Redis answers", async || self.ask("PING").await.filter(|answer| answer == "+PONG\r\n"))
            .await;
        true
    }

    /// Ends it at once, with all it knows.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }

    /// An empty one in its place.
    pub(crate) async fn restart(&mut self) {
        self.kill();
        assert!(self.launch().await);
    }

    /// How many calls of this command it has served.
    pub(crate) async fn calls(&self, command: &str) -> u64 {
        let stats = self.ask("INFO commandstats").await.unwrap();
        let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
        line.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
    }

    /// The answer to a command as it is sent; `None` if nobody answers.
    async fn ask(&self, command: &str) -> Option<String> {
        let mut socket = TcpStream::connect(self.address).await.ok()?;
        socket.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).await.ok()?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.ok()?;
        Some(answer.trim_end_matches("+OK\r\n").to_owned())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
