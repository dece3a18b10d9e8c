//! The compiled configuration: what the rest of the program sees of YAML and environment.

use super::{Groups, Settings, StoredModels};
use crate::domain::{BudgetTerms, HostPort, Money, RateTerms, Secret};
use crate::limits::Unpriced;
use crate::providers::search::SearchTool;
use crate::providers::{Passage, Target};
use crate::routing::{ByClass, Fallbacks};
use crate::shared;
use crate::store::DatabaseSettings;
use crate::telemetry::{Sampler, Selection, sinks};
use http::HeaderName;
use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A whole configuration. It never changes; a reload makes a new one.
#[derive(Clone, Debug)]
pub struct Config {
    /// Listening, authentication and process-wide limits.
    pub server: ServerConfig,
    /// Metrics, and where finished calls are sent.
    pub telemetry: TelemetryConfig,
    /// Limits and budgets of the gateway itself.
    pub spending: SpendingConfig,
    /// Retries, timeouts and cooldown.
    pub router: RouterConfig,
    /// Whether `rpm` and `tpm` are limits, and how calls wait for them.
    pub queue: QueueConfig,
    /// How long realtime sessions may last.
    pub realtime: RealtimeConfig,
    /// What single groups do differently.
    pub groups: Groups,
    /// All deployments, in file order. Entries that share a `model_name` form a group.
    pub targets: Vec<Arc<Target>>,
    /// Paths that lead elsewhere as they are (`pass_through_endpoints`).
    pub passages: Vec<Arc<Passage>>,
    /// What is searched by which name (`search_tools`).
    pub search_tools: Vec<Arc<SearchTool>>,
    /// Whether calls of search tools by models are answered here, and how often.
    pub search_loop: Option<SearchLoop>,
    /// Other names of groups.
    pub aliases: Vec<Alias>,
    /// How deployments of the database are read.
    pub stored: StoredModels,
    /// What the sections of the file say, to be compared with another configuration.
    pub settings: Settings,
}

/// Bounds of searching for a model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SearchLoop {
    /// So often a model is asked again; then it must answer.
    pub max_rounds: u32,
    /// It must answer once rounds and searches have cost so much.
    pub max_cost: Money,
    /// It must answer after so long; no search may take longer.
    pub timeout: Duration,
}

/// Bounds of a realtime session.
#[derive(Clone, Copy, Debug)]
pub struct RealtimeConfig {
    /// It ends when nobody has sent anything for so long.
    pub idle: Duration,
    /// It ends after so long.
    pub longest: Duration,
    /// What it used is settled and written down so often.
    pub booked_every: Duration,
}

/// Limits of upstream keys, and waiting for them.
#[derive(Clone, Debug)]
pub struct QueueConfig {
    /// Whether the `rpm` and `tpm` of deployments are limits (`tollgate.queue`, or `enforce_model_rate_limits`).
    pub is_on: bool,
    /// How long a call may wait where nobody says another time; zero is not at all.
    pub max_wait: Duration,
    /// Most calls that wait for one group.
    pub max_depth: usize,
    /// The best priority that a call may have, and has if it says nothing; lower is sooner.
    pub priority: u8,
    /// The window that upstreams count in.
    pub window: Duration,
    /// How often a stream that waits is sent a comment; its head is sent with the first. `None` is never.
    pub keep_alive: Option<Duration>,
}

impl Config {
    /// How long calls of a group may wait; `None` if its deployments' limits are none.
    #[must_use]
    pub fn max_wait_of(&self, group: &str) -> Option<Duration> {
        let own = self.groups.of(group).and_then(|group| group.max_wait);
        own.or_else(|| self.queue.is_on.then_some(self.queue.max_wait))
    }
}

/// Process-wide settings.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where to listen.
    pub host: IpAddr,
    /// The port to listen on.
    pub port: u16,
    /// Data-plane runtimes, each with one thread; 0 means one per core.
    pub workers: usize,
    /// The admin key; without one every request is accepted as an internal user.
    pub master_key: Option<Secret>,
    /// Where keys and spending are kept.
    pub database: DatabaseSettings,
    /// The Redis by which several gateways share their counters; read at the start only.
    pub shared: Option<shared::Settings>,
    /// The folder for what this process writes: its journal, and the SQLite file.
    pub data_dir: PathBuf,
    /// Extra header that may carry the client's key, checked first (`litellm_key_header_name`).
    pub key_header: Option<String>,
    /// Largest request body, in bytes.
    pub max_body_bytes: usize,
    /// Largest form with a file, which is passed on as it comes, in bytes.
    pub max_upload_bytes: usize,
    /// How long a client may take to send a body, besides a second for each 16 KiB of it, and how long it may take nothing
    /// of its answer; zero is as long as it likes.
    pub body_timeout: Duration,
    /// Where the access log goes.
    pub access_log: AccessLogTarget,
    /// Whether `/metrics` wants a key (`require_auth_for_metrics_endpoint`).
    pub metrics_need_key: bool,
    /// Whether the process may listen on a public address with a missing or sample master key.
    pub allow_insecure: bool,
    /// How endpoints are probed.
    pub health_check: HealthCheck,
    /// After SIGTERM, connections are accepted for so long while readiness says that the process goes.
    pub shutdown_delay: Duration,
    /// Longest wait for open requests after that.
    pub drain_timeout: Duration,
    /// Names in `callbacks`, `success_callback` and `failure_callback`, as configured.
    pub callbacks: Vec<String>,
}

/// Metrics, and where finished calls are sent.
#[derive(Clone, Debug, Default)]
pub struct TelemetryConfig {
    /// LiteLLM's families that are exposed; read at the start only (`prometheus_metrics_config`).
    pub selection: Selection,
    /// Whether metrics tell end users apart (`enable_end_user_cost_tracking_prometheus_only`).
    pub end_users: bool,
    /// Where traces are sent; read at the start only.
    pub otel: Option<OtelConfig>,
    /// Where calls are sent; read at the start only.
    pub langfuse: Option<LangfuseConfig>,
    /// Whether upstreams are told of traces; `None` means when there are any of ours
    /// (`forward_traceparent_to_llm_provider`). Read at the start only.
    pub passes_traces_on: Option<bool>,
}

/// Where a sink of finished calls is.
#[derive(Clone, Debug, PartialEq)]
pub struct SinkAddress {
    /// Its origin.
    pub origin: HostPort,
    /// The path that is posted to.
    pub path: String,
    /// Headers with its credentials.
    pub headers: Vec<(HeaderName, Secret)>,
}

/// Traces in OTLP.
#[derive(Clone, Debug, PartialEq)]
pub struct OtelConfig {
    /// The collector.
    pub address: SinkAddress,
    /// What describes this process, `service.name` first.
    pub resource: Vec<(String, String)>,
    /// Which traces are kept.
    pub sampler: Sampler,
    /// Metrics, if they are sent too (`LITELLM_OTEL_INTEGRATION_ENABLE_METRICS`).
    pub metrics: Option<MetricsConfig>,
}

/// Metrics in OTLP.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricsConfig {
    /// The collector.
    pub address: SinkAddress,
    /// The time between two posts.
    pub every: Duration,
}

/// Calls in Langfuse.
#[derive(Clone, Debug, PartialEq)]
pub struct LangfuseConfig {
    /// Where it is.
    pub address: SinkAddress,
    /// Which calls it gets.
    pub choice: sinks::Choice,
}

/// Limits and budgets that hold for everybody, and how spending is written down.
#[derive(Clone, Debug)]
pub struct SpendingConfig {
    /// Limits on the speed of all calls together.
    pub rates: RateTerms,
    /// The budget of all calls together (`litellm_settings.max_budget`).
    pub budget: BudgetTerms,
    /// The budget of each end user that has none of its own (`max_end_user_budget`).
    pub customer_budget: BudgetTerms,
    /// The budget row for them (`max_end_user_budget_id`).
    pub customer_budget_id: Option<String>,
    /// Budgets of providers (`provider_budget_config`).
    pub provider_budgets: Vec<(String, BudgetTerms)>,
    /// Where days, weeks and months begin; UTC if `None`.
    pub time_zone: Option<String>,
    /// What becomes of calls whose price nobody knows.
    pub unpriced: Unpriced,
    /// Addresses that may call; none means all.
    pub allowed_ips: Vec<IpAddr>,
    /// Addresses that may not.
    pub blocked_ips: Vec<IpAddr>,
    /// Whether the address before the last proxy counts (`use_x_forwarded_for`).
    pub forwarded_for: bool,
    /// Whether each call must name its end user (`enforce_user_param`).
    pub needs_customer: bool,
    /// How spending is written down.
    pub ledger: LedgerConfig,
    /// What new keys get, and may not exceed.
    pub key_terms: KeyTerms,
}

/// What new keys get, and may not exceed; by the names of the fields of `/key/generate`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeyTerms {
    /// For what a request leaves out (`default_key_generate_params`).
    pub defaults: Vec<(&'static str, KeyTerm)>,
    /// Most that a request can ask for, and what it gets if it does not ask (`upperbound_key_generate_params`).
    pub bounds: Vec<(&'static str, KeyTerm)>,
}

/// A value of a key.
#[derive(Clone, Debug, PartialEq)]
pub enum KeyTerm {
    /// An amount in US dollars.
    Number(f64),
    /// A limit.
    Count(u64),
    /// A duration, as it is written (`30d`).
    Lasting(String),
    /// A name.
    Text(String),
    /// Names.
    Texts(Vec<String>),
}

/// How spending is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerConfig {
    /// The journal's size, in bytes, from which on it is reported.
    pub journal_max_bytes: u64,
    /// Whether calls are served when nothing can be written down any more.
    pub serves_when_full: bool,
    /// Whether each call's row is kept (`disable_spend_logs`).
    pub keeps_rows: bool,
    /// Whether prompts and answers are kept (`store_prompts_in_spend_logs`, unless `turn_off_message_logging`).
    pub keeps_content: bool,
    /// How long rows are kept (`maximum_spend_logs_retention_period`).
    pub retention: Option<Duration>,
    /// Time between two deletions of old rows (`maximum_spend_logs_retention_interval`).
    pub retention_interval: Duration,
}

/// Where access-log lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLogTarget {
    /// Nowhere.
    Off,
    /// Standard output.
    Stdout,
    /// Appended to a file.
    File(PathBuf),
}

/// How endpoints are probed; neither costs a token nor wakes a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HealthCheck {
    /// Only real traffic tells.
    Off,
    /// A TCP connect.
    Tcp {
        /// Time between probes.
        interval: Duration,
    },
    /// An HTTP GET that must answer below 500.
    Http {
        /// The path asked for, from the origin's root.
        path: String,
        /// Time between probes.
        interval: Duration,
    },
}

/// Routing settings (`router_settings`, falling back to `litellm_settings`).
#[derive(Clone, Debug)]
pub struct RouterConfig {
    /// How the next deployment is chosen.
    pub strategy: crate::routing::Choice,
    /// What leaves deployments out.
    pub filters: Filters,
    /// Extra attempts within the group.
    pub num_retries: u32,
    /// Longest silence of an upstream.
    pub timeout: Duration,
    /// Longest silence of an upstream while streaming; `None` means `timeout`.
    pub stream_timeout: Option<Duration>,
    /// Least wait between attempts.
    pub retry_after: Duration,
    /// Failures within a window that a deployment is allowed before it cools.
    pub allowed_fails: u32,
    /// The same by class of failure (`allowed_fails_policy`).
    pub allowed_fails_policy: ByClass,
    /// Extra attempts by class of failure (`retry_policy`).
    pub retry_policy: ByClass,
    /// The same for one group (`model_group_retry_policy`).
    pub group_retry_policies: HashMap<String, ByClass>,
    /// Where calls go whose group fails.
    pub fallbacks: Fallbacks,
    /// How long a deployment is out of rotation.
    pub cooldown_time: Duration,
    /// Never take a deployment out of rotation.
    pub disable_cooldowns: bool,
    /// Drop parameters that the provider does not take, instead of refusing.
    pub drop_params: bool,
    /// Change conversations that an upstream would refuse into ones that it takes.
    pub modify_params: bool,
}

/// What else decides whether a deployment may be chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    /// Whether `tags` decide (`enable_tag_filtering`).
    pub tags: bool,
    /// Whether one tag in common is enough (`tag_filtering_match_any`).
    pub any_tag: bool,
    /// Whether the prompt must fit `max_input_tokens` (`enable_pre_call_checks`).
    pub context: bool,
}

/// A name that stands for a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// The name clients use.
    pub name: String,
    /// The groups it stands for; a list is their union.
    pub groups: Vec<String>,
    /// Not shown in `/v1/models`.
    pub hidden: bool,
}

pub use crate::providers::ModelInfo;
