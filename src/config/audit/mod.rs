//! What becomes of every key of a file: honoured, ignored as LiteLLM ignores it, not served yet, unknown.

mod entries;
pub(crate) mod keys;
mod settings;

use super::env::may_be_set;
use super::resolve::joined;
use super::tree::{Entry, Node, Value};
use super::{ConfigFile, Place, did_you_mean};
use crate::routing::strategies;
use keys::{Key, Known};
use std::fmt;

/// What becomes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// It does what it says.
    Honoured,
    /// LiteLLM ignores it in this place, and so does tollgate.
    IgnoredByLiteLlm,
    /// LiteLLM knows it; this version does not serve it.
    Unsupported,
    /// Nobody knows it.
    Unknown,
}

/// One key and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// The key.
    pub place: Place,
    /// What becomes of it.
    pub status: Status,
    /// What there is to say; may be empty.
    pub note: String,
}

impl Status {
    /// The word shown to people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Honoured => "honoured",
            Self::IgnoredByLiteLlm => "ignored",
            Self::Unsupported => "unsupported",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for AuditRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.status.as_str())?;
        if self.note.is_empty() { Ok(()) } else { write!(f, ": {}", self.note) }
    }
}

/// One row for each key, in file order.
#[must_use]
pub fn audit(file: &ConfigFile) -> Vec<AuditRow> {
    let mut rows = Rows(Vec::new());
    for entry in file.root.entries() {
        let path = entry.key.as_str();
        match path {
            "model_list" => rows.models(&entry.node),
            "search_tools" => rows.search_tools(&entry.node),
            "litellm_settings" => rows.section(&entry.node, path, keys::LITELLM),
            "router_settings" => rows.section(&entry.node, path, keys::ROUTER),
            "general_settings" => rows.section(&entry.node, path, keys::GENERAL),
            "tollgate" => rows.section(&entry.node, path, keys::TOLLGATE),
            "environment_variables" => rows.variables(&entry.node),
            _ => rows.by_table(entry, "", keys::TOP),
        }
    }
    rows.0
}

struct Rows(Vec<AuditRow>);

impl Rows {
    fn push(&mut self, entry: &Entry, path: &str, status: Status, note: impl Into<String>) {
        self.0.push(AuditRow { place: entry.mark.place(path), status, note: note.into() });
    }

    fn section(&mut self, node: &Node, path: &str, table: &'static [Key]) {
        for entry in node.entries() {
            let below = joined(path, &entry.key);
            match below.as_str() {
                "litellm_settings.callbacks"
                | "litellm_settings.success_callback"
                | "litellm_settings.failure_callback" => self.callbacks(entry, &below),
                "router_settings.routing_strategy_args" => {
                    self.section(&entry.node, &below, keys::STRATEGY_ARGS)
                }
                "tollgate.groups" => self.groups(&entry.node, &below),
                "router_settings.routing_strategy" => self.strategy(entry, &below),
                "router_settings.retry_policy" => self.section(&entry.node, &below, keys::RETRY_POLICY),
                "router_settings.allowed_fails_policy" => {
                    self.section(&entry.node, &below, keys::FAILS_POLICY);
                }
                "router_settings.model_group_retry_policy" => {
                    for group in entry.node.entries() {
                        self.section(&group.node, &joined(&below, &group.key), keys::RETRY_POLICY);
                    }
                }
                "tollgate.health_check" if !entry.node.entries().is_empty() => {
                    self.section(&entry.node, &below, keys::HEALTH_CHECK);
                }
                "tollgate.realtime" if !entry.node.entries().is_empty() => {
                    self.section(&entry.node, &below, keys::REALTIME);
                }
                "tollgate.search_loop" if !entry.node.entries().is_empty() => {
                    self.section(&entry.node, &below, keys::SEARCH_LOOP);
                }
                "tollgate.queue" if !entry.node.entries().is_empty() => {
                    self.section(&entry.node, &below, keys::QUEUE);
                }
                "tollgate.shared" if !entry.node.entries().is_empty() => {
                    self.section(&entry.node, &below, keys::SHARED);
                }
                "litellm_settings.cache_params" if !entry.node.entries().is_empty() => {
                    self.section(&entry.node, &below, keys::CACHE_PARAMS);
                }
                "router_settings.optional_pre_call_checks" => self.checks(entry, &below),
                _ => self.by_table(entry, path, table),
            }
        }
    }

    fn checks(&mut self, entry: &Entry, path: &str) {
        if entry.node.is_empty() {
            return self.push(entry, path, Status::Honoured, "asks for nothing");
        }
        for node in entry.node.items() {
            let name = node.text().unwrap_or_default();
            let (status, note) = match name {
                "enforce_model_rate_limits" => (Status::Honoured, "rpm and tpm are limits"),
                _ => (Status::Unsupported, keys::LATER),
            };
            let place = node.mark.place(&format!("{path}: {name}"));
            self.0.push(AuditRow { place, status, note: note.to_owned() });
        }
    }

    /// What single groups do differently.
    fn groups(&mut self, node: &Node, path: &str) {
        for group in node.entries() {
            let path = joined(path, &group.key);
            for entry in group.node.entries() {
                let below = joined(&path, &entry.key);
                match entry.key.as_str() {
                    "routing_strategy" => self.strategy(entry, &below),
                    "routing_strategy_args" => self.section(&entry.node, &below, keys::STRATEGY_ARGS),
                    "hedge" if !entry.node.entries().is_empty() => {
                        self.section(&entry.node, &below, keys::HEDGE)
                    }
                    _ => self.by_table(entry, &path, keys::GROUP),
                }
            }
        }
    }

    fn by_table(&mut self, entry: &Entry, path: &str, table: &'static [Key]) {
        let below = joined(path, &entry.key);
        match keys::find(table, &entry.key) {
            Some(Known::Yes(note)) => self.push(entry, &below, Status::Honoured, note),
            Some(Known::Ignored(note)) => self.push(entry, &below, Status::IgnoredByLiteLlm, note),
            Some(Known::Later(_)) if entry.node.is_empty() => {
                self.push(entry, &below, Status::Honoured, "asks for nothing");
            }
            Some(Known::Later(note)) => self.push(entry, &below, Status::Unsupported, note),
            None => {
                let meant = did_you_mean(&entry.key, table.iter().map(|key| key.name));
                let note = meant.map(|meant| format!("did you mean \"{meant}\"?")).unwrap_or_default();
                self.push(entry, &below, Status::Unknown, note);
            }
        }
    }

    fn callbacks(&mut self, entry: &Entry, path: &str) {
        if entry.node.is_empty() {
            return self.push(entry, path, Status::Honoured, "asks for nothing");
        }
        let one = std::slice::from_ref(&entry.node);
        let names = if entry.node.items().is_empty() { one } else { entry.node.items() };
        for node in names {
            let name = node.text().unwrap_or_default();
            let (status, note) = match name {
                "prometheus" => (Status::Honoured, "/metrics is always there"),
                "otel" => (Status::Honoured, "traces by OTEL_EXPORTER_OTLP_ENDPOINT; read at the start only"),
                "langfuse" | "langfuse_otel" => {
                    (Status::Honoured, "by LANGFUSE_PUBLIC_KEY and its like; read at the start only")
                }
                "custom_callbacks.my_prometheus_logger" => {
                    (Status::Honoured, "Python is not run; its histograms are built in as litellm_custom_*")
                }
                _ if name.contains('.') => (Status::Unsupported, "a Python callback cannot be run"),
                _ => (Status::Unsupported, "this callback is not served yet"),
            };
            let place = node.mark.place(&format!("{path}: {name}"));
            self.0.push(AuditRow { place, status, note: note.to_owned() });
        }
    }

    fn strategy(&mut self, entry: &Entry, path: &str) {
        match entry.node.text().and_then(strategies::Entry::named) {
            Some(known) if known.limits => self.push(entry, path, Status::Honoured, "rpm and tpm are limits"),
            Some(_) => self.push(entry, path, Status::Honoured, ""),
            None => self.push(entry, path, Status::Unknown, "no strategy"),
        }
    }

    fn variables(&mut self, node: &Node) {
        for entry in node.entries() {
            let path = joined("environment_variables", &entry.key);
            if may_be_set(&entry.key) {
                self.push(entry, &path, Status::Honoured, "");
            } else {
                self.push(
                    entry,
                    &path,
                    Status::IgnoredByLiteLlm,
                    "a configuration may not set this variable",
                );
            }
        }
    }

    fn models(&mut self, list: &Node) {
        for (i, item) in list.items().iter().enumerate() {
            let path = format!("model_list[{i}]");
            for entry in item.entries() {
                let below = joined(&path, &entry.key);
                match (entry.key.as_str(), &entry.node.value) {
                    ("litellm_params", Value::Map(_)) => self.params(&entry.node, &below),
                    ("model_info", Value::Map(_)) => self.info(&entry.node, &below),
                    _ => self.by_table(entry, &path, keys::ENTRY),
                }
            }
        }
    }

    fn search_tools(&mut self, list: &Node) {
        for (i, item) in list.items().iter().enumerate() {
            let path = format!("search_tools[{i}]");
            for entry in item.entries() {
                match (entry.key.as_str(), &entry.node.value) {
                    ("litellm_params", Value::Map(_)) => {
                        self.section(&entry.node, &joined(&path, &entry.key), keys::SEARCH_PARAMS);
                    }
                    _ => self.by_table(entry, &path, keys::SEARCH_TOOL),
                }
            }
        }
    }

    fn params(&mut self, node: &Node, path: &str) {
        for entry in node.entries() {
            if !keys::is_sent_upstream(&entry.key) {
                self.by_table_or_later(entry, path);
                continue;
            }
            let meant = keys::probably_meant(&entry.key);
            let hint = meant.map(|meant| format!("; did you mean \"{meant}\"?")).unwrap_or_default();
            self.push(entry, &joined(path, &entry.key), Status::Honoured, format!("sent upstream{hint}"));
        }
    }

    /// Credentials of other providers are known by what they begin with.
    fn by_table_or_later(&mut self, entry: &Entry, path: &str) {
        if let Some(table) = keys::of(&[keys::PARAMS, keys::PRICES], &entry.key) {
            return self.by_table(entry, path, table);
        }
        let (status, note) = match entry.node.is_empty() {
            true => (Status::Honoured, "asks for nothing"),
            false => (Status::Unsupported, keys::LATER),
        };
        self.push(entry, &joined(path, &entry.key), status, note);
    }

    fn info(&mut self, node: &Node, path: &str) {
        for entry in node.entries() {
            if let Some(table) = keys::of(&[keys::INFO, keys::PRICES], &entry.key) {
                self.by_table(entry, path, table);
            } else if keys::is_price(&entry.key) {
                self.push(
                    entry,
                    &joined(path, &entry.key),
                    Status::Unsupported,
                    "this price is not billed yet",
                );
            } else {
                self.push(entry, &joined(path, &entry.key), Status::Honoured, "shown by /model/info");
            }
        }
    }
}
