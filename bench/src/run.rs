//! The rounds: starts the processes, alternates between targets, collects the figures.

use crate::Options;
use crate::client::{self, Client};
use crate::keyring::{self, Database};
use crate::load::{self, Outcome, Requests};
use crate::process::{Process, free_addr, installed};
use crate::report::{Figures, Row, print_heading};
use crate::scenario::{self, Load, Scenario};
use crate::target::{self, Base, Lab, Target};
use crate::traces;
use std::error::Error;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
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
    let mut bench = Bench::new(options)?;
    let rows = measure(&mut bench, options, &scenarios, targets);
    for (_, database) in &bench.lab.databases {
        bench.block(database.drop_all())?;
    }
    remove(&bench.lab.dir.join(DATA))?;
    rows
}

/// Where gateways have their databases and journals.
const DATA: &str = "data";

fn remove(folder: &Path) -> std::io::Result<()> {
    if folder.exists() { std::fs::remove_dir_all(folder) } else { Ok(()) }
}

/// What is compared in a scenario.
fn compared(scenario: &Scenario, targets: &[Target], options: &Options) -> Vec<Target> {
    let mut all = targets.to_vec();
    if let Some(keys) = scenario.keys {
        all.push(Target::Keys(Base::File, keys.stored));
        if options.server.is_some() {
            all.push(Target::Keys(Base::Server, keys.stored));
        }
    }
    all
}

fn measure(
    bench: &mut Bench,
    options: &Options,
    scenarios: &[Scenario],
    targets: &[Target],
) -> Fallible<Vec<Row>> {
    let mut models: Vec<_> = scenarios.iter().map(|scenario| scenario.model).collect();
    models.push(GREETED);
    models.sort_unstable();
    models.dedup();
    let mut started: Vec<(Target, Process)> = Vec::new();
    for target in scenarios.iter().flat_map(|scenario| compared(scenario, targets, options)) {
        // `bare` may be compared with itself.
        let wanted = targets.iter().filter(|other| **other == target).count().max(1);
        if started.iter().filter(|(other, _)| *other == target).count() < wanted {
            let process = bench.start(target, &models, options)?;
            started.push((target, process));
        }
    }
    print_heading();
    let mut rows = Vec::new();
    for scenario in scenarios {
        let compared = compared(scenario, targets, options);
        let row = match scenario.load {
            Load::Held { clients } => bench.held(scenario, targets, clients, &models, options)?,
            _ => bench.timed(scenario, &compared, &started)?,
        };
        row.print();
        rows.push(row);
    }
    for (_, gateway) in started.iter().filter(|(target, _)| *target == Target::Traced) {
        let (sent, lost) = traces::counts(gateway)?;
        println!("traces of {sent} calls reached the collector, of {lost} were lost");
    }
    Ok(rows)
}

struct Bench {
    runtime: Runtime,
    lab: Lab,
    /// Folders of gateways so far.
    folders: usize,
    rounds: usize,
    time: Duration,
    simulator: Process,
}

impl Bench {
    fn new(options: &Options) -> Fallible<Self> {
        let own = std::env::current_exe()?;
        let beside = |name: &str| own.parent().map(|dir| dir.join(name)).ok_or("a program without a folder");
        let gateway = options.gateway.clone().map_or_else(|| beside("tollgate"), Ok)?;
        target::ensure_built(&gateway)?;
        let dir: PathBuf = beside("bench-logs")?;
        std::fs::create_dir_all(&dir)?;
        remove(&dir.join(DATA))?;
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
            lab: Lab { gateway, dir, upstream, workers, cores: proxies, databases: Vec::new() },
            folders: 0,
            rounds: options.rounds.unwrap_or(rounds),
            time,
            simulator,
        })
    }

    /// Starts a target and asks it once. One with virtual keys is started twice: to make them, and with them.
    fn start(&mut self, target: Target, models: &[&str], options: &Options) -> Fallible<Process> {
        self.folders += 1;
        let folder = self.lab.dir.join(DATA).join(self.folders.to_string());
        std::fs::create_dir_all(&folder)?;
        let start = |lab: &Lab| -> Fallible<Process> {
            Ok(target.start(lab, models, &folder)?.ok_or("the simulator runs already")?)
        };
        if let Target::Keys(base, stored) = target {
            let server = options.server.as_deref().filter(|_| base == Base::Server);
            let database = self.block(Database::new(server, &folder, target.name()))?;
            self.lab.databases.push((target, database.clone()));
            let maker = start(&self.lab)?;
            self.block(keyring::make_first(maker.addr, target::KEY))?;
            drop(maker);
            let began = Instant::now();
            self.block(database.fill(stored.count()))?;
            println!("{}: {} keys were written in {:.1?}", target.name(), stored.count(), began.elapsed());
        }
        let process = start(&self.lab)?;
        self.block(self.greet(process.addr, &target.key()))?;
        println!(
            "{} listened after {:.0?}, {:.1} MB resident",
            target.name(),
            process.start_time,
            process.memory()?.resident as f64 / f64::from(1 << 20)
        );
        Ok(process)
    }

    async fn greet(&self, addr: SocketAddr, key: &str) -> Fallible<()> {
        let hello = client::request(key, GREETED, 20, false);
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            match Client::connect(addr).await?.call(&hello).await {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    fn timed(&self, scenario: &Scenario, targets: &[Target], started: &[(Target, Process)]) -> Fallible<Row> {
        let mut direct = Figures { target: Target::Direct.name(), ..Figures::default() };
        let to_upstream = requests(scenario, Target::Direct);
        let mut taken = vec![false; started.len()];
        let mut measured = Vec::new();
        for target in targets {
            let mut free = started.iter().zip(&mut taken);
            let found = free.find(|((other, _), taken)| other == target && !**taken);
            let ((_, process), taken) = found.ok_or("a target was not started")?;
            *taken = true;
            let keyed = matches!(target, Target::Keys(..));
            let figures = Figures { target: target.name(), keyed, ..Figures::default() };
            let requests = requests(scenario, *target);
            if keyed {
                // Every key is looked up once, in no round.
                let used = scenario.keys.map_or(0, |keys| keys.used);
                self.block(load::count(process.addr, &requests, 32, used))?;
                process.rest()?;
            }
            measured.push((process, requests, figures));
        }
        for _ in 0..self.rounds {
            if scenario.latency() {
                self.round(scenario, &to_upstream, &self.simulator, self.lab.upstream, &mut direct)?;
            }
            for (process, requests, figures) in &mut measured {
                self.round(scenario, requests, process, process.addr, figures)?;
            }
        }
        let targets = measured.into_iter().map(|(_, _, figures)| figures).collect();
        Ok(Row { scenario: scenario.clone(), direct, targets })
    }

    /// One target, one time: a short warm-up, then the load.
    fn round(
        &self,
        scenario: &Scenario,
        request: &Rc<Requests>,
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
        process.rest()?;
        let (begin, cpu) = (Instant::now(), process.cpu_ns()?);
        let mut outcome = apply(self.time)?;
        let elapsed = begin.elapsed();
        // What the proxy still does for the last answers belongs to them.
        process.rest()?;
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
    fn held(
        &mut self,
        scenario: &Scenario,
        targets: &[Target],
        clients: usize,
        models: &[&str],
        options: &Options,
    ) -> Fallible<Row> {
        let mut all = Vec::new();
        for target in targets {
            let requests = requests(scenario, *target);
            let process = self.start(*target, models, options)?;
            let before = process.memory()?;
            let held = self.block(load::hold(process.addr, &requests, clients))?;
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
        Ok(Row { scenario: scenario.clone(), direct: Figures::default(), targets: all })
    }

    fn block<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(LocalSet::new().run_until(work))
    }
}

/// What a target is sent.
fn requests(scenario: &Scenario, target: Target) -> Rc<Requests> {
    let key = target.key();
    let bytes = client::request(&key, scenario.model, scenario.prompt_bytes, scenario.streams());
    let used = scenario.keys.filter(|_| matches!(target, Target::Keys(..))).map_or(1, |keys| keys.used);
    Rc::new(Requests::new(bytes, &key, used))
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
