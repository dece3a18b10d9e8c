//! What an answer used that is not counted in tokens, or not in the way of chats.

use super::stage::{Admitted, Attempt, Weight};
use crate::dialects::openai::{MediaFacts, media, request};
use crate::domain::usage::{estimate_tokens, estimated};
use crate::domain::{EndpointKind, Units, Usage, UsageSource};

/// Tokens of a second of audio, where nobody tells: about what OpenAI's models count.
const TOKENS_OF_SECOND: u64 = 10;

/// What a whole answer used; `None` if it is none of this API.
pub(super) fn of_whole(attempt: &Attempt, whole: &[u8]) -> Option<Weight> {
    let kind = attempt.admitted.caller.kind;
    let facts = media::read(kind, whole);
    let is_audio = matches!(kind, EndpointKind::Transcriptions | EndpointKind::Translations);
    let is_list = kind == EndpointKind::Rerank && whole.trim_ascii_start().starts_with(b"[");
    let fits = facts.is_json_object || is_audio || is_list;
    fits.then(|| weigh(attempt, &facts, whole.len()))
}

/// What an answer used that was passed on as it came, of which this is the end.
pub(super) fn of_tail(attempt: &Attempt, tail: &[u8]) -> Weight {
    let kind = attempt.admitted.caller.kind;
    if attempt.admitted.errand.is_some() {
        return Weight::default();
    }
    weigh(attempt, &media::in_tail(kind, tail), tail.len())
}

fn weigh(attempt: &Attempt, facts: &MediaFacts, size: usize) -> Weight {
    let admitted = &attempt.admitted;
    let mut units = facts.over(admitted.request.units());
    // How long a form is that does not tell is known when it is over.
    if let Some(upload) =
        admitted.upload.as_ref().filter(|upload| units.heard_ms == 0 && upload.length().is_none())
    {
        units.heard_ms = request::heard_in(admitted.caller.kind, upload.received());
    }
    if units.images > 0 {
        let (size, quality) = admitted.request.image();
        units.image_price = attempt.deployment.image_price(&size, &quality);
    }
    let (usage, source) = match facts.usage {
        Some(usage) => (usage, UsageSource::Upstream),
        None if is_told(facts) => (Usage::default(), UsageSource::Upstream),
        None => guess(admitted, &units, size),
    };
    Weight { usage, source, units }
}

/// Whether the answer says what it used in some other way than in tokens.
const fn is_told(facts: &MediaFacts) -> bool {
    facts.heard_ms.is_some() || facts.images.is_some() || facts.queries.is_some()
}

fn guess(admitted: &Admitted, units: &Units, size: usize) -> (Usage, UsageSource) {
    let prompt = admitted.request.prompt_estimate();
    match admitted.caller.kind {
        EndpointKind::Transcriptions | EndpointKind::Translations => {
            let audio = units.heard_ms.saturating_mul(TOKENS_OF_SECOND).div_ceil(1000);
            let (usage, source) = estimated(prompt.saturating_add(audio), estimate_tokens(size as u64));
            (Usage { audio_prompt: audio, ..usage }, source)
        }
        _ => estimated(prompt, 0),
    }
}

/// The media type of what is spoken, where the upstream does not tell.
pub(super) fn spoken_type(admitted: &Admitted) -> &'static str {
    match admitted.request.text("response_format").as_deref() {
        Some("opus") => "audio/opus",
        Some("aac") => "audio/aac",
        Some("flac") => "audio/flac",
        Some("wav") => "audio/wav",
        Some("pcm") => "audio/pcm",
        _ => "audio/mpeg",
    }
}

/// Whether the end of a stream of events is one that its upstream meant.
pub(super) fn has_ended(tail: &[u8]) -> bool {
    let says = |word: &[u8]| memchr::memmem::rfind(tail, word).is_some();
    says(b"[DONE]") || says(b".done") || says(b".completed") || says(b"\"usage\"") || says(b"\"error\"")
}
