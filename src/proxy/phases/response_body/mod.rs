//! The upstream's bytes: collected, or passed on and metered.

mod hold;
mod relay;

use crate::dialects::openai;
use crate::domain::{Failure, UpstreamClass};
use crate::proxy::phases::failure;
use crate::proxy::race::{self, Course};
use crate::proxy::stage::{Attempt, Capture, Ctx, Stage};
use crate::proxy::{Gateway, passing, settle};
use bytes::Bytes;
use pingora::{Error, ErrorType, Result};

/// So much of an upstream's error body is read.
const ERROR_BODY: usize = 64 * 1024;

/// Pingora's `response_body_filter`.
pub(in crate::proxy) fn run(
    gateway: &Gateway,
    body: &mut Option<Bytes>,
    end: bool,
    ctx: &mut Ctx,
) -> Result<()> {
    match &mut ctx.stage {
        Stage::Relaying(relay) => {
            *body = Some(relay.pass(body.take().unwrap_or_default(), end));
            if !relay.has_won {
                let course = race::course(relay);
                if course != Course::On {
                    return retire(ctx, course);
                }
            }
            // What the client is about to see the end of is written down first.
            if relay.has_ended() || relay.interrupted.is_some() {
                settle::book_relay(gateway, relay, true);
            } else {
                relay.top_up();
            }
            Ok(())
        }
        Stage::Capturing(capture) => {
            let piece = body.take().unwrap_or_default();
            let room = ERROR_BODY.saturating_sub(capture.body.len()).min(piece.len());
            capture.body.extend_from_slice(&piece[..room]);
            let is_enough = capture.body.len() >= ERROR_BODY || capture.attempt.is_overdue();
            if !end && !is_enough {
                return Ok(());
            }
            complete(gateway, ctx)?;
            // What more there is of it says nothing: its connection is closed.
            if end { Ok(()) } else { Err(Error::new_up(ErrorType::Custom("enough"))) }
        }
        Stage::Holding(hold) => {
            hold.keep(body.take())?;
            if end {
                complete(gateway, ctx)?;
                *body = as_event(gateway, ctx);
            }
            Ok(())
        }
        Stage::Passing(passing) => {
            passing::seen(passing, body.as_ref());
            if end {
                passing.end();
                passing::book(gateway, passing);
            }
            Ok(())
        }
        _ => {
            *body = None;
            Ok(())
        }
    }
}

/// A collected body is whole: an answer is weighed, a refusal decides between retry and error.
pub(in crate::proxy) fn complete(gateway: &Gateway, ctx: &mut Ctx) -> Result<()> {
    match ctx.take() {
        Stage::Capturing(capture) => refused(gateway, ctx, *capture),
        Stage::Holding(mut hold) => match hold.weigh() {
            Ok(answer) if !race::wins(&hold.attempt) => {
                ctx.stage = race::loses(hold.attempt, Some(answer.weight));
                Err(Error::new_up(ErrorType::Custom("outrun")))
            }
            Ok(answer) => {
                hold.attempt.succeeded(answer.upstream_end);
                hold.answer = Some(answer);
                ctx.stage = Stage::Holding(hold);
                Ok(())
            }
            Err(fault) => give_up(gateway, ctx, hold.attempt, fault),
        },
        other => {
            ctx.stage = other;
            Ok(())
        }
    }
}

/// Another attempt of the same call goes on instead.
fn retire(ctx: &mut Ctx, course: Course) -> Result<()> {
    ctx.stage = match (ctx.take(), course) {
        (Stage::Relaying(relay), Course::Lost) => {
            let weight = relay.weigh();
            race::loses(relay.attempt, Some(weight))
        }
        _ => Stage::Delegated,
    };
    Err(Error::new_up(ErrorType::Custom("outrun")))
}

/// A whole answer to a client that has the head of a stream already: written down, and sent as one event.
fn as_event(gateway: &Gateway, ctx: &mut Ctx) -> Option<Bytes> {
    let Stage::Holding(hold) = &mut ctx.stage else { return None };
    if !hold.attempt.admitted.progress.begun || hold.answer.is_none() {
        return None;
    }
    settle::book_held(gateway, hold);
    hold.answer.as_ref().map(|answer| openai::whole_event(&answer.body))
}

fn refused(gateway: &Gateway, ctx: &mut Ctx, capture: Capture) -> Result<()> {
    let fault = if (200..300).contains(&capture.status) {
        not_json()
    } else {
        let dialect = capture.attempt.deployment.traits.dialect;
        dialect.classify(capture.status, &capture.body, capture.retry_after)
    };
    give_up(gateway, ctx, capture.attempt, fault)
}

/// A retry needs an error to make Pingora ask again; a refusal does not, and keeps the connection, unless a stream has
/// to be ended by it.
fn give_up(gateway: &Gateway, ctx: &mut Ctx, attempt: Box<Attempt>, fault: Failure) -> Result<()> {
    // Who has refused an upload need not take the rest of it.
    let is_upload = attempt.admitted.upload.is_some();
    let (stage, retry) = failure::decide(gateway, attempt, fault);
    let begun = matches!(&stage, Stage::Refused(refused) if refused.begun);
    let left = matches!(stage, Stage::Delegated);
    ctx.stage = stage;
    if !retry && !begun && !left && !is_upload {
        return Ok(());
    }
    let mut error = Error::new_up(ErrorType::Custom("retry"));
    error.set_retry(retry);
    Err(error)
}

fn not_json() -> Failure {
    Failure::without_answer(UpstreamClass::Internal, "Expecting value: line 1 column 1 (char 0)")
}
