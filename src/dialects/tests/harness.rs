//! What every dialect has to hold: its golden samples give what was written down once, and a stream means the
//! same however it is cut.
//!
//! A dialect's samples are in its `golden/`: `answer/*.json`, `stream/*`, `error/<name>.<status>.json`; the
//! requests of all are in `dialects/golden/`. `GOLDEN=write cargo test --lib dialects::` writes the snapshots
//! anew, to be read before they are committed.

use crate::dialects::anthropic::Anthropic;
use crate::dialects::gemini::Gemini;
use crate::dialects::hub::Event;
use crate::dialects::openai::{OpenAi, request};
use crate::dialects::responses::Responses;
use crate::dialects::stream::StreamEnd;
use crate::dialects::{Ask, Dialect, Flow, Given, Inbound, Shape, ShapeParams, Translation, translate};
use crate::domain::{ApiError, EndpointKind};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// All kinds of clients.
pub(in crate::dialects) const CLIENTS: [(&dyn Inbound, EndpointKind, &str); 4] = [
    (&OpenAi, EndpointKind::ChatCompletions, "chats.json"),
    (&Anthropic, EndpointKind::Messages, "messages.json"),
    (&Responses, EndpointKind::Responses, "responses.json"),
    (&Gemini, EndpointKind::GenerateContent, "contents.json"),
];

fn folder(dialect: &dyn Dialect) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dialects").join(dialect.name()).join("golden")
}

/// The samples of a folder: name and bytes. None if there is no such folder.
pub(in crate::dialects) fn samples(dialect: &dyn Dialect, kind: &str) -> Vec<(String, Vec<u8>)> {
    let Ok(found) = std::fs::read_dir(folder(dialect).join(kind)) else { return Vec::new() };
    let mut samples: Vec<_> = found
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect();
    samples.sort();
    samples
}

/// What an answer is given beside what the upstream says.
pub(in crate::dialects) fn given() -> Given {
    Given {
        model: "public".into(),
        id: "call-1".into(),
        created: 1_700_000_000,
        usage: true,
        echo: Bytes::new(),
    }
}

/// Compares with the snapshot of this name, or writes it.
fn compare(dialect: &dyn Dialect, name: &str, found: &Value) {
    let path = folder(dialect).join(format!("{name}.snapshot.json"));
    if std::env::var_os("GOLDEN").is_some() {
        std::fs::write(&path, format!("{found:#}\n")).unwrap();
        return;
    }
    let text = std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("{} is not written", path.display()));
    let expected: Value = serde_json::from_str(&text).unwrap();
    for (name, expected) in expected.as_object().unwrap() {
        assert_eq!(found.get(name), Some(expected), "{name} in {}", path.display());
    }
    assert_eq!(found, &expected, "{}", path.display());
}

/// A request of a client, as an upstream of this dialect gets it.
pub(in crate::dialects) fn asked(
    dialect: &dyn Dialect,
    (inbound, kind): (&dyn Inbound, EndpointKind),
    model: &str,
    body: &Value,
) -> Result<Value, ApiError> {
    let none = Map::new();
    let params = ShapeParams {
        defaults: &none,
        extra_body: &none,
        allowed: &[],
        drop: &[],
        takes_stream_options: true,
    };
    let shape = Shape { model, params, drop_params: false, ask_usage: true };
    let ask = Ask { model, provider: dialect.name(), shape: &shape };
    let request = request::read(kind, Bytes::from(body.to_string()))?;
    let sent = translate::encode(&request, inbound, dialect, &ask)?;
    let body: Value = serde_json::from_slice(&sent.body).unwrap();
    Ok(json!({ "path": sent.path, "headers": sent.headers, "body": body }))
}

/// Every golden request, written in this dialect for a model of this name, is as the snapshot says.
pub(in crate::dialects) fn requests(dialect: &dyn Dialect, model: &str) {
    let mut found = Map::new();
    for (inbound, kind, file) in CLIENTS {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dialects/golden").join(file);
        let requests: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        for (name, body) in requests.as_object().unwrap() {
            let mut body = body.clone();
            body["model"] = "public".into();
            // Google's clients say in the path whether they want a stream.
            let streams = body["stream"] == true && kind == EndpointKind::GenerateContent;
            let kind = if streams { EndpointKind::StreamContent } else { kind };
            let written = asked(dialect, (inbound, kind), model, &body);
            let written =
                written.unwrap_or_else(|error| json!({ "refused": error.message, "param": error.param }));
            found.insert(format!("{}: {name}", inbound.name()), written);
        }
    }
    compare(dialect, "requests", &found.into());
}

/// Every golden answer, written for all kinds of clients, is as the snapshot says.
pub(in crate::dialects) fn answers(dialect: &dyn Dialect) {
    let mut found = Map::new();
    for (name, body) in samples(dialect, "answer") {
        let answer = dialect.decode(&body);
        for (inbound, _, _) in CLIENTS {
            let written = match &answer {
                Ok(answer) => serde_json::from_slice(&inbound.write(answer, &given())).unwrap(),
                Err(failure) => json!({ "unreadable": failure.message }),
            };
            found.insert(format!("{name} for {}", inbound.name()), written);
        }
    }
    compare(dialect, "answers", &found.into());
}

/// Every golden error is classified as the snapshot says. The status is the name's last but one word.
pub(in crate::dialects) fn errors(dialect: &dyn Dialect) {
    let mut found = Map::new();
    for (name, body) in samples(dialect, "error") {
        let status =
            name.rsplit('.').nth(1).and_then(|status| status.parse().ok()).expect("name.status.json");
        let failure = dialect.classify(status, &body, None);
        found.insert(name, json!({ "class": format!("{:?}", failure.class), "message": failure.message }));
    }
    compare(dialect, "errors", &found.into());
}

/// What is read of a stream that comes in these pieces.
pub(in crate::dialects) fn events<'a>(
    dialect: &dyn Dialect,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> Vec<Event> {
    let mut decoder = dialect.decoder();
    let mut events = Vec::new();
    for piece in pieces {
        decoder.push(piece, &mut events).unwrap();
    }
    decoder.finish(&mut events);
    events
}

/// What a client gets of a stream that comes in these pieces, and whether it was all there.
pub(in crate::dialects) fn relayed<'a>(
    dialect: &dyn Dialect,
    inbound: &dyn Inbound,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> (String, Value) {
    let mut flow = Flow::Translated(Box::new(Translation::new(dialect.decoder(), inbound.encoder(given()))));
    let mut sent = Vec::new();
    for piece in pieces {
        sent.extend_from_slice(&flow.push(Bytes::copy_from_slice(piece)).unwrap());
    }
    let end = flow.finish();
    if let StreamEnd::Complete { tail } = &end {
        sent.extend_from_slice(tail);
    }
    let told = json!({
        "complete": end != StreamEnd::Cut,
        "usage": format!("{:?}", flow.usage()),
        "produced": flow.produced().output_events,
        "failure": flow.failure().map(|failure| format!("{:?}: {}", failure.class, failure.message)),
    });
    (String::from_utf8(sent).unwrap(), told)
}

/// Every golden stream, written for all kinds of clients, is as the snapshot says, and the same however it is cut.
pub(in crate::dialects) fn streams(dialect: &dyn Dialect) {
    let mut found = Map::new();
    let samples = samples(dialect, "stream");
    assert!(!samples.is_empty(), "there are golden streams");
    for (name, stream) in samples {
        let read = events(dialect, std::iter::once(&stream[..]));
        for at in 0..stream.len() {
            let pieces = [&stream[..at], &stream[at..]];
            assert_eq!(events(dialect, pieces.into_iter()), read, "{name} cut at {at}");
        }
        for size in 2..40 {
            assert_eq!(events(dialect, stream.chunks(size)), read, "{name} in pieces of {size}");
        }
        for (inbound, _, _) in CLIENTS {
            let whole = relayed(dialect, inbound, std::iter::once(&stream[..]));
            for size in [1, 7, 64] {
                let cut = relayed(dialect, inbound, stream.chunks(size));
                assert_eq!(cut, whole, "{name} in pieces of {size}");
            }
            let (sent, told) = whole;
            let sent: Vec<&str> = sent.split_inclusive("\n\n").collect();
            found.insert(format!("{name} for {}", inbound.name()), json!({ "sent": sent, "told": told }));
        }
    }
    compare(dialect, "streams", &found.into());
}

/// A stream that ends before its time is never taken for a whole one, and nothing is told after its end.
pub(in crate::dialects) fn cut_streams(dialect: &dyn Dialect) {
    for (name, stream) in samples(dialect, "stream") {
        let whole = events(dialect, std::iter::once(&stream[..]));
        let stop = |events: &[Event]| events.iter().any(|event| matches!(event, Event::Stop(_)));
        for length in 0..stream.len() {
            let part = events(dialect, std::iter::once(&stream[..length]));
            assert!(stop(&whole) || !stop(&part), "{name} cut at {length} has an end that it has not");
            let told = part.len().saturating_sub(1).min(whole.len());
            assert_eq!(part[..told], whole[..told], "{name} cut at {length}");
        }
    }
}
