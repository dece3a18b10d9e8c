//! The arguments of `tollgate doctor`.

use clap::Args;
use std::path::PathBuf;

/// What to look over.
#[derive(Args)]
pub(in crate::cli) struct Doctor {
    /// Where the gateway is [default: http://127.0.0.1:4000, or $PORT there]
    #[arg(long, value_name = "URL")]
    pub(super) url: Option<String>,
    /// Configuration file that it serves [default: conf/tollgate.yaml, if it is there]
    #[arg(short, long, value_name = "FILE", env = "CONFIG_FILE_PATH")]
    pub(super) config: Option<PathBuf>,
    /// Also make calls that cost tokens: one whole, one streamed, one with a key of its own
    #[arg(long)]
    pub(super) spend: bool,
    /// The model to call [default: the first of /v1/models]
    #[arg(long, value_name = "NAME")]
    pub(super) model: Option<String>,
    /// Where Prometheus is [default: port 9090 beside the gateway, if something listens there]
    #[arg(long, value_name = "URL")]
    pub(super) prometheus: Option<String>,
    /// Where Grafana is [default: port 3000 beside the gateway, if something listens there]
    #[arg(long, value_name = "URL")]
    pub(super) grafana: Option<String>,
    /// Longest wait for each answer, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(super) timeout: u64,
    /// Print one JSON document instead of lines
    #[arg(long)]
    pub(super) json: bool,
}
