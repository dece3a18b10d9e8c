//! A group's choice.

use crate::proxy::stage::Admitted;
use crate::runtime::Pick;
use std::sync::Arc;

/// The group's choice, and how things stood before it, if that is to be told.
pub(super) fn pick(admitted: &mut Admitted) -> Pick {
    if let Some(index) = admitted.progress.last_resort.take()
        && index < admitted.resolution.group.deployments.len()
    {
        return Pick::Deployment(index);
    }
    if admitted.progress.report.is_none() {
        return admitted.resolution.group.pick(&admitted.wish());
    }
    let group = Arc::clone(&admitted.resolution.group);
    let wish = admitted.wish();
    let (seen, pick) = (group.considered(&wish), group.pick(&wish));
    let chosen = match pick {
        Pick::Deployment(index) => Some(index),
        Pick::None(_) => None,
    };
    if let Some(report) = &mut admitted.progress.report {
        report.note(&group, &seen, chosen);
    }
    pick
}
