//! What a provider's answers say of their tokens, while they are passed through as they are.

use crate::dialects::hub::Event;
use crate::dialects::json::Members;
use crate::dialects::{Dialect, StreamDecoder};
use crate::domain::usage::estimate_tokens;
use crate::domain::{Usage, UsageSource};
use bytes::BytesMut;
use serde_json::value::RawValue;

/// A whole answer up to this size is read; of a larger one the tokens are estimated.
const READ: usize = 4 * 1024 * 1024;

/// Reads one answer.
pub(super) struct Meter {
    dialect: &'static dyn Dialect,
    kind: Kind,
    /// All bytes that came.
    size: u64,
}

enum Kind {
    Whole(BytesMut),
    Stream(Box<Stream>),
}

struct Stream {
    decoder: Box<dyn StreamDecoder>,
    events: Vec<Event>,
    usage: Option<Usage>,
    /// Bytes of text and calls.
    said: u64,
    is_broken: bool,
}

impl Meter {
    /// A reader for an answer of this type.
    pub(super) fn new(dialect: &'static dyn Dialect, content_type: &[u8]) -> Self {
        let kind = if starts_with(content_type, dialect.stream_type().as_bytes()) {
            let decoder = dialect.decoder();
            Kind::Stream(Box::new(Stream {
                decoder,
                events: Vec::new(),
                usage: None,
                said: 0,
                is_broken: false,
            }))
        } else {
            Kind::Whole(BytesMut::new())
        };
        Self { dialect, kind, size: 0 }
    }

    /// Whether the answer is a stream.
    pub(super) const fn is_stream(&self) -> bool {
        matches!(self.kind, Kind::Stream(_))
    }

    /// More of it.
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.size += piece.len() as u64;
        match &mut self.kind {
            Kind::Whole(body) if body.len() + piece.len() <= READ => body.extend_from_slice(piece),
            Kind::Whole(_) => {}
            Kind::Stream(stream) => stream.push(piece),
        }
    }

    /// The counts that the provider gave, else an estimate from the sizes; `asked` is the request's.
    pub(super) fn usage(&self, asked: u64) -> (Usage, UsageSource) {
        let (told, said) = match &self.kind {
            Kind::Whole(body) => (read(self.dialect, body), 0),
            Kind::Stream(stream) => (stream.usage, stream.said),
        };
        let said = if said == 0 { self.size } else { said };
        match told {
            Some(usage) => (usage, UsageSource::Upstream),
            None => {
                let (prompt, completion) = (estimate_tokens(asked), estimate_tokens(said));
                (Usage { prompt, completion, ..Usage::default() }, UsageSource::Estimated)
            }
        }
    }
}

impl Stream {
    fn push(&mut self, piece: &[u8]) {
        if self.is_broken {
            return;
        }
        self.is_broken = self.decoder.push(piece, &mut self.events).is_err();
        for event in self.events.drain(..) {
            match event {
                Event::Usage(usage) => self.usage = Some(usage),
                Event::Text(said) | Event::Reasoning(said) | Event::Arguments { json: said, .. } => {
                    self.said += said.len() as u64;
                }
                _ => {}
            }
        }
    }
}

/// The counts of a whole answer; a list is a stream that came at once.
fn read(dialect: &dyn Dialect, body: &[u8]) -> Option<Usage> {
    if body.first() == Some(&b'[') {
        let pieces: Vec<&RawValue> = serde_json::from_slice(body).ok()?;
        return pieces.iter().rev().find_map(|piece| dialect.decode(piece.get().as_bytes()).ok()?.usage);
    }
    dialect.decode(body).ok()?.usage
}

fn starts_with(value: &[u8], prefix: &[u8]) -> bool {
    value.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// The model that a request is for, if its path or its body names one beyond doubt.
pub(super) fn model(dialect: &dyn Dialect, target: &str, body: &[u8]) -> Option<String> {
    let path = target.split('?').next().unwrap_or_default();
    let named = match dialect.name() {
        "gemini" => in_path(path, "/models/"),
        "converse" => in_path(path, "/model/"),
        _ => in_body(body),
    };
    named.filter(|name| !name.is_empty() && name.len() <= LONGEST)
}

fn in_path(path: &str, before: &str) -> Option<String> {
    let (_, rest) = path.split_once(before)?;
    let name = rest.split(['/', ':']).next()?;
    percent_encoding::percent_decode_str(name).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// Servers differ in what they make of a name that stands twice, or in capitals: such a body names none.
fn in_body(body: &[u8]) -> Option<String> {
    let members: Vec<_> = Members::of(body).ok()?.collect::<Result<_, _>>().ok()?;
    let mut named = members.iter().filter(|member| member.name(body).eq_ignore_ascii_case("model"));
    let (one, more) = (named.next()?, named.next());
    let value = one.value.of(body);
    (more.is_none() && one.name(body) == "model").then(|| serde_json::from_slice(value).ok()).flatten()
}

/// Longest name of a model that is looked at, in bytes.
const LONGEST: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialects;

    #[test]
    fn the_model_is_in_the_path_or_in_the_body() {
        for (dialect, path, body, expected) in [
            ("gemini", "/v1beta/models/gemini-2.5-pro:generateContent", "{}", Some("gemini-2.5-pro")),
            ("gemini", "/v1beta/files?x=/models/a", r#"{"model":"a"}"#, None),
            ("gemini", "/v1beta/models/", "{}", None),
            ("converse", "/model/eu.anthropic.claude%3A0/converse", "{}", Some("eu.anthropic.claude:0")),
            ("cohere", "/v2/chat", r#"{"messages":[{"model":"x"}],"model":"command-a"}"#, Some("command-a")),
            ("cohere", "/v2/chat?x=/models/a", r#"{"model":"b"}"#, Some("b")),
            ("openai", "/v1/models/a/x", r#"{"model":"b"}"#, Some("b")),
            ("cohere", "/v2/chat", r#"{"model":7}"#, None),
            ("cohere", "/v2/chat", "no JSON", None),
            ("ollama", "/api/chat", r#"{"model":"a","model":"b"}"#, None),
            ("ollama", "/api/chat", r#"{"model":"a","Model":"b"}"#, None),
            ("ollama", "/api/chat", r#"{"Model":"b"}"#, None),
        ] {
            let dialect = dialects::find(dialect).unwrap();
            assert_eq!(model(dialect, path, body.as_bytes()).as_deref(), expected, "{path} {body}");
        }
    }

    #[test]
    fn what_is_counted_is_taken_and_what_is_not_is_estimated() {
        let gemini = dialects::find("gemini").unwrap();
        let piece = |count: u64| {
            format!(
                r#"{{"candidates":[{{"content":{{"parts":[{{"text":"x"}}]}}}}],"usageMetadata":{{"promptTokenCount":3,"candidatesTokenCount":{count}}}}}"#
            )
        };
        let metered = |kind: &str, body: &str| {
            let mut meter = Meter::new(gemini, kind.as_bytes());
            body.as_bytes().chunks(3).for_each(|piece| meter.push(piece));
            let (usage, source) = meter.usage(400);
            (usage.prompt, usage.completion, source)
        };
        let upstream = UsageSource::Upstream;
        assert_eq!(metered("application/json", &piece(2)), (3, 2, upstream));
        assert_eq!(metered("application/json", &format!("[{},{}]", piece(1), piece(5))), (3, 5, upstream));
        let stream = format!("data: {}\n\ndata: {}\n\n", piece(1), piece(7));
        assert_eq!(metered("text/event-stream; charset=utf-8", &stream), (3, 7, upstream));
        let (prompt, completion, source) = metered("application/json", r#"{"something":"else"}"#);
        assert!(prompt >= 100 && completion > 0 && source == UsageSource::Estimated);
    }
}
