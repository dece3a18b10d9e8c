//! `model_group_alias`: other names of groups.

use super::super::Alias;
use super::super::field::{Field, Report, Section};
use super::super::tree::Value;
use crate::providers::Target;
use std::sync::Arc;

/// The aliases, in file order.
pub(super) fn compile(router: &Section<'_>, targets: &[Arc<Target>], report: &mut Report) -> Vec<Alias> {
    let Some(section) = router.field("model_group_alias").and_then(|f| f.map(report)) else {
        return Vec::new();
    };
    let aliases: Vec<Alias> = section.fields().filter_map(|field| alias(&field, report)).collect();
    let wildcard = targets.iter().any(|target| target.group.contains('*'));
    for field in section.fields().filter(|_| !wildcard) {
        let Some(alias) = aliases.iter().find(|alias| alias.name == field.key()) else { continue };
        for group in &alias.groups {
            if !targets.iter().any(|target| &target.group == group) {
                report.warn(field.place(), format!("no entry of model_list is called \"{group}\""));
            }
        }
    }
    aliases
}

fn alias(field: &Field<'_>, report: &mut Report) -> Option<Alias> {
    let name = field.key().to_owned();
    if let Value::Map(_) = field.node().value {
        let section = field.map(report)?;
        let hidden = section.field("hidden").and_then(|f| f.bool(report)).unwrap_or_default();
        let Some(model) = section.field("model") else {
            report.fault(field.place(), "an alias that is a mapping names its group in \"model\"");
            return None;
        };
        return Some(Alias { name, groups: model.texts(report), hidden });
    }
    let groups = field.texts(report);
    if groups.is_empty() {
        report.warn(field.place(), "an alias of nothing; it is left out");
        return None;
    }
    if matches!(field.node().value, Value::List(_)) {
        report.warn(
            field.place(),
            "an alias of several groups stands for all of them; LiteLLM refuses its calls",
        );
    }
    Some(Alias { name, groups, hidden: false })
}
