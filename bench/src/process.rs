//! Child processes and what the kernel says they use.

use std::error::Error;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A child that is killed, by its id, when dropped.
pub struct Process {
    name: String,
    child: Child,
    pub addr: SocketAddr,
    /// From its start until it accepted.
    pub start_time: Duration,
}

/// Memory of a process, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    pub resident: u64,
    pub peak: u64,
}

impl Process {
    /// Starts `program` on `cores` (as `taskset -c` takes them) and waits until `addr` accepts.
    pub fn start(
        name: &str,
        program: &Path,
        args: &[String],
        cores: &str,
        addr: SocketAddr,
        log: &Path,
    ) -> Result<Self, Box<dyn Error>> {
        let log = fs::File::create(log)?;
        let mut command = if cores.is_empty() {
            Command::new(program)
        } else {
            let mut command = Command::new("taskset");
            command.args(["-c", cores]).arg(program);
            command
        };
        command.args(args).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let began = Instant::now();
        let child = command.spawn().map_err(|error| format!("{name}: {}: {error}", program.display()))?;
        let mut process = Self { name: name.to_owned(), child, addr, start_time: Duration::ZERO };
        let deadline = began + Duration::from_secs(30);
        while TcpStream::connect(addr).is_err() {
            if let Some(status) = process.child.try_wait()? {
                return Err(format!("{name} ended at once: {status}").into());
            }
            if Instant::now() > deadline {
                return Err(format!("{name} does not listen on {addr}").into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        process.start_time = began.elapsed();
        Ok(process)
    }

    /// CPU time so far, in nanoseconds, of the process and its direct children.
    pub fn cpu_ns(&self) -> Result<u64, Box<dyn Error>> {
        self.pids().into_iter().map(cpu_ns).sum()
    }

    /// Waits until it has done what it does after the last answer, such as to book calls in a database; at most a
    /// minute.
    pub fn rest(&self) -> Result<(), Box<dyn Error>> {
        const LOOK: Duration = Duration::from_millis(300);
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut before = self.cpu_ns()?;
        while Instant::now() < deadline {
            std::thread::sleep(LOOK);
            let now = self.cpu_ns()?;
            if now - before < IDLE_NS {
                break;
            }
            before = now;
        }
        Ok(())
    }

    /// Memory now, of the process and its direct children.
    pub fn memory(&self) -> Result<Memory, Box<dyn Error>> {
        let mut sum = Memory::default();
        for pid in self.pids() {
            let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
            let field = |name: &str| -> u64 {
                let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
                line.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) * 1024
            };
            sum.resident += field("VmRSS");
            sum.peak += field("VmHWM");
        }
        Ok(sum)
    }

    fn pids(&self) -> Vec<u32> {
        let own = self.child.id();
        let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        std::iter::once(own).chain(children.split_whitespace().filter_map(|pid| pid.parse().ok())).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("{} did not end: {error}", self.name);
        }
    }
}

/// A process that uses less in a look is at rest.
const IDLE_NS: u64 = 6_000_000;

/// Nanoseconds on a processor, summed over the threads.
fn cpu_ns(pid: u32) -> Result<u64, Box<dyn Error>> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end between the listing and the reading.
        let Ok(schedstat) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
        sum += schedstat.split_whitespace().next().unwrap_or("0").parse::<u64>()?;
    }
    if sum > 0 {
        return Ok(sum);
    }
    // Kernels without schedstat: clock ticks of 10 ms, counted after the name in parentheses.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|ticks| ticks.parse::<u64>().ok()).unwrap_or(0);
    Ok((ticks(11) + ticks(12)) * 10_000_000)
}

/// An address nobody listens on.
pub fn free_addr() -> std::io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

/// Whether a program can be found.
pub fn installed(program: &str) -> bool {
    Command::new(program).arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}
