//! What an answer used that is not counted in tokens, as it says itself.

use super::tokens;
use crate::dialects::json::{Members, Span, elements};
use crate::domain::{EndpointKind, Units, Usage};

/// What an answer says it used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MediaFacts {
    /// Tokens.
    pub usage: Option<Usage>,
    /// Milliseconds of audio that were listened to.
    pub heard_ms: Option<u64>,
    /// Images that are in it.
    pub images: Option<u64>,
    /// Queries of a reranker.
    pub queries: Option<u64>,
    /// Prompt tokens that were images.
    pub image_prompt: u64,
    /// Produced tokens that were images.
    pub image_completion: u64,
    /// Whether it is a JSON object.
    pub is_json_object: bool,
}

impl MediaFacts {
    /// What was used, where the answer says so; else what was asked for.
    #[must_use]
    pub fn over(&self, asked: &Units) -> Units {
        Units {
            heard_ms: self.heard_ms.unwrap_or(asked.heard_ms),
            images: self.images.unwrap_or(asked.images),
            queries: self.queries.unwrap_or(asked.queries),
            image_prompt: self.image_prompt,
            image_completion: self.image_completion,
            ..*asked
        }
    }

    fn read_usage(&mut self, kind: EndpointKind, body: &[u8], span: Span) {
        self.usage = tokens::read(body, span).or(self.usage);
        for member in Members::within(body, span).into_iter().flatten().flatten() {
            let value = member.value.of(body);
            match &*member.name_bytes(body) {
                b"seconds" => self.heard_ms = milliseconds(value).or(self.heard_ms),
                b"search_units" => self.queries = number(value).or(self.queries),
                b"input_tokens_details" => self.image_prompt = inner(body, member.value, "image_tokens"),
                b"output_tokens_details" => self.image_completion = inner(body, member.value, "image_tokens"),
                _ => {}
            }
        }
        // All that these produce is images, whether or not it is said again.
        let makes_images = matches!(
            kind,
            EndpointKind::ImageGenerations | EndpointKind::ImageEdits | EndpointKind::ImageVariations
        );
        if let Some(usage) = self.usage.filter(|_| makes_images && self.image_completion == 0) {
            self.image_completion = usage.completion;
        }
    }
}

/// Reads a whole answer.
#[must_use]
pub fn read(kind: EndpointKind, body: &[u8]) -> MediaFacts {
    let mut facts = MediaFacts::default();
    let Ok(members) = Members::of(body) else {
        return MediaFacts { heard_ms: last_cue(body), ..facts };
    };
    facts.is_json_object = true;
    for member in members {
        let Ok(member) = member else { return MediaFacts::default() };
        let span = member.value;
        match &*member.name_bytes(body) {
            b"usage" => facts.read_usage(kind, body, span),
            b"duration" => facts.heard_ms = facts.heard_ms.or_else(|| milliseconds(span.of(body))),
            b"meta" => read_meta(&mut facts, kind, body, span),
            b"data" if kind != EndpointKind::Rerank => {
                facts.images = Some(elements(body, span.start, span.end));
            }
            _ => {}
        }
    }
    facts
}

/// Cohere's word for usage.
fn read_meta(facts: &mut MediaFacts, kind: EndpointKind, body: &[u8], span: Span) {
    for member in Members::within(body, span).into_iter().flatten().flatten() {
        if member.is(body, "billed_units") {
            facts.read_usage(kind, body, member.value);
        }
    }
}

/// Reads the end of an answer that was not held: the last usage that stands there.
#[must_use]
pub fn in_tail(kind: EndpointKind, tail: &[u8]) -> MediaFacts {
    let mut facts = MediaFacts::default();
    if let Some(span) = super::tail::last_object(tail, b"\"usage\"") {
        facts.read_usage(kind, tail, span);
    }
    facts
}

fn inner(body: &[u8], span: Span, name: &str) -> u64 {
    let mut members = Members::within(body, span).into_iter().flatten().flatten();
    members
        .find(|member| member.is(body, name))
        .and_then(|member| number(member.value.of(body)))
        .unwrap_or_default()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts from float saturate")]
pub(super) fn number(value: &[u8]) -> Option<u64> {
    let number: f64 = std::str::from_utf8(value).ok()?.trim_matches('"').parse().ok()?;
    (number.is_finite() && number >= 0.0).then(|| number.ceil() as u64)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts from float saturate")]
fn milliseconds(value: &[u8]) -> Option<u64> {
    let seconds: f64 = std::str::from_utf8(value).ok()?.trim_matches('"').parse().ok()?;
    (seconds.is_finite() && seconds >= 0.0).then(|| (seconds * 1000.0).ceil() as u64)
}

/// When the last line of subtitles ends (SRT, WebVTT), in milliseconds.
fn last_cue(text: &[u8]) -> Option<u64> {
    let at = memchr::memmem::rfind(text, b"-->")? + 3;
    let rest = std::str::from_utf8(text.get(at..at + 32.min(text.len() - at))?).ok();
    let moment = rest?.split_ascii_whitespace().next()?.replace(',', ".");
    let mut seconds = 0.0;
    for part in moment.split(':') {
        seconds = seconds * 60.0 + part.parse::<f64>().ok()?;
    }
    milliseconds(seconds.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_say_what_they_used() {
        let heard = |text: &str| read(EndpointKind::Transcriptions, text.as_bytes()).heard_ms;
        assert_eq!(heard(r#"{"text":"a","usage":{"type":"duration","seconds":9}}"#), Some(9000));
        assert_eq!(heard(r#"{"task":"transcribe","duration":12.34,"text":"a"}"#), Some(12_340));
        assert_eq!(heard(r#"{"duration":"8.47"}"#), Some(8470));
        assert_eq!(heard("1\n00:00:00,000 --> 00:01:02,500\nhello\n"), Some(62_500));
        assert_eq!(heard("WEBVTT\n\n00:00.000 --> 00:07.250 align:start\nhello\n"), Some(7250));
        assert_eq!(heard("just text"), None);
        let tokens = read(
            EndpointKind::Transcriptions,
            br#"{"text":"a","usage":{"type":"tokens","input_tokens":14,
            "input_token_details":{"text_tokens":4,"audio_tokens":10},"output_tokens":5,"total_tokens":19}}"#,
        );
        let usage = tokens.usage.unwrap();
        assert_eq!((usage.prompt, usage.audio_prompt, usage.completion), (14, 10, 5));
        let cohere = r#"{"id":"x","results":[],"meta":{"billed_units":{"search_units":2}}}"#;
        assert_eq!(read(EndpointKind::Rerank, cohere.as_bytes()).queries, Some(2));
        let jina = read(EndpointKind::Rerank, br#"{"usage":{"total_tokens":15},"results":[]}"#);
        assert_eq!((jina.usage.unwrap().prompt, jina.queries), (15, None));
        let image = read(EndpointKind::ImageEdits, br#"{"data":[{"b64_json":"x"},{"url":"]"}],"usage":{"input_tokens":50,
            "input_tokens_details":{"text_tokens":10,"image_tokens":40},"output_tokens":100,"total_tokens":150}}"#);
        assert_eq!((image.images, image.image_prompt, image.image_completion), (Some(2), 40, 100));
    }

    #[test]
    fn the_end_of_a_stream_says_what_it_used() {
        let tail = b"event: transcript.text.done\ndata: {\"text\":\"a\",\"usage\":{\"type\":\"duration\",\"seconds\":3}}\n\n";
        assert_eq!(in_tail(EndpointKind::Transcriptions, tail).heard_ms, Some(3000));
        assert_eq!(in_tail(EndpointKind::Speech, b"\xff\xf3 no usage"), MediaFacts::default());
    }
}
