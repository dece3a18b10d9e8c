//! What is not counted in tokens: what requests ask for, and what answers say they used.

use super::request::Request;
use super::tokens;
use crate::dialects::form::Scan;
use crate::dialects::json::{Members, Span, skip_space, skip_value, text};
use crate::domain::{EndpointKind, Units, Usage};
use std::borrow::Cow;

/// Bytes of a second of sound whose format does not tell: 128 kbit.
const BYTES_OF_SECOND: u64 = 16_000;
/// Characters of text that are spoken in a second.
const SPOKEN_IN_SECOND: u64 = 15;
/// Documents that a reranker ranks for one query.
const DOCUMENTS_OF_QUERY: u64 = 100;
/// No call makes more images.
const MOST_IMAGES: u64 = 1000;

/// What a request asks for.
pub(super) fn units(request: &Request) -> Units {
    match request.kind() {
        EndpointKind::Speech => {
            let spoken = request.value("input").and_then(text).map_or(0, |text| text.chars().count() as u64);
            let spoken_ms = spoken.saturating_mul(1000) / SPOKEN_IN_SECOND;
            Units { characters: spoken, spoken_ms, ..Units::default() }
        }
        EndpointKind::ImageGenerations => {
            let number = request.weighed("n").and_then(number);
            Units { images: number.unwrap_or(1).clamp(1, MOST_IMAGES), ..Units::default() }
        }
        EndpointKind::Rerank => {
            let documents = request.weighed("documents").map_or(0, |list| elements(list, 0, list.len()));
            Units { queries: documents.div_ceil(DOCUMENTS_OF_QUERY).max(1), ..Units::default() }
        }
        _ => Units::default(),
    }
}

/// What a form asks for, of which `length` bytes will come. How long a sound lasts is a guess, but for WAV.
pub(super) fn units_of_form(kind: EndpointKind, scan: &Scan, length: Option<u64>) -> Units {
    let field = |name: &str| scan.parts().iter().find(|part| part.name == name)?.text();
    match kind {
        EndpointKind::Transcriptions | EndpointKind::Translations => {
            let file = scan.parts().iter().find(|part| part.is_file);
            let bytes = file.map_or(0, |file| {
                let end = if file.is_whole { Some(file.value.end) } else { length };
                end.unwrap_or(file.value.end).saturating_sub(file.value.start)
            });
            let rate = file.and_then(|file| wav_rate(&file.kept)).unwrap_or(BYTES_OF_SECOND);
            Units { heard_ms: bytes.saturating_mul(1000) / rate, ..Units::default() }
        }
        _ => {
            let number = field("n").and_then(|n| n.parse().ok()).unwrap_or(1);
            Units { images: number.clamp(1, MOST_IMAGES), ..Units::default() }
        }
    }
}

/// How long so many bytes of sound last, in milliseconds, where their format does not tell.
#[must_use]
pub const fn heard_in(kind: EndpointKind, bytes: u64) -> u64 {
    match kind {
        EndpointKind::Transcriptions | EndpointKind::Translations => {
            bytes.saturating_mul(1000) / BYTES_OF_SECOND
        }
        _ => 0,
    }
}

/// Bytes of a second, as the head of a WAV file tells.
fn wav_rate(head: &[u8]) -> Option<u64> {
    let is_wav = head.starts_with(b"RIFF") && head.get(8..16) == Some(b"WAVEfmt ");
    let rate = u32::from_le_bytes(head.get(28..32).filter(|_| is_wav)?.try_into().ok()?);
    (rate > 0).then_some(u64::from(rate))
}

/// How many elements the list has that lies there.
fn elements(body: &[u8], start: usize, end: usize) -> u64 {
    let Some(body) = body.get(..end).filter(|body| body.get(start) == Some(&b'[')) else { return 0 };
    let (mut at, mut count) = (start + 1, 0);
    loop {
        at = skip_space(body, at);
        if body.get(at) == Some(&b']') {
            return count;
        }
        let Ok(next) = skip_value(body, at) else { return count };
        count += 1;
        at = skip_space(body, next);
        match body.get(at) {
            Some(b',') => at += 1,
            _ => return count,
        }
    }
}

impl Request {
    /// The size and the quality of the images it asks for; empty where it does not say.
    #[must_use]
    pub fn image(&self) -> (String, String) {
        let said = |name| self.text(name).map(Cow::into_owned).unwrap_or_default();
        (said("size"), said("quality"))
    }

    /// The text of a member, or of a field of a form.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        self.weighed(name).and_then(text).or_else(|| self.field(name).map(Cow::Borrowed))
    }
}

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
fn number(value: &[u8]) -> Option<u64> {
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
    use crate::dialects::openai::{forms, request};
    use bytes::Bytes;

    fn asked(kind: EndpointKind, body: &str) -> Units {
        *request::read(kind, Bytes::from(body.to_owned())).unwrap().units()
    }

    #[test]
    fn requests_say_what_they_will_use() {
        let speech = asked(EndpointKind::Speech, r#"{"model":"m","voice":"v","input":"h\u00e9llo ☃"}"#);
        assert_eq!((speech.characters, speech.spoken_ms), (7, 466));
        assert_eq!(asked(EndpointKind::ImageGenerations, r#"{"model":"m","prompt":"p","n":3}"#).images, 3);
        assert_eq!(asked(EndpointKind::ImageGenerations, r#"{"model":"m","prompt":"p"}"#).images, 1);
        let documents = format!("[{}]", vec![r#"{"text":"a,]"}"#; 101].join(" , "));
        let rerank = format!(r#"{{"model":"m","query":"q","documents":{documents}}}"#);
        assert_eq!(asked(EndpointKind::Rerank, &rerank).queries, 2);
        assert_eq!(asked(EndpointKind::Rerank, r#"{"model":"m","query":"q"}"#).queries, 1);
    }

    #[test]
    fn a_wav_tells_how_long_it_is() {
        let mut wav = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0".to_vec();
        wav.resize(64_000, 1);
        let mut form = b"--b\r\ncontent-disposition: form-data; name=file; filename=a\r\n\r\n".to_vec();
        form.extend(&wav);
        form.extend(b"\r\n--b--\r\n");
        let mut scan = Scan::new("b");
        scan.push(&form).unwrap();
        let request = forms::read(EndpointKind::Transcriptions, Bytes::from(form), scan, None).unwrap();
        assert_eq!(request.units().heard_ms, 2000);
    }

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
