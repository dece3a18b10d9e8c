//! The upstream's bytes: collected, or passed on and metered.

use crate::dialects::openai::{self, StreamEnd};
use crate::dialects::{Flow, Given, Inbound, anthropic, gemini, responses};
use crate::domain::usage::estimate_tokens;
use crate::domain::{ApiError, EndpointKind, Failure, Units, UpstreamClass, Usage, UsageSource, unix_ms};
use crate::providers::Target;
use crate::proxy::media::{self, Weight};
use crate::proxy::phases::failure;
use crate::proxy::race::{self, Course};
use crate::proxy::stage::{
    Admitted, Attempt, Books, Capture, Ctx, Form, HeldAnswer, Hold, Meter, Relay, Stage,
};
use crate::proxy::{Gateway, deposit, passing, settle};
use bytes::{Bytes, BytesMut};
use pingora::{Error, ErrorType, Result};
use std::sync::Arc;
use std::time::Instant;

/// So much of an upstream's error body is read.
const ERROR_BODY: usize = 64 * 1024;
/// A held answer without a length may grow to this; beyond it the upstream is out of order.
const HELD_AT_MOST: usize = 64 * 1024 * 1024;
/// So much of the end of a large answer is kept, to find its usage.
const TAIL: usize = 16 * 1024;
/// Events between two looks at what a stream has cost so far.
const TOP_UP: u64 = 128;

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
            if end { complete(gateway, ctx) } else { Ok(()) }
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
                ctx.stage = race::loses(hold.attempt, Some((answer.usage, answer.source)));
                Err(Error::new_up(ErrorType::Custom("outrun")))
            }
            Ok(answer) => {
                hold.attempt.deployment.state.succeeded(answer.upstream_end);
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
            let (usage, source, _) = settle::relay_usage(&relay);
            race::loses(relay.attempt, Some((usage, source)))
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
    let (stage, retry) = failure::decide(gateway, attempt, fault);
    let begun = matches!(&stage, Stage::Refused(refused) if refused.begun);
    let left = matches!(stage, Stage::Delegated);
    ctx.stage = stage;
    if !retry && !begun && !left {
        return Ok(());
    }
    let mut error = Error::new_up(ErrorType::Custom("retry"));
    error.set_retry(retry);
    Err(error)
}

fn not_json() -> Failure {
    Failure::without_answer(UpstreamClass::Internal, "Expecting value: line 1 column 1 (char 0)")
}

impl Hold {
    fn keep(&mut self, piece: Option<Bytes>) -> Result<()> {
        let Some(piece) = piece.filter(|piece| !piece.is_empty()) else { return Ok(()) };
        self.size += piece.len();
        if self.size > HELD_AT_MOST {
            return Error::e_explain(ErrorType::ReadError, "the upstream's answer is too large");
        }
        self.pieces.push(piece);
        Ok(())
    }

    fn weigh(&mut self) -> std::result::Result<HeldAnswer, Failure> {
        let upstream_end = Instant::now();
        let whole = self.whole();
        if let Form::Own(_) = self.attempt.form {
            return self.translate(&whole, upstream_end);
        }
        if self.attempt.admitted.caller.kind.is_media() {
            return self.weigh_media(whole, upstream_end);
        }
        let facts = match self.attempt.admitted.caller.kind {
            EndpointKind::Messages | EndpointKind::CountTokens => anthropic::facts(&whole),
            EndpointKind::Responses => responses::facts(&whole),
            kind if kind.is_googles() => gemini::facts(&whole),
            _ => openai::answer::read(&whole),
        };
        if !facts.is_json_object {
            return Err(not_json());
        }
        let admitted = &self.attempt.admitted;
        let (usage, source) = facts.usage.map_or_else(
            || estimated(admitted.request.prompt_estimate(), estimate_tokens(facts.text_bytes)),
            |usage| (usage, UsageSource::Upstream),
        );
        let id = facts.id(&whole);
        let body = match admitted.shown_model(&self.attempt.deployment.traits.model) {
            Some(name) => openai::rename_model(whole, name),
            None => whole,
        };
        Ok(HeldAnswer { body, id, usage, source, units: Units::default(), upstream_end })
    }

    /// An answer that need not be a chat's, nor JSON.
    fn weigh_media(
        &mut self,
        whole: Bytes,
        upstream_end: Instant,
    ) -> std::result::Result<HeldAnswer, Failure> {
        let Attempt { admitted, deployment, .. } = &mut *self.attempt;
        if let Some(errand) = &mut admitted.errand {
            let (body, usage) = deposit::answer(errand, deployment, &admitted.snapshot.seal, whole);
            let source = if usage.is_some() { UsageSource::Upstream } else { UsageSource::Absent };
            let (usage, units) = (usage.unwrap_or_default(), Units::default());
            return Ok(HeldAnswer { body, id: None, usage, source, units, upstream_end });
        }
        let weight = media::of_whole(&self.attempt, &whole).ok_or_else(not_json)?;
        let Weight { usage, source, units } = weight;
        let id = openai::answer::read(&whole).id(&whole);
        let body = match self.attempt.admitted.shown_model(&self.attempt.deployment.traits.model) {
            Some(name) => openai::rename_model(whole, name),
            None => whole,
        };
        Ok(HeldAnswer { body, id, usage, source, units, upstream_end })
    }

    /// The answer in the client's dialect.
    fn translate(&self, whole: &[u8], upstream_end: Instant) -> std::result::Result<HeldAnswer, Failure> {
        let admitted = &self.attempt.admitted;
        let answer = self.attempt.deployment.traits.dialect.decode(whole)?;
        let (usage, source) = answer.usage.map_or_else(
            || estimated(admitted.request.prompt_estimate(), estimate_tokens(answer.said_bytes())),
            |usage| (usage, UsageSource::Upstream),
        );
        let body = admitted.caller.inbound().write(&answer, &given(admitted));
        let id = Some(answer.id).filter(|id| !id.is_empty() && id.len() <= LONGEST_ID).map(Arc::from);
        Ok(HeldAnswer { body, id, usage, source, units: Units::default(), upstream_end })
    }

    fn whole(&mut self) -> Bytes {
        if self.pieces.len() == 1 {
            return self.pieces.pop().unwrap_or_default();
        }
        let mut whole = BytesMut::with_capacity(self.size);
        for piece in self.pieces.drain(..) {
            whole.extend_from_slice(&piece);
        }
        whole.freeze()
    }
}

/// Longest id of an answer that is kept, in bytes.
const LONGEST_ID: usize = 256;

/// What a translated answer says that the upstream does not know.
pub(in crate::proxy) fn given(admitted: &Admitted) -> Given {
    Given {
        model: Arc::clone(&admitted.called),
        id: Arc::from(admitted.caller.call_id.as_str()),
        created: unix_ms(admitted.caller.arrived_at) / 1000,
        usage: admitted.request.asks_usage(),
        echo: admitted.caller.inbound().echo(&admitted.request),
    }
}

/// What was counted here, because nobody said.
pub(in crate::proxy) fn estimated(prompt: u64, completion: u64) -> (Usage, UsageSource) {
    (Usage { prompt, completion, ..Usage::default() }, UsageSource::Estimated)
}

impl Relay {
    fn pass(&mut self, chunk: Bytes, end: bool) -> Bytes {
        if let Some(kept) = &mut self.kept {
            kept.push(&chunk);
        }
        let mut out = match &mut self.meter {
            Meter::Stream(stream) => {
                let seen = stream.saw_output();
                let inbound = self.attempt.admitted.caller.inbound();
                let target = &self.attempt.deployment.target;
                let out = pass_events(stream, chunk, &mut self.interrupted, target, inbound);
                if !seen && stream.saw_output() {
                    self.first_token = Some(Instant::now());
                }
                out
            }
            Meter::Tail { tail, size, .. } => {
                *size += chunk.len() as u64;
                let from = chunk.len().saturating_sub(TAIL);
                let over = (tail.len() + chunk.len() - from).saturating_sub(TAIL);
                let _ = tail.split_to(over.min(tail.len()));
                tail.extend_from_slice(&chunk[from..]);
                chunk
            }
        };
        if end {
            self.upstream_end = Some(Instant::now());
            out = self.end(out);
        }
        self.listed(out, end)
    }

    /// Whole events, in the form in which the client wants its stream.
    pub(in crate::proxy) fn listed(&mut self, events: Bytes, end: bool) -> Bytes {
        let Some(list) = &mut self.list else { return events };
        let mut out = list.push(&events);
        if end {
            out.extend_from_slice(list.end());
        }
        Bytes::from(out)
    }

    /// Reserves more when a stream turns out to be longer than was expected.
    fn top_up(&mut self) {
        let Meter::Stream(stream) = &self.meter else { return };
        let produced = stream.produced();
        if produced.output_events < self.next_top_up {
            return;
        }
        self.next_top_up = produced.output_events + TOP_UP;
        let Attempt { admitted, deployment, .. } = &mut *self.attempt;
        if let Books::Open(permit) = &mut admitted.books {
            let (usage, _) = estimated(admitted.request.prompt_estimate(), produced.estimate());
            permit.top_up(settle::cost(deployment, &usage, &Units::default()));
        }
    }

    /// The upstream closed in good order; its stream may still be without an end.
    fn end(&mut self, out: Bytes) -> Bytes {
        let tail = match &mut self.meter {
            Meter::Tail { of_events: true, tail, .. } if !media::has_ended(tail) => return self.cut(out),
            Meter::Tail { .. } => Bytes::new(),
            Meter::Stream(_) if self.interrupted.is_some() => return out,
            Meter::Stream(stream) => match stream.finish() {
                StreamEnd::Complete { tail } => tail,
                StreamEnd::Cut => return self.cut(out),
            },
        };
        self.complete = true;
        self.attempt.deployment.state.succeeded(Instant::now());
        join(out, tail)
    }

    /// A stream without an end is never taken for a whole one.
    fn cut(&mut self, out: Bytes) -> Bytes {
        let words = "the upstream's stream ended without its last event";
        let cut = Failure::without_answer(UpstreamClass::Connection, words);
        let event = self.error_event(&cut);
        self.interrupted = Some(cut);
        join(out, event)
    }

    /// The event that tells a client that its stream broke.
    pub(in crate::proxy) fn error_event(&mut self, failure: &Failure) -> Bytes {
        let error = ApiError::upstream(failure, &self.attempt.deployment.target.provider);
        let inbound = self.attempt.admitted.caller.inbound();
        match &mut self.meter {
            Meter::Stream(stream) => stream.error_event(inbound, &error),
            Meter::Tail { .. } => inbound.error_event(&error),
        }
    }
}

/// Relays events up to a failure; after one nothing is relayed.
fn pass_events(
    stream: &mut Flow,
    chunk: Bytes,
    interrupted: &mut Option<Failure>,
    target: &Target,
    inbound: &dyn Inbound,
) -> Bytes {
    if interrupted.is_some() {
        return Bytes::new();
    }
    let Ok(out) = stream.push(chunk) else {
        let words = "the upstream sent an event that is too large";
        let fault = Failure::without_answer(UpstreamClass::Internal, words);
        let event = stream.error_event(inbound, &ApiError::upstream(&fault, &target.provider));
        *interrupted = Some(fault);
        return event;
    };
    let Some(fault) = stream.failure() else { return out };
    let mut fault = fault.clone();
    target.secrets().for_each(|secret| fault.hide(secret));
    let event = stream.error_event(inbound, &ApiError::upstream(&fault, &target.provider));
    *interrupted = Some(fault);
    join(out, event)
}

fn join(first: Bytes, second: Bytes) -> Bytes {
    if second.is_empty() {
        return first;
    }
    if first.is_empty() {
        return second;
    }
    let mut both = BytesMut::with_capacity(first.len() + second.len());
    both.extend_from_slice(&first);
    both.extend_from_slice(&second);
    both.freeze()
}
