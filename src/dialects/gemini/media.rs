//! Pictures, recordings and documents as parts.

use crate::dialects::hub::{Media, Source};
use serde_json::{Value, json};

/// Media types by the ending of a name, where a URL is all that is known.
const KINDS: [(&str, &str); 16] = [
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("webp", "image/webp"),
    ("gif", "image/gif"),
    ("heic", "image/heic"),
    ("pdf", "application/pdf"),
    ("txt", "text/plain"),
    ("mp3", "audio/mp3"),
    ("wav", "audio/wav"),
    ("ogg", "audio/ogg"),
    ("flac", "audio/flac"),
    ("mp4", "video/mp4"),
    ("mov", "video/quicktime"),
    ("webm", "video/webm"),
    ("mpeg", "video/mpeg"),
];

/// A part that holds this, of the kind `otherwise` if nobody said which.
pub(super) fn part(media: Media, otherwise: &str) -> Value {
    let kind = if media.kind.is_empty() { None } else { Some(media.kind.as_str()) };
    match &media.source {
        Source::Data(data) => {
            json!({ "inlineData": { "mimeType": kind.unwrap_or(otherwise), "data": data } })
        }
        Source::Url(url) | Source::Id(url) => {
            let kind = kind.or_else(|| by_ending(url)).unwrap_or(otherwise);
            json!({ "fileData": { "mimeType": kind, "fileUri": url } })
        }
        Source::Text(text) => json!({ "text": text }),
    }
}

fn by_ending(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let ending = path.rsplit('/').next()?.rsplit_once('.')?.1.to_ascii_lowercase();
    KINDS.iter().find(|(known, _)| *known == ending).map(|(_, kind)| *kind)
}
