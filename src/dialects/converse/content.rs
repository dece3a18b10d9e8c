//! Pieces of messages as blocks.

use crate::dialects::hub::value::invalid;
use crate::dialects::hub::{Body, CallResult, Media, Part, Source};
use crate::domain::ApiError;
use serde_json::{Value, json};

/// What stands before may be kept in the cache.
pub(super) fn cache_point() -> Value {
    json!({ "cachePoint": { "type": "default" } })
}

/// Writes a piece; `documents` counts those that need a name.
pub(super) fn write(part: Part, documents: &mut usize, blocks: &mut Vec<Value>) -> Result<(), ApiError> {
    let before = blocks.len();
    match part.body {
        Body::Text(text) | Body::Refusal(text) => {
            // A block of nothing is refused.
            blocks.extend((!text.trim().is_empty()).then(|| json!({ "text": text })));
        }
        Body::Image(picture) => blocks.push(image(picture)?),
        Body::Video(film) => blocks.push(video(film)?),
        Body::File { media, name } => blocks.push(document(media, name, documents)?),
        Body::Audio(_) => return Err(invalid("messages", "Bedrock's Converse takes no recordings")),
        // A thought without its proof is refused.
        Body::Reasoning { text, signature } => blocks.extend(signature.map(|signature| {
            json!({ "reasoningContent": { "reasoningText": { "text": text, "signature": signature } } })
        })),
        Body::Redacted(data) => blocks.push(json!({ "reasoningContent": { "redactedContent": data } })),
        Body::Call(call) => blocks.push(json!({
            "toolUse": { "toolUseId": call.id, "name": call.name, "input": call.object() }
        })),
        Body::Result(result) => blocks.push(write_result(result, documents)?),
    }
    if part.cache.is_some() && blocks.len() > before {
        blocks.push(cache_point());
    }
    Ok(())
}

fn write_result(result: CallResult, documents: &mut usize) -> Result<Value, ApiError> {
    let mut blocks = Vec::with_capacity(result.parts.len());
    for part in result.parts {
        blocks.push(match part.body {
            Body::Text(text) | Body::Refusal(text) => json!({ "text": text }),
            Body::Image(picture) => image(picture)?,
            Body::File { media, name } => document(media, name, documents)?,
            _ => continue,
        });
    }
    if blocks.is_empty() {
        blocks.push(json!({ "text": "" }));
    }
    let mut written = json!({ "toolUseId": result.id, "content": blocks });
    if result.failed {
        written["status"] = "error".into();
    }
    Ok(json!({ "toolResult": written }))
}

/// Where content is: here, or in Amazon's own store.
fn source(source: Source) -> Result<Value, ApiError> {
    match source {
        Source::Data(data) => Ok(json!({ "bytes": data })),
        Source::Url(url) if url.starts_with("s3://") => Ok(json!({ "s3Location": { "uri": url } })),
        Source::Text(text) => Ok(json!({ "text": text })),
        Source::Url(_) | Source::Id(_) => {
            Err(invalid("messages", "Bedrock takes files in base64 (a data: URL) or by s3:// only"))
        }
    }
}

fn image(picture: Media) -> Result<Value, ApiError> {
    let format = match picture.kind.as_str() {
        "image/jpeg" | "image/jpg" => "jpeg",
        "image/gif" => "gif",
        "image/webp" => "webp",
        _ => "png",
    };
    Ok(json!({ "image": { "format": format, "source": source(picture.source)? } }))
}

fn video(film: Media) -> Result<Value, ApiError> {
    let format = match film.kind.as_str() {
        "video/quicktime" => "mov",
        "video/x-matroska" => "mkv",
        "video/webm" => "webm",
        "video/x-flv" => "flv",
        "video/mpeg" => "mpeg",
        "video/3gpp" => "three_gp",
        _ => "mp4",
    };
    Ok(json!({ "video": { "format": format, "source": source(film.source)? } }))
}

fn document(media: Media, name: Option<String>, documents: &mut usize) -> Result<Value, ApiError> {
    *documents += 1;
    let format = match media.kind.as_str() {
        "text/csv" => "csv",
        "application/msword" => "doc",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => "docx",
        "application/vnd.ms-excel" => "xls",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => "xlsx",
        "text/html" => "html",
        "text/markdown" => "md",
        "text/plain" => "txt",
        _ if matches!(media.source, Source::Text(_)) => "txt",
        _ => "pdf",
    };
    let name = name.map(|name| named(&name)).filter(|name| !name.is_empty());
    // Names must differ within a conversation.
    let name = name.map_or_else(|| format!("document {documents}"), |name| format!("{name} {documents}"));
    Ok(json!({ "document": { "format": format, "name": name, "source": source(media.source)? } }))
}

/// A name of the letters that Bedrock takes, without its ending.
fn named(name: &str) -> String {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '(' | ')') { c } else { ' ' };
    let words: String = stem.chars().take(100).map(plain).collect();
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}
