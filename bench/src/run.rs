//! The rounds: starts the processes, alternates between targets, collects the figures.

use crate::Options;
use crate::client::{self, Client};
use crate::load::{self, Outcome};
use crate::process::{Process, free_addr, installed};
use crate::report::{Figures, Row, print_heading};
use crate::scenario::{self, Load, Scenario};
use crate::target::{self, KEY, Lab, Target};
use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::task::LocalSet;

/// The model that every target is asked for first.
const GREETED: &str = "sim-ok";

type Fallible<T> = Result<T, Box<dyn Error>>;

/// Measures all scenarios wanted, printing as it goes.
pub fn run(options: &Options, targets: &[Target]) -> Fallible<Vec<Row>> {
    let scenarios: Vec<_> = scenario::all()
        .into_iter()
        .filter(|scenario| options.only.as_ref().is_none_or(|only| scenario.name.starts_with(only.as_str())))
        .collect();
    if scenarios.is_empty() {
        return Err("no scenario has that name".into());
    }
    let bench = Bench::new(options, targets)?;
    let mut models: Vec<_> = scenarios.iter().map(|scenario| scenario.model).collect();
    models.push(GREETED);
    models.sort_unstable();
    models.dedup();
    let started: Vec<_> =
        targets.iter().map(|target| bench.start(*target, &models)).collect::<Result<_, _>>()?;
    print_heading();
    let mut rows = Vec::new();
    for scenario in scenarios {
        let row = match scenario.load {
            Load::Held { clients } => bench.held(scenario, targets, clients, &models)?,
            _ => bench.timed(scenario, targets, &started)?,
        };
        row.print();
        rows.push(row);
    }
    Ok(rows)
}

struct Bench {
    runtime: Runtime,
    lab: Lab,
    rounds: usize,
    time: Duration,
    simulator: Process,
}

impl Bench {
    fn new(options: &Options, targets: &[Target]) -> Fallible<Self> {
        let own = std::env::current_exe()?;
        let beside = |name: &str| own.parent().map(|dir| dir.join(name)).ok_or("a program without a folder");
        let gateway = options.gateway.clone().map_or_else(|| beside("tollgate"), Ok)?;
        if targets.contains(&Target::Tollgate) {
            target::ensure_built(&gateway)?;
        }
        let dir: PathBuf = beside("bench-logs")?;
        std::fs::create_dir_all(&dir)?;
        let cores = std::thread::available_parallelism()?.get();
        let workers = options.workers.unwrap_or(cores / 2).max(1);
        let (proxies, others) = split(cores);
        pin_self(&others);
        let upstream = free_addr()?;
        let args = format!("simulator --listen {upstream} --workers {}", (cores - cores / 2).max(1));
        let args: Vec<_> = args.split_whitespace().map(str::to_owned).collect();
        let log = dir.join("simulator.log");
        let simulator = Process::start("simulator", &own, &args, &others, upstream, &log)?;
        let (rounds, time) = scenario::pace(options.quick);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        println!(
            "{workers} workers on cores [{proxies}], load and simulator on [{others}], logs in {}",
            dir.display()
        );
        Ok(Self {
            runtime,
            lab: Lab { gateway, dir, upstream, workers, cores: proxies },
            rounds,
            time,
            simulator,
        })
    }

    /// Starts a target and asks it once for each model.
    fn start(&self, target: Target, models: &[&str]) -> Fallible<Process> {
        let process = target.start(&self.lab, models)?.ok_or("the simulator runs already")?;
        self.block(self.greet(process.addr))?;
        Ok(process)
    }

    async fn greet(&self, addr: SocketAddr) -> Fallible<()> {
        let hello = client::request(KEY, GREETED, 20, false);
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            match Client::connect(addr).await?.call(&hello).await {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    fn timed(&self, scenario: Scenario, targets: &[Target], started: &[Process]) -> Fallible<Row> {
        let request =
            Rc::new(client::request(KEY, scenario.model, scenario.prompt_bytes, scenario.streams()));
        let mut direct = Figures { target: Target::Direct.name(), ..Figures::default() };
        let mut figures: Vec<_> =
            targets.iter().map(|target| Figures { target: target.name(), ..Figures::default() }).collect();
        for _ in 0..self.rounds {
            if scenario.latency() {
                self.round(&scenario, &request, &self.simulator, self.lab.upstream, &mut direct)?;
            }
            for (figures, process) in figures.iter_mut().zip(started) {
                self.round(&scenario, &request, process, process.addr, figures)?;
            }
        }
        Ok(Row { scenario, direct, targets: figures })
    }

    /// One target, one time: a short warm-up, then the load.
    fn round(
        &self,
        scenario: &Scenario,
        request: &Rc<Vec<u8>>,
        process: &Process,
        addr: SocketAddr,
        figures: &mut Figures,
    ) -> Fallible<()> {
        let apply = |time: Duration| {
            self.block(async {
                match scenario.load {
                    Load::Closed { clients } => load::closed(addr, request, clients, time).await,
                    Load::Open { clients, rate } => load::open(addr, request, clients, rate, time).await,
                    Load::Streams { clients, events } => load::streams(addr, request, clients, events).await,
                    Load::Held { .. } => Ok(Outcome::default()),
                }
            })
        };
        if !scenario.streams() {
            apply(self.time / 10)?;
        }
        let (begin, cpu) = (Instant::now(), process.cpu_ns()?);
        let mut outcome = apply(self.time)?;
        let elapsed = begin.elapsed();
        // What the proxy still does for the last answers belongs to them.
        std::thread::sleep(Duration::from_millis(20));
        let cpu = process.cpu_ns()? - cpu;
        let memory = process.memory()?;
        figures.cpu_us.push(cpu as f64 / 1000.0 / outcome.done as f64);
        figures.per_second.push(outcome.done as f64 / elapsed.as_secs_f64());
        figures.p50_us.push(outcome.percentile(0.50));
        figures.p99_us.push(outcome.percentile(0.99));
        (figures.resident, figures.peak) = (memory.resident, memory.peak);
        Ok(())
    }

    /// Memory of streams left open, in fresh processes.
    fn held(&self, scenario: Scenario, targets: &[Target], clients: usize, models: &[&str]) -> Fallible<Row> {
        let request = Rc::new(client::request(KEY, scenario.model, scenario.prompt_bytes, true));
        let mut all = Vec::new();
        for target in targets {
            let process = self.start(*target, models)?;
            let before = process.memory()?;
            let held = self.block(load::hold(process.addr, &request, clients))?;
            let after = process.memory()?;
            drop(held);
            let bytes = after.resident.saturating_sub(before.resident) as f64 / clients as f64;
            all.push(Figures {
                target: target.name(),
                bytes_per_unit: vec![bytes],
                idle_bytes: vec![before.resident as f64],
                resident: after.resident,
                peak: after.peak,
                ..Figures::default()
            });
        }
        Ok(Row { scenario, direct: Figures::default(), targets: all })
    }

    fn block<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(LocalSet::new().run_until(work))
    }
}

/// Cores for the proxies and for the rest, as `taskset -c` takes them; empty where nothing can be pinned.
fn split(cores: usize) -> (String, String) {
    if cores < 2 || !installed("taskset") {
        return (String::new(), String::new());
    }
    let half = cores / 2;
    (format!("0-{}", half - 1), format!("{half}-{}", cores - 1))
}

fn pin_self(cores: &str) {
    if cores.is_empty() {
        return;
    }
    let id = std::process::id().to_string();
    let pinned = std::process::Command::new("taskset").args(["-cp", cores, &id]).output();
    if !pinned.is_ok_and(|output| output.status.success()) {
        eprintln!("the load generator could not be pinned to cores {cores}");
    }
}
