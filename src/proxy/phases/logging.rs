//! The one exit of every call: a held answer is sent, and the record is made.

use crate::domain::Outcome;
use crate::proxy::stage::{Ctx, Stage};
use crate::proxy::{Gateway, respond, settle};
use pingora_proxy::Session;
use std::sync::atomic::Ordering;

/// Pingora's `logging`, which runs on every ending. Only here is a whole answer's cost known while its
/// head can still be written; the record is written down before the answer is sent.
pub(in crate::proxy) async fn run(gateway: &Gateway, session: &mut Session, ctx: &mut Ctx) {
    let held = matches!(ctx.stage, Stage::Holding(_));
    let ready = match &ctx.stage {
        Stage::Holding(hold) => {
            hold.answer.as_ref().map(|answer| respond::held(gateway, session, hold, answer))
        }
        // A refusal that cost no retry left the connection in order, and is sent from here too.
        Stage::Refused(refused) if !refused.client_gone && !respond::is_answered(session) => {
            Some(respond::ready_refusal(session, refused))
        }
        _ => None,
    };
    // The record ends the call, whose answer is still to be sent.
    let open = gateway.telemetry.metrics.in_flight();
    let Some(mut record) = settle::record(ctx.take(), true) else { return };
    // What finds no room is counted and logged by the ledger.
    let _ = gateway.ledger.append(&record);
    let delivered = match ready {
        Some(Ok(ready)) => ready.send(session).await.is_ok(),
        Some(Err(_)) => false,
        None => true,
    };
    drop(open);
    if held && !delivered {
        record.outcome = Outcome::ClientGone;
    }
    if !held {
        gateway.spent.fetch_add(record.cost.pico(), Ordering::Relaxed);
    }
    if let Outcome::Interrupted(class) = &record.outcome {
        log::warn!("call {}: the upstream broke off in mid-answer: {class:?}", record.call_id.as_str());
    }
    gateway.telemetry.finished(record);
}
