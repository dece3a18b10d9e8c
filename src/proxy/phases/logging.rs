//! The one exit of every call: a held answer is sent, and the record is made.

use crate::domain::Outcome;
use crate::proxy::stage::{Ctx, Stage};
use crate::proxy::{Gateway, respond, settle};
use pingora_proxy::Session;

/// Pingora's `logging`, which runs on every ending. Only here is a whole answer's cost known while its
/// head can still be written.
pub(in crate::proxy) async fn run(gateway: &Gateway, session: &mut Session, ctx: &mut Ctx) {
    let delivered = match &mut ctx.stage {
        // It went out as an event.
        Stage::Holding(hold) if hold.attempt.admitted.progress.begun => hold.answer.is_some(),
        Stage::Holding(hold) if hold.answer.is_some() => {
            settle::book_held(gateway, hold);
            respond::held(session, hold).await.is_ok()
        }
        Stage::Holding(_) => false,
        // A refusal that cost no retry left the connection in order, and is sent from here too.
        Stage::Refused(refused) if !refused.client_gone && !respond::is_answered(session) => {
            respond::refusal(session, refused).await.is_ok()
        }
        _ => true,
    };
    let trace = ctx.stage.trace();
    let Some(mut record) = settle::record(gateway, ctx.take(), delivered) else { return };
    if let Outcome::Interrupted(class) = &record.outcome {
        log::warn!("call {}: the upstream broke off in mid-answer: {class:?}", record.call_id.as_str());
    }
    gateway.telemetry.finished(&mut record, trace);
}
