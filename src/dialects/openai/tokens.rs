//! The `usage` object.

use crate::dialects::json::{Members, Span};
use crate::domain::Usage;

/// Reads the `usage` object at `span`; `None` if it is none, or counts nothing known.
pub(in crate::dialects) fn read(body: &[u8], span: Span) -> Option<Usage> {
    let mut usage = Usage::default();
    let (mut prompt, mut completion, mut total) = (None, None, None);
    for member in Members::within(body, span).ok()?.map_while(Result::ok) {
        let value = member.value.of(body);
        match &*member.name_bytes(body) {
            b"prompt_tokens" | b"input_tokens" => prompt = count(value).or(prompt),
            b"completion_tokens" | b"output_tokens" => completion = count(value).or(completion),
            b"total_tokens" => total = count(value),
            b"prompt_tokens_details" | b"input_tokens_details" | b"input_token_details" => {
                let into = [
                    (&b"cached_tokens"[..], &mut usage.cached),
                    (b"audio_tokens", &mut usage.audio_prompt),
                    (b"cache_write_tokens", &mut usage.cache_write),
                ];
                details(body, member.value, into);
            }
            b"completion_tokens_details" | b"output_tokens_details" | b"output_token_details" => {
                let into = [
                    (&b"audio_tokens"[..], &mut usage.audio_completion),
                    (b"reasoning_tokens", &mut usage.reasoning),
                ];
                details(body, member.value, into);
            }
            b"cache_creation_input_tokens" => usage.cache_write = count(value).unwrap_or_default(),
            b"prompt_cache_hit_tokens" | b"cache_read_input_tokens" => {
                usage.cached = usage.cached.max(count(value).unwrap_or_default());
            }
            _ => {}
        }
    }
    if prompt.is_none() && completion.is_none() && total.is_none() {
        return None;
    }
    usage.completion = completion.unwrap_or_default();
    usage.prompt = prompt.or_else(|| Some(total?.saturating_sub(usage.completion))).unwrap_or_default();
    // Some providers count reasoning beside the completion; the total then says so.
    if usage.reasoning > 0 && total == usage.total().checked_add(usage.reasoning) {
        usage.completion = usage.completion.saturating_add(usage.reasoning);
    }
    Some(usage)
}

fn details<const N: usize>(body: &[u8], span: Span, mut into: [(&[u8], &mut u64); N]) {
    let Ok(members) = Members::within(body, span) else { return };
    for member in members.map_while(Result::ok) {
        let name = member.name_bytes(body);
        if let Some((_, into)) = into.iter_mut().find(|(wanted, _)| *name == **wanted) {
            **into = (**into).max(count(member.value.of(body)).unwrap_or_default());
        }
    }
}

/// A count of tokens; providers also write `11.0`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts from float saturate")]
fn count(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?;
    text.parse().ok().or_else(|| text.parse::<f64>().ok().filter(|n| *n >= 0.0).map(|n| n as u64))
}
