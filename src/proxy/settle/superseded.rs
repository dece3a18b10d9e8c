//! What an attempt cost that another one of its call has outrun.

use super::book::{close, house, write};
use super::record::{CLIENT_LEFT, blank};
use crate::domain::{Outcome, UsageRecord};
use crate::proxy::Gateway;
use crate::proxy::stage::{Attempt, Books, Superseded, Weight};
use std::sync::Arc;
use std::time::Instant;

/// Books an attempt that another one has outrun: its money is spent, but it is no call of its own. The attempt itself
/// stands in the record of the call.
pub(super) fn superseded(gateway: &Gateway, lost: Superseded) -> UsageRecord {
    let Superseded { attempt, weight } = lost;
    let Weight { usage, source: usage_source, .. } = weight;
    let timings = attempt.timings(None, Instant::now());
    let Attempt { mut admitted, deployment, quota, started, .. } = *attempt;
    let cost = weight.cost(&deployment);
    let (group, stream) = (&admitted.resolution.group, admitted.request.stream());
    group.note_silence(&deployment, started.elapsed(), stream);
    admitted.leave_race();
    let charged = house(&admitted, &deployment, cost);
    let mut attribution = admitted.attribution;
    if let Books::Open(permit) = admitted.books {
        attribution.charges = close(gateway, permit, 0, cost);
    }
    if let Some(ticket) = quota {
        ticket.settle(usage.total());
    }
    attribution.charges.extend(charged);
    let record = UsageRecord {
        group: Some(Arc::clone(&admitted.resolution.group.name)),
        key_hash: Some(admitted.standing.key_hash),
        attribution: Some(attribution),
        status: CLIENT_LEFT,
        usage,
        usage_source,
        cost,
        outcome: Outcome::Superseded,
        timings,
        ..blank(&admitted.caller, admitted.requested, stream)
    }
    .of(Some(&deployment));
    write(gateway, &record);
    record
}
