//! A whole answer, held until it is known what it cost.

use super::not_json;
use crate::dialects::{anthropic, gemini, openai, responses};
use crate::domain::{EndpointKind, Failure, UsageSource};
use crate::proxy::deposit;
use crate::proxy::media;
use crate::proxy::stage::{Attempt, Form, HeldAnswer, Hold, Weight};
use bytes::{Bytes, BytesMut};
use pingora::{Error, ErrorType, Result};
use std::sync::Arc;
use std::time::Instant;

/// A held answer without a length may grow to this; beyond it the upstream is out of order.
const HELD_AT_MOST: usize = 64 * 1024 * 1024;
/// Longest id of an answer that is kept, in bytes.
const LONGEST_ID: usize = 256;

impl Hold {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// It is too large.
    pub(super) fn keep(&mut self, piece: Option<Bytes>) -> Result<()> {
        let Some(piece) = piece.filter(|piece| !piece.is_empty()) else { return Ok(()) };
        self.size += piece.len();
        if self.size > HELD_AT_MOST {
            return Error::e_explain(ErrorType::ReadError, "the upstream's answer is too large");
        }
        self.pieces.push(piece);
        Ok(())
    }

    /// Reads the whole answer: what it cost, and what the client gets.
    ///
    /// # Errors
    /// It is none.
    pub(super) fn weigh(&mut self) -> std::result::Result<HeldAnswer, Failure> {
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
        let weight = Weight::told(facts.usage, admitted.request.prompt_estimate(), facts.text_bytes);
        let id = facts.id(&whole);
        let body = match admitted.shown_model(&self.attempt.deployment.traits.model) {
            Some(name) => openai::rename_model(whole, name),
            None => whole,
        };
        Ok(HeldAnswer { body, id, weight, upstream_end })
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
            let weight = Weight::from((usage.unwrap_or_default(), source));
            return Ok(HeldAnswer { body, id: None, weight, upstream_end });
        }
        let weight = media::of_whole(&self.attempt, &whole).ok_or_else(not_json)?;
        let id = openai::answer::read(&whole).id(&whole);
        let body = match self.attempt.admitted.shown_model(&self.attempt.deployment.traits.model) {
            Some(name) => openai::rename_model(whole, name),
            None => whole,
        };
        Ok(HeldAnswer { body, id, weight, upstream_end })
    }

    /// The answer in the client's dialect.
    fn translate(&self, whole: &[u8], upstream_end: Instant) -> std::result::Result<HeldAnswer, Failure> {
        let admitted = &self.attempt.admitted;
        let answer = self.attempt.deployment.traits.dialect.decode(whole)?;
        let weight = Weight::told(answer.usage, admitted.request.prompt_estimate(), answer.said_bytes());
        let body = admitted.caller.inbound().write(&answer, &admitted.given());
        let id = Some(answer.id).filter(|id| !id.is_empty() && id.len() <= LONGEST_ID).map(Arc::from);
        Ok(HeldAnswer { body, id, weight, upstream_end })
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
