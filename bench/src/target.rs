//! What is measured against what: how each proxy is configured and started.

use crate::keyring::{self, Database};
use crate::process::{Process, free_addr};
use crate::scenario::{self, Stored};
use crate::traces;
use std::error::Error;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The key clients send, the gateway's master key.
pub const KEY: &str = "sk-bench-5f2c7d91a4e84b06";

/// A proxy under test, or the simulator itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// No proxy: the floor of every latency.
    Direct,
    /// The bare Pingora pass-through.
    Bare,
    /// The same without a read buffer on client connections.
    Unbuffered,
    /// The tollgate binary.
    Tollgate,
    /// The same with traces of one call in a hundred.
    Traced,
    /// The same asked with virtual keys, which it finds in a file or on a database server.
    Keys(Base, Stored),
    /// nginx as a plain reverse proxy.
    Nginx,
}

/// Which kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    File,
    Server,
}

/// Where things are.
#[derive(Debug)]
pub struct Lab {
    pub gateway: PathBuf,
    /// Configuration and logs.
    pub dir: PathBuf,
    pub upstream: SocketAddr,
    pub workers: usize,
    /// Cores of the proxy under test, as `taskset -c` takes them; empty pins nothing.
    pub cores: String,
    /// Databases of gateways that are asked with virtual keys.
    pub databases: Vec<(Target, Database)>,
}

impl Target {
    /// The key that it is asked with.
    pub fn key(self) -> String {
        if matches!(self, Self::Keys(..)) { keyring::key(0) } else { KEY.to_owned() }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Bare => "bare",
            Self::Unbuffered => "unbuffered",
            Self::Tollgate => "tollgate",
            Self::Traced => "traced",
            Self::Keys(Base::File, Stored::One) => "keys",
            Self::Keys(Base::File, Stored::Million) => "keys-1m",
            Self::Keys(Base::Server, Stored::One) => "keys-pg",
            Self::Keys(Base::Server, Stored::Million) => "keys-pg-1m",
            Self::Nginx => "nginx",
        }
    }

    /// Starts it; `None` for the simulator, which runs already. `folder` is for the gateway's own files.
    pub fn start(self, lab: &Lab, models: &[&str], folder: &Path) -> Result<Option<Process>, Box<dyn Error>> {
        let addr = free_addr()?;
        let log = lab.dir.join(format!("{}.log", self.name()));
        let (program, args) = match self {
            Self::Direct => return Ok(None),
            Self::Bare => (std::env::current_exe()?, bare(lab, addr, "")),
            Self::Unbuffered => (std::env::current_exe()?, bare(lab, addr, "--read-buffer 0")),
            Self::Tollgate | Self::Traced | Self::Keys(..) => {
                (lab.gateway.clone(), self.tollgate(lab, addr, models, folder)?)
            }
            Self::Nginx => (PathBuf::from("nginx"), nginx(lab, addr)?),
        };
        Process::start(self.name(), &program, &args, &lab.cores, addr, &log)
            .map(Some)
            .map_err(|error| format!("{error} (see {})", log.display()).into())
    }

    /// Writes the gateway's configuration, with prices, so that calls cost something.
    fn tollgate(
        self,
        lab: &Lab,
        addr: SocketAddr,
        models: &[&str],
        folder: &Path,
    ) -> Result<Vec<String>, Box<dyn Error>> {
        let name = self.name();
        let mut yaml = String::from("model_list:\n");
        let copies = |model: &str| if model == scenario::MANY { scenario::MANY_DEPLOYMENTS } else { 1 };
        for (model, copy) in models.iter().flat_map(|model| (0..copies(model)).map(move |copy| (model, copy)))
        {
            let (provider, path) = match *model {
                scenario::TRANSLATED | scenario::TRANSLATED_STREAM => ("anthropic", ""),
                _ => ("openai", "/v1"),
            };
            write!(
                yaml,
                "  - model_name: {model}\n    litellm_params:\n      model: {provider}/{model}\n      \
                 api_base: http://{}{path}\n      api_key: sk-upstream-{copy}\n      \
                 input_cost_per_token: 0.0000025\n      output_cost_per_token: 0.00001\n",
                lab.upstream
            )?;
        }
        let database = lab.databases.iter().find(|(target, _)| *target == self);
        let url = database
            .map_or_else(|| Database::File(folder.join("tollgate.db")).url(), |(_, database)| database.url());
        write!(
            yaml,
            "general_settings:\n  master_key: {KEY}\n  database_url: {url}\n  disable_spend_logs: {}\n\
             tollgate:\n  access_log: {}\n  workers: {}\n",
            !matches!(self, Self::Keys(..)),
            lab.dir.join(format!("{name}-access.log")).display(),
            lab.workers
        )?;
        if self == Self::Traced {
            yaml.push_str(&traces::settings(lab.upstream));
        }
        let config = lab.dir.join(format!("{name}.yaml"));
        std::fs::write(&config, yaml)?;
        let mut args = words("serve --config");
        args.push(config.display().to_string());
        args.extend(["--data-dir".to_owned(), folder.display().to_string()]);
        args.extend(words(&format!("--host 127.0.0.1 --port {}", addr.port())));
        Ok(args)
    }
}

fn bare(lab: &Lab, addr: SocketAddr, more: &str) -> Vec<String> {
    let (upstream, workers) = (lab.upstream, lab.workers);
    words(&format!("bare --listen {addr} --upstream {upstream} --workers {workers} {more}"))
}

fn nginx(lab: &Lab, addr: SocketAddr) -> Result<Vec<String>, Box<dyn Error>> {
    let (dir, workers, upstream) = (lab.dir.display(), lab.workers, lab.upstream);
    let conf = format!(
        "worker_processes {workers}; pid {dir}/nginx.pid; error_log {dir}/nginx-error.log;\n\
         events {{ worker_connections 8192; }}\n\
         http {{ access_log off; keepalive_requests 1000000000; client_max_body_size 64m;\n\
         upstream u {{ server {upstream}; keepalive 1024; keepalive_requests 1000000000; }}\n\
         server {{ listen {addr}; location / {{ proxy_pass http://u; proxy_http_version 1.1;\n\
         proxy_set_header Connection \"\"; proxy_buffering off; proxy_request_buffering off; }} }} }}\n"
    );
    let path = lab.dir.join("nginx.conf");
    std::fs::write(&path, conf)?;
    Ok(["-c", &path.display().to_string(), "-g", "daemon off;"].map(str::to_owned).to_vec())
}

/// Builds the gateway if it is not there.
pub fn ensure_built(gateway: &Path) -> Result<(), Box<dyn Error>> {
    if gateway.exists() {
        return Ok(());
    }
    let mut cargo = std::process::Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let status = cargo.args(["build", "--release", "--package", "tollgate", "--bin", "tollgate"]).status()?;
    if !status.success() || !gateway.exists() {
        return Err(format!("there is no gateway at {}", gateway.display()).into());
    }
    Ok(())
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}
