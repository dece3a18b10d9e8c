//! What a request asks for that is not counted in tokens.

use super::facts::Request;
use crate::dialects::form::Scan;
use crate::dialects::json::{elements, text};
use crate::dialects::openai::media::number;
use crate::domain::{EndpointKind, Units};

/// Bytes of a second of sound whose format does not tell: 128 kbit.
const BYTES_OF_SECOND: u64 = 16_000;
/// Characters of text that are spoken in a second.
const SPOKEN_IN_SECOND: u64 = 15;
/// Documents that a reranker ranks for one query.
const DOCUMENTS_OF_QUERY: u64 = 100;
/// No call makes more images.
const MOST_IMAGES: u64 = 1000;

/// What a request asks for.
pub(super) fn of(request: &Request) -> Units {
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
pub(in crate::dialects::openai) fn of_form(kind: EndpointKind, scan: &Scan, length: Option<u64>) -> Units {
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
}
