//! The `usage` object.

use crate::dialects::json::{Members, Span};
use crate::domain::Usage;

/// Reads the `usage` object at `span`; `None` if it is none, or counts nothing known.
pub(super) fn read(body: &[u8], span: Span) -> Option<Usage> {
    let mut usage = Usage::default();
    let (mut prompt, mut completion, mut total) = (None, None, None);
    for member in Members::within(body, span).ok()?.flatten() {
        let name = member.name(body);
        let value = member.value.of(body);
        match &*name {
            "prompt_tokens" | "input_tokens" => prompt = count(value).or(prompt),
            "completion_tokens" | "output_tokens" => completion = count(value).or(completion),
            "total_tokens" => total = count(value),
            "prompt_tokens_details" | "input_tokens_details" => {
                detail(body, member.value, "cached_tokens", &mut usage.cached);
                detail(body, member.value, "audio_tokens", &mut usage.audio_prompt);
            }
            "completion_tokens_details" | "output_tokens_details" => {
                detail(body, member.value, "reasoning_tokens", &mut usage.reasoning);
                detail(body, member.value, "audio_tokens", &mut usage.audio_completion);
            }
            "cache_creation_input_tokens" => usage.cache_write = count(value).unwrap_or_default(),
            "prompt_cache_hit_tokens" | "cache_read_input_tokens" => {
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

fn detail(body: &[u8], span: Span, name: &str, into: &mut u64) {
    let members = Members::within(body, span).ok();
    for member in members.into_iter().flatten().flatten() {
        if member.is(body, name) {
            *into = (*into).max(count(member.value.of(body)).unwrap_or_default());
        }
    }
}

/// A count of tokens; providers also write `11.0`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts from float saturate")]
fn count(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?;
    text.parse().ok().or_else(|| text.parse::<f64>().ok().filter(|n| *n >= 0.0).map(|n| n as u64))
}
