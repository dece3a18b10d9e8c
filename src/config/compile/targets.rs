//! `model_list`: every entry becomes a deployment, or one for each key of a pool.

use super::super::field::{Report, Section};
use super::super::resolve::{joined, resolve, variable};
use super::super::tree::{Entry, Node, Value};
use super::super::{Env, Place, python};
use super::deployment::Deployment;
use super::{Sections, pool, warn_unset};
use crate::domain::TargetId;
use crate::providers::{Catalog, Target};
use std::collections::HashSet;
use std::sync::Arc;

/// All deployments, in file order.
pub(super) fn compile(
    root: &Node,
    sections: &Sections<'_>,
    env: &Env,
    catalog: &Catalog,
    report: &mut Report,
) -> Vec<Arc<Target>> {
    let slots = sections.router.field("default_max_parallel_requests").and_then(|f| f.count(report));
    let mut targets: Vec<Target> = Vec::new();
    let Some(list) = root.get("model_list") else {
        report.warn(root.mark.place("model_list"), "there are no models");
        return Vec::new();
    };
    if !matches!(list.node.value, Value::List(_)) {
        let message = format!("wants a list, not {}", list.node.kind());
        report.fault(list.mark.place("model_list"), message);
    }
    for (i, node) in list.node.items().iter().enumerate() {
        let entry = ListEntry { node, path: format!("model_list[{i}]"), env, catalog, slots };
        targets.extend(entry.compile(report).unwrap_or_default());
    }
    make_ids_unique(&mut targets, report);
    targets.into_iter().map(Arc::new).collect()
}

/// An entry of `model_list`, or one like it.
pub(super) struct ListEntry<'a> {
    pub(super) node: &'a Node,
    pub(super) path: String,
    pub(super) env: &'a Env,
    pub(super) catalog: &'a Catalog,
    pub(super) slots: Option<u32>,
}

impl ListEntry<'_> {
    pub(super) fn compile(&self, report: &mut Report) -> Option<Vec<Target>> {
        if !matches!(self.node.value, Value::Map(_)) {
            report.fault(
                self.node.mark.place(&self.path),
                "an entry is a mapping with model_name and litellm_params",
            );
            return None;
        }
        let name = self.required("model_name", report)?;
        let raw = self.required("litellm_params", report)?;
        let group = self.group(name, report)?;
        let info = self.resolved(self.node.get("model_info"), report);
        let info = Section::new(&info, joined(&self.path, "model_info"));
        if !self.is_for_this_environment(&info, report) {
            return None;
        }
        let mut targets = Vec::new();
        for params in self.variants(raw, report) {
            let params = Section::new(&params, joined(&self.path, "litellm_params"));
            let deployment = Deployment {
                group: &group,
                params: &params,
                info: &info,
                place: raw.mark.place(&joined(&self.path, "litellm_params")),
                env: self.env,
                catalog: self.catalog,
                slots: self.slots,
                base_is_unset: base_is_unset(&raw.node, &params),
            };
            targets.extend(deployment.target(report));
        }
        Some(targets)
    }

    fn required(&self, key: &str, report: &mut Report) -> Option<&Entry> {
        let found = self.node.get(key);
        if found.is_none() {
            report.fault(self.node.mark.place(&self.path), format!("{key} is missing"));
        }
        found
    }

    fn group(&self, name: &Entry, report: &mut Report) -> Option<String> {
        let path = joined(&self.path, "model_name");
        let resolved = self.resolved(Some(name), report);
        let group = match resolved.value {
            Value::List(_) | Value::Map(_) | Value::Null => None,
            _ => Some(python::str_of(&resolved)).filter(|group| !group.trim().is_empty()),
        };
        if group.is_none() {
            report.fault(name.mark.place(&path), "wants the public name of the model");
        }
        group
    }

    /// The parameters with the environment in them, once for each key of a pool.
    fn variants(&self, raw: &Entry, report: &mut Report) -> Vec<Node> {
        if !matches!(raw.node.value, Value::Map(_)) {
            let message = format!("wants a mapping, not {}", raw.node.kind());
            report.fault(raw.mark.place(&joined(&self.path, "litellm_params")), message);
            return Vec::new();
        }
        let named = raw.node.get("api_key").and_then(|entry| variable(&entry.node));
        let Some(keys) = named.and_then(|name| pool::keys(name, self.env, report)) else {
            return vec![self.resolved(Some(raw), report)];
        };
        keys.into_iter().map(|key| self.resolved(Some(&with_key(raw, key)), report)).collect()
    }

    fn resolved(&self, entry: Option<&Entry>, report: &mut Report) -> Node {
        let Some(entry) = entry else { return Node::bare(Value::Map(Vec::new())) };
        let path = joined(&self.path, &entry.key);
        resolve(&entry.node, &path, self.env, &mut |unset| warn_unset(&unset, report))
    }

    fn is_for_this_environment(&self, info: &Section<'_>, report: &mut Report) -> bool {
        let Some(field) = info.field("supported_environments") else { return true };
        let here = self.env.filled("LITELLM_ENVIRONMENT").unwrap_or_default();
        let wanted = field.texts(report).iter().any(|name| name == here);
        if !wanted {
            report.warn(field.place(), "LITELLM_ENVIRONMENT is none of these; the entry is left out");
        }
        wanted
    }
}

fn with_key(raw: &Entry, key: String) -> Entry {
    let mut entry = raw.clone();
    if let Value::Map(members) = &mut entry.node.value {
        for member in members.iter_mut().filter(|member| member.key == "api_key") {
            member.node.value = Value::Text(key.clone());
        }
    }
    entry
}

/// Whether the base is written as a variable that has no value. Falling back to the provider's own
/// address would send the calls, and maybe a key, to somebody else.
fn base_is_unset(raw: &Node, params: &Section<'_>) -> bool {
    ["api_base", "base_url"].iter().any(|key| {
        let is_variable = raw.get(key).is_some_and(|entry| variable(&entry.node).is_some());
        is_variable && params.field(key).is_none_or(|field| field.is_blank())
    })
}

/// State is kept by id, so entries that are the same in all must not share one.
fn make_ids_unique(targets: &mut [Target], report: &mut Report) {
    let mut seen: HashSet<TargetId> = HashSet::new();
    for target in targets {
        let first = target.id.clone();
        let mut copy = 1;
        while !seen.insert(target.id.clone()) {
            copy += 1;
            target.id = TargetId::new(&format!("{first}-{copy}"));
        }
        if copy == 2 {
            let message = format!(
                "several deployments of \"{}\" have the id {first}; later ones get -2, -3, …",
                target.group
            );
            report.warn(Place::named("model_list"), message);
        }
    }
}
