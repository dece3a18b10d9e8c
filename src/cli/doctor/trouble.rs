//! The failure table: what is usually wrong, and what helps. `docker/README.md` prints it; a test compares the two.

/// A known cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    ConfigFaulty,
    EnvOpen,
    EnvUnfit,
    NotRunning,
    NoHost,
    Late,
    GoingAway,
    DatabaseAway,
    WrongMasterKey,
    NoMasterKey,
    UpstreamRefuses,
    UpstreamAway,
    UpstreamModel,
    UpstreamOther,
    NoModels,
    UnknownModel,
    CallFailed,
    StreamBroken,
    NoPrice,
    NotCharged,
    KeyNotMade,
    KeyNotUsable,
    KeyOutlives,
    NoMetrics,
    PrometheusAway,
    NotScraped,
    TargetDown,
    GrafanaAway,
    GrafanaUnwell,
    Odd,
}

impl Trouble {
    /// All of them, for the table in the documents.
    #[cfg(test)]
    pub(super) const ALL: &[Self] = &[
        Self::ConfigFaulty,
        Self::EnvOpen,
        Self::EnvUnfit,
        Self::NotRunning,
        Self::NoHost,
        Self::Late,
        Self::GoingAway,
        Self::DatabaseAway,
        Self::WrongMasterKey,
        Self::NoMasterKey,
        Self::UpstreamRefuses,
        Self::UpstreamAway,
        Self::UpstreamModel,
        Self::UpstreamOther,
        Self::NoModels,
        Self::UnknownModel,
        Self::CallFailed,
        Self::StreamBroken,
        Self::NoPrice,
        Self::NotCharged,
        Self::KeyNotMade,
        Self::KeyNotUsable,
        Self::KeyOutlives,
        Self::NoMetrics,
        Self::PrometheusAway,
        Self::NotScraped,
        Self::TargetDown,
        Self::GrafanaAway,
        Self::GrafanaUnwell,
        Self::Odd,
    ];

    /// What is likely wrong.
    pub(super) const fn cause(self) -> &'static str {
        self.words().0
    }

    /// What helps.
    pub(super) const fn cure(self) -> &'static str {
        self.words().1
    }

    #[rustfmt::skip]
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::ConfigFaulty => ("the configuration has faults", "`tollgate check FILE` names each line; correct them"),
            Self::EnvOpen => ("other users can read the secrets in `.env`", "`chmod 600 .env`"),
            Self::EnvUnfit => ("a value in `.env` is missing, or is still the placeholder of the documentation", "put the real value in, or let `tollgate init --force` ask for it"),
            Self::NotRunning => ("nothing listens there: the gateway is not started, ended at once, or has another port", "start it and read its first lines (`docker compose logs tollgate`, `journalctl -u tollgate`); another address: `--url`"),
            Self::NoHost => ("the name of the host is not known here", "correct `--url`, or ask from a machine that knows the name"),
            Self::Late => ("it takes connections and does not answer", "look at its log and at the machine's load; a longer wait: `--timeout`"),
            Self::GoingAway => ("it is shutting down and lets open calls end", "wait for its successor, or start it again"),
            Self::DatabaseAway => ("the database is away, or refuses the user or the password", "look at the database (`docker compose logs db`) and at DB_PASSWORD, which is set when its volume is made; known keys go on working meanwhile"),
            Self::WrongMasterKey => ("the gateway was started with another master key than the one here", "use the LITELLM_MASTER_KEY that it was started with, or restart it after a change of `.env`"),
            Self::NoMasterKey => ("no LITELLM_MASTER_KEY is known here", "run this where `.env` is, or set the variable"),
            Self::UpstreamRefuses => ("the provider refuses the key: wrong, expired, or of another region", "look the key up in the provider's console (MaaS: ap-southeast-1), then `tollgate init remove-key N`, `tollgate init add-key` and a reload"),
            Self::UpstreamAway => ("the gateway cannot reach the provider", "check api_base, DNS and the firewall between the two"),
            Self::UpstreamModel => ("the provider does not know the path or the model", "names are case-sensitive: compare `model` and api_base with the provider's console"),
            Self::UpstreamOther => ("the provider answers with an error", "if it lasts, ask the provider; meanwhile other keys and deployments serve"),
            Self::NoModels => ("the configuration serves no model", "add one to model_list"),
            Self::UnknownModel => ("no model of that name is served", "names are case-sensitive; `/v1/models` lists them"),
            Self::CallFailed => ("a call was refused or failed on every deployment", "the message says why; deployments that failed cool down for cooldown_time"),
            Self::StreamBroken => ("the stream broke off before its end", "look for a proxy in between that buffers or cuts, and at the provider's state"),
            Self::NoPrice => ("input_cost_per_token and output_cost_per_token are missing or zero, so budgets count nothing", "set both, per token and not per thousand, in model_info; `/model/info` shows them"),
            Self::NotCharged => ("the call is not booked yet: the database is away or far behind", "look at tollgate_ledger_lag_seconds in `/metrics` and at the log; nothing is lost meanwhile"),
            Self::KeyNotMade => ("no virtual key could be made", "the message says why; keys need the database"),
            Self::KeyNotUsable => ("a new key is refused: expired, over its budget, or not allowed the model", "look it up with `/key/info`"),
            Self::KeyOutlives => ("a deleted key is still taken", "wait a second if several gateways share the database, then report this"),
            Self::NoMetrics => ("`/metrics` has no litellm_ families", "ask the gateway itself and not a proxy before it that hides the path"),
            Self::PrometheusAway => ("Prometheus does not answer", "start it (`docker compose up -d prometheus`); another address: `--prometheus`"),
            Self::NotScraped => ("Prometheus has no target for the gateway", "add the job of `observability/prometheus.yml`"),
            Self::TargetDown => ("Prometheus cannot fetch `/metrics`", "check that the gateway is healthy and that Prometheus can resolve and reach its name"),
            Self::GrafanaAway => ("Grafana does not answer", "start it (`docker compose up -d grafana`); another address: `--grafana`"),
            Self::GrafanaUnwell => ("Grafana has trouble with its own database", "look at `docker compose logs grafana` and at its volume"),
            Self::Odd => ("the answer is not one that the gateway gives", "check that `--url` leads to tollgate and not to something else"),
        }
    }
}
