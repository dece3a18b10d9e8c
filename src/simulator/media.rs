//! Audio, images, reranking and moderations: OpenAI's and Cohere's forms.

use super::answer::{self, CREATED, Response};
use super::form::{self, Part};
use super::http::{Connection, Request};
use super::json::base64;
use super::stream::Ended;
use super::{Behaviour, Ending, UsageReport, fault};
use serde_json::{Value, json};
use std::io;

/// How a request of these is answered.
pub(super) enum Reply {
    /// In one piece.
    Whole(Response),
    /// In pieces of this media type.
    Pieces(&'static str, Vec<Vec<u8>>),
}

/// The answer to a request of these; `None` if it is none.
pub(super) fn answer(request: &Request, behaviour: &Behaviour) -> Option<Reply> {
    let route = request.route();
    let asked: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let parts = form::read(request);
    Some(match route {
        _ if route.ends_with("/audio/speech") => speech(&asked, behaviour),
        _ if route.ends_with("/audio/transcriptions") || route.ends_with("/audio/translations") => {
            match parts {
                Some(parts) => transcription(&parts, behaviour),
                None => Reply::Whole(fault::error(400, "no form")),
            }
        }
        _ if route.ends_with("/images/generations") => Reply::Whole(images(&asked, None, behaviour)),
        _ if route.ends_with("/images/edits") || route.ends_with("/images/variations") => match parts {
            Some(parts) => Reply::Whole(images(&told(&parts), Some(&parts), behaviour)),
            None => Reply::Whole(fault::error(400, "no form")),
        },
        _ if route.ends_with("/moderations") => Reply::Whole(moderation(&asked)),
        _ if route.ends_with("/rerank") => Reply::Whole(rerank(route, &asked)),
        _ => return None,
    })
}

/// Sends an answer in pieces, or some of them if it is to break off.
pub(super) async fn send(
    connection: &mut Connection,
    content_type: &str,
    pieces: &[Vec<u8>],
    behaviour: &Behaviour,
) -> io::Result<Ended> {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\nserver: simulator\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    connection.send(head.as_bytes()).await?;
    let (cut, ended) = match behaviour.ending {
        Ending::Cut(n) => (n, Ended::Cut),
        Ending::Reset(n) => (n, Ended::Reset),
        Ending::Truncate(n) => (n, Ended::Whole),
        _ => (usize::MAX, Ended::Whole),
    };
    for (at, piece) in pieces.iter().take(cut).enumerate() {
        if at > 0 {
            connection.pause(behaviour.gap).await?;
        }
        let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
        chunk.extend_from_slice(piece);
        chunk.extend_from_slice(b"\r\n");
        connection.send(&chunk).await?;
    }
    if ended == Ended::Whole {
        connection.send(b"0\r\n\r\n").await?;
    }
    Ok(ended)
}

fn speech(asked: &Value, behaviour: &Behaviour) -> Reply {
    let text = asked["input"].as_str().unwrap_or_default();
    let content_type = match asked["response_format"].as_str() {
        Some("wav") => "audio/wav",
        Some("opus") => "audio/opus",
        _ => "audio/mpeg",
    };
    let voice = asked["voice"].as_str().unwrap_or_default();
    let model = asked["model"].as_str().unwrap_or_default();
    if asked["stream_format"] == "sse" {
        let usage = json!({ "input_tokens": 4, "output_tokens": 20, "total_tokens": 24 });
        let events = [
            json!({ "type": "speech.audio.delta", "audio": base64(text.as_bytes()) }),
            json!({ "type": "speech.audio.done", "usage": usage }),
        ];
        return Reply::Pieces("text/event-stream", events.iter().map(event).collect());
    }
    let said = format!("{model}:{voice}:{text}:");
    let pieces = (0..behaviour.chunks)
        .map(|at| [said.as_bytes(), &[0xFF, u8::try_from(at % 256).unwrap_or(0)]].concat());
    Reply::Pieces(content_type, pieces.collect())
}

fn event(data: &Value) -> Vec<u8> {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or_default()).into_bytes()
}

/// What came in a form, so that a test can tell what arrived.
fn told(parts: &[Part<'_>]) -> Value {
    let mut told = json!({ "files": [] });
    for part in parts {
        match &part.filename {
            Some(filename) => {
                let file = json!({ "part": part.name, "filename": filename, "bytes": part.value.len(),
                    "sha256": answer::sha256(part.value) });
                if let Some(files) = told["files"].as_array_mut() {
                    files.push(file);
                }
            }
            None => told[&part.name] = String::from_utf8_lossy(part.value).into(),
        }
    }
    told
}

fn transcription(parts: &[Part<'_>], behaviour: &Behaviour) -> Reply {
    const TEXT: &str = "Every call pays its toll.";
    let told = told(parts);
    if form::field(parts, "stream") == Some("true") {
        let usage = json!({ "type": "duration", "seconds": 3 });
        let mut events = vec![
            json!({ "type": "transcript.text.delta", "delta": "Every call " }),
            json!({ "type": "transcript.text.delta", "delta": "pays its toll." }),
        ];
        events.push(json!({ "type": "transcript.text.done", "text": TEXT, "usage": usage }));
        return Reply::Pieces("text/event-stream", events.iter().map(event).collect());
    }
    let text = |kind: &'static str, body: String| {
        let mut response = Response::json(200, body);
        response.content_type = kind;
        response
    };
    Reply::Whole(match form::field(parts, "response_format") {
        Some("text") => text("text/plain; charset=utf-8", format!("{TEXT}\n")),
        Some("srt") => text("text/plain", format!("1\n00:00:00,000 --> 00:00:02,500\n{TEXT}\n\n")),
        Some("vtt") => text("text/vtt", format!("WEBVTT\n\n00:00.000 --> 00:02.500\n{TEXT}\n\n")),
        Some("verbose_json" | "diarized_json") => {
            let segments = json!([{ "id": 0, "start": 0.0, "end": 2.5, "text": TEXT, "speaker": "A" }]);
            Response::json(
                200,
                json!({ "task": "transcribe", "language": "english", "duration": 2.5, "text": TEXT,
                "segments": segments, "sim": told })
                .to_string(),
            )
        }
        _ => {
            let mut said = json!({ "text": TEXT, "sim": told });
            match behaviour.usage {
                UsageReport::Never => {}
                UsageReport::Always => {
                    said["usage"] = json!({ "type": "tokens", "input_tokens": 14, "output_tokens": 6, "total_tokens": 20,
                        "input_token_details": { "text_tokens": 0, "audio_tokens": 14 } });
                }
                UsageReport::AsAsked => said["usage"] = json!({ "type": "duration", "seconds": 3 }),
            }
            Response::json(200, said.to_string())
        }
    })
}

fn images(asked: &Value, parts: Option<&[Part<'_>]>, behaviour: &Behaviour) -> Response {
    let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
    let count = number(&asked["n"]).unwrap_or(1).min(10);
    let image = json!({ "b64_json": base64(b"an image") });
    let data: Vec<_> = (0..count).map(|_| image.clone()).collect();
    let mut said = json!({ "created": CREATED, "data": data, "sim": asked });
    if let Some(parts) = parts {
        said["sim"] = told(parts);
    }
    if behaviour.usage == UsageReport::Always {
        said["usage"] = json!({ "input_tokens": 10, "output_tokens": 100 * count, "total_tokens": 10 + 100 * count,
            "input_tokens_details": { "text_tokens": 10, "image_tokens": 0 } });
    }
    Response::json(200, said.to_string())
}

fn moderation(asked: &Value) -> Response {
    let flags = |text: &str| {
        let flagged = text.contains("violence");
        json!({ "flagged": flagged, "categories": { "violence": flagged }, "category_scores": { "violence": 0.5 } })
    };
    let results: Vec<_> = match &asked["input"] {
        Value::Array(texts) => texts.iter().map(|text| flags(text.as_str().unwrap_or_default())).collect(),
        text => vec![flags(text.as_str().unwrap_or_default())],
    };
    Response::json(
        200,
        json!({ "id": "modr-sim-1", "model": asked["model"], "results": results }).to_string(),
    )
}

/// Cohere's form below `/v2`, Jina's elsewhere.
fn rerank(route: &str, asked: &Value) -> Response {
    let documents = asked["documents"].as_array().map_or(0, Vec::len);
    let most = asked["top_n"].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(documents);
    let results: Vec<_> =
        (0..documents.min(most)).map(|index| json!({ "index": index, "relevance_score": 0.5 })).collect();
    let mut said = json!({ "id": "rerank-sim-1", "results": results });
    if route.contains("/v2/") {
        said["meta"] = json!({ "api_version": { "version": "2" }, "billed_units": { "search_units": 1 } });
    } else {
        said["model"] = asked["model"].clone();
        said["usage"] = json!({ "total_tokens": 15 });
    }
    Response::json(200, said.to_string())
}
