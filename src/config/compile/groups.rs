//! `tollgate.groups: {<model_name>: {…}}`.

use super::super::did_you_mean;
use super::super::field::Report;
use super::super::groups::{GroupConfig, Groups};
use super::super::model::QueueConfig;
use super::{Sections, hedge, queue as waiting, strategy};
use crate::config::{Alias, RouterConfig};
use crate::providers::Target;
use std::sync::Arc;

/// The groups' settings, in file order. A name that nothing has is a mistake, unless the database may have it.
pub(super) fn compile(
    sections: &Sections<'_>,
    router: &RouterConfig,
    queue: &QueueConfig,
    (targets, aliases): (&[Arc<Target>], &[Alias]),
    report: &mut Report,
) -> Groups {
    let Some(section) = sections.tollgate.field("groups").and_then(|f| f.map(report)) else {
        return Groups::default();
    };
    let known = || {
        let groups = targets.iter().map(|target| target.group.as_str());
        groups.chain(aliases.iter().map(|alias| alias.name.as_str()))
    };
    let stored = sections.general.field("store_model_in_db").and_then(|f| f.bool(report)).unwrap_or_default();
    let mut groups = Vec::new();
    for field in section.fields() {
        if !stored && !known().any(|name| name == field.key()) {
            let meant = did_you_mean(field.key(), known()).map(|name| format!("; did you mean \"{name}\"?"));
            let words = format!("no entry of model_list has this name{}", meant.unwrap_or_default());
            report.warn(field.place(), words);
        }
        let Some(group) = field.map(report) else { continue };
        let max_wait = group.field("max_wait").and_then(|f| waiting::wait(&f, report));
        let hedge = group.field("hedge").and_then(|f| hedge::of(&f, report));
        let counts = targets.iter().any(|target| target.group == field.key() && target.weights.is_limit());
        if hedge.is_some() && counts && (queue.is_on || max_wait.is_some()) {
            let words = "no call is made twice here: the limits of its keys hold (max_wait, tollgate.queue), and scarce \
                         quota is not for that";
            report.warn(group.field("hedge").map_or_else(|| field.place(), |hedge| hedge.place()), words);
        }
        let strategy = strategy::of(&group, router.strategy, report);
        groups.push((field.key().to_owned(), GroupConfig { strategy, max_wait, hedge }));
    }
    Groups(groups)
}
