//! What changes when one configuration follows another: pure, and without any secret.

use super::Config;
use super::settings::Changed;
use crate::domain::TargetId;
use crate::providers::Target;
use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// What changes.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Deployments that are new.
    pub added: Vec<Arc<Target>>,
    /// Deployments that are no more.
    pub removed: Vec<Arc<Target>>,
    /// Deployments that go on otherwise.
    pub changed: Vec<ChangedTarget>,
    /// Keys of the sections.
    pub settings: Vec<Changed>,
    /// What has changed but counts only from the next start.
    pub restart: Vec<&'static str>,
    old_groups: BTreeSet<String>,
    new_groups: BTreeSet<String>,
}

/// A deployment that goes on otherwise.
#[derive(Clone, Debug)]
pub struct ChangedTarget {
    /// What it was.
    pub old: Arc<Target>,
    /// What it is.
    pub new: Arc<Target>,
    /// The parameters that differ, and `credential` for a key or a header.
    pub what: Vec<String>,
}

/// Compares two configurations of files; deployments of the database are not among them.
#[must_use]
pub fn diff(old: &Config, new: &Config) -> Plan {
    let groups = |config: &Config| config.targets.iter().map(|target| target.group.clone()).collect();
    let mut plan = Plan {
        settings: old.settings.changes(&new.settings),
        restart: restart(old, new),
        old_groups: groups(old),
        new_groups: groups(new),
        ..Plan::default()
    };
    plan.master_key(old, new);
    plan.targets(&old.targets, &new.targets);
    plan
}

impl Plan {
    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let targets = [&self.added, &self.removed].into_iter().all(Vec::is_empty) && self.changed.is_empty();
        targets && self.settings.is_empty() && self.restart.is_empty()
    }

    /// As JSON, for the API.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let list = |targets: &[Arc<Target>]| targets.iter().map(|target| named(target)).collect::<Vec<_>>();
        let settings = self.settings.iter().map(setting).collect::<Vec<_>>();
        json!({
            "deployments": {
                "added": list(&self.added),
                "removed": list(&self.removed),
                "changed": self.changed.iter().map(ChangedTarget::to_json).collect::<Vec<_>>(),
            },
            "model_groups": {
                "added": self.new_groups.difference(&self.old_groups).collect::<Vec<_>>(),
                "removed": self.old_groups.difference(&self.new_groups).collect::<Vec<_>>(),
                "changed": self.changed_groups(),
            },
            "settings": settings,
            "needs_restart": self.restart,
        })
    }

    /// In a few words, for the log.
    #[must_use]
    pub fn summary(&self) -> String {
        let counts = [
            (self.added.len(), "deployments added"),
            (self.removed.len(), "removed"),
            (self.changed.len(), "changed"),
            (self.settings.len(), "settings changed"),
        ];
        let mut words: Vec<String> =
            counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        if !self.restart.is_empty() {
            words.push(format!("only a restart changes {}", self.restart.join(", ")));
        }
        if words.is_empty() { "nothing changed".to_owned() } else { words.join(", ") }
    }

    /// The key may come from the environment, of which the sections know nothing.
    fn master_key(&mut self, old: &Config, new: &Config) {
        const NAME: &str = "general_settings.master_key";
        let is_known = self.settings.iter().any(|changed| changed.name == NAME);
        if old.server.master_key != new.server.master_key && !is_known {
            self.settings.push(Changed { name: NAME.to_owned(), values: None });
        }
    }

    fn targets(&mut self, old: &[Arc<Target>], new: &[Arc<Target>]) {
        let mut before: HashMap<&TargetId, &Arc<Target>> =
            old.iter().map(|target| (&target.id, target)).collect();
        let mut unknown = Vec::new();
        for target in new {
            match before.remove(&target.id) {
                Some(known) => self.compare(known, target),
                None => unknown.push(target),
            }
        }
        // An id is made of all parameters unless it is given, so that a new key makes a new one.
        let mut gone: Vec<&Arc<Target>> =
            old.iter().filter(|target| before.contains_key(&target.id)).collect();
        for target in unknown {
            match gone.iter().position(|known| are_alike(known, target)) {
                Some(at) => self.compare(gone.remove(at), target),
                None => self.added.push(Arc::clone(target)),
            }
        }
        self.removed.extend(gone.into_iter().cloned());
    }

    fn compare(&mut self, old: &Arc<Target>, new: &Arc<Target>) {
        let what = differences(old, new);
        if !what.is_empty() {
            self.changed.push(ChangedTarget { old: Arc::clone(old), new: Arc::clone(new), what });
        }
    }

    fn changed_groups(&self) -> BTreeSet<&str> {
        let targets = self.added.iter().chain(&self.removed);
        let changed = self.changed.iter().flat_map(|changed| [&changed.old, &changed.new]);
        let names = targets.chain(changed).map(|target| target.group.as_str());
        names.filter(|name| self.old_groups.contains(*name) && self.new_groups.contains(*name)).collect()
    }
}

impl ChangedTarget {
    fn to_json(&self) -> Value {
        let mut shown = named(&self.new);
        if self.old.id != self.new.id {
            shown["was"] = self.old.id.as_str().into();
        }
        shown["changes"] = json!(self.what);
        shown
    }
}

/// Whether one of these may be the other with another key or weight.
fn are_alike(old: &Target, new: &Target) -> bool {
    let place = |target: &Target| (target.origin.clone(), target.base_path.clone());
    (&old.group, &old.provider, &old.model) == (&new.group, &new.provider, &new.model)
        && place(old) == place(new)
}

/// Names what differs, by the names of the file.
fn differences(old: &Target, new: &Target) -> Vec<String> {
    let mut found = BTreeSet::new();
    let mut note = |differs: bool, name: &str| {
        if differs {
            found.insert(name.to_owned());
        }
    };
    note(old.api_key != new.api_key || old.params.extra_headers != new.params.extra_headers, "credential");
    note(old.group != new.group, "model_name");
    for (old, new, prefix) in
        [(&old.info.params, &new.info.params, ""), (&old.info.raw, &new.info.raw, "model_info.")]
    {
        keys(old, new).for_each(|key| note(true, &format!("{prefix}{key}")));
    }
    // What may not be shown is still seen to differ.
    note(old.params.extra_body != new.params.extra_body, "extra_body");
    note(old.params.defaults != new.params.defaults && old.info.params == new.info.params, "parameters");
    note(old.info.prices != new.info.prices, "prices");
    note(old.unserved != new.unserved, "whether it is served");
    if found.is_empty() && old.id != new.id {
        found.insert("parameters".to_owned());
    }
    found.into_iter().collect()
}

fn keys<'a>(old: &'a Map<String, Value>, new: &'a Map<String, Value>) -> impl Iterator<Item = &'a String> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    names.into_iter().filter(|name| old.get(*name) != new.get(*name))
}

/// What the process is made of and a reload does not touch.
fn restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let (a, b) = (&old.server, &new.server);
    let differ = [
        (a.host != b.host, "host"),
        (a.port != b.port, "port"),
        (a.workers != b.workers, "workers"),
        (a.data_dir != b.data_dir, "data_dir"),
        (a.access_log != b.access_log, "access_log"),
        (a.health_check != b.health_check, "health_check"),
        (a.database != b.database, "database"),
        (old.telemetry.selection != new.telemetry.selection, "prometheus_metrics_config"),
        (old.spending.ledger != new.spending.ledger, "journal and spend logs"),
    ];
    differ.into_iter().filter_map(|(differs, name)| differs.then_some(name)).collect()
}

fn named(target: &Target) -> Value {
    json!({
        "model_id": target.id.as_str(),
        "model_name": target.group,
        "model": format!("{}/{}", target.provider, target.model),
        "api_base": target.api_base,
    })
}

fn setting(changed: &Changed) -> Value {
    match &changed.values {
        Some((from, to)) => json!({ "name": changed.name, "from": from, "to": to }),
        None => json!({ "name": changed.name }),
    }
}

#[cfg(test)]
#[path = "diff_tests.rs"]
mod tests;
