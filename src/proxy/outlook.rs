//! What a call has before it, looked at before it takes anything.

use super::Gateway;
use super::stage::Admitted;
use crate::domain::ApiError;
use crate::runtime::Outlook;
use std::sync::Arc;

/// Why nobody can be asked at all, if so.
pub(super) fn nobody(gateway: &Gateway, admitted: &mut Admitted) -> Option<ApiError> {
    let outlook = admitted.resolution.group.outlook(&admitted.wish(), admitted.turn);
    if matches!(outlook, Outlook::Open | Outlook::Waits(_)) {
        return None;
    }
    let group = Arc::clone(&admitted.resolution.group);
    let wish = admitted.wish();
    let error = match outlook {
        Outlook::Open | Outlook::Waits(_) => return None,
        Outlook::Barred(bar) => group.refusal(bar, &admitted.called, &wish),
        Outlook::NoTurn(why) => {
            gateway.telemetry.metrics.refused_in_queue(&group.name, why.as_str());
            group.no_turn(why, &admitted.called)
        }
    };
    let seen = admitted.progress.report.is_some().then(|| group.considered(&wish));
    if let (Some(report), Some(seen)) = (&mut admitted.progress.report, seen) {
        report.note(&group, &seen, None);
    }
    Some(error)
}
