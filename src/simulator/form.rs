//! Forms, read whole: a reader of its own, so that the gateway's is not checked by itself.

use super::http::Request;

/// One part.
#[derive(Debug)]
pub(super) struct Part<'a> {
    pub(super) name: String,
    pub(super) filename: Option<String>,
    pub(super) value: &'a [u8],
}

/// The parts of a request's form; `None` if it is none.
pub(super) fn read(request: &Request) -> Option<Vec<Part<'_>>> {
    let content_type = request.header("content-type");
    if !content_type.starts_with("multipart/form-data") {
        return None;
    }
    let boundary = content_type.split_once("boundary=")?.1.trim_matches('"');
    let delimiter = format!("--{boundary}");
    let mut parts = Vec::new();
    let mut rest = &request.body[..];
    rest = rest.get(find(rest, delimiter.as_bytes())? + delimiter.len()..)?;
    let delimiter = format!("\r\n--{boundary}");
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let end = find(part, delimiter.as_bytes())?;
        let (head, value) = part.get(..end)?.split_at(find(part, b"\r\n\r\n")?);
        let head = String::from_utf8_lossy(head).into_owned();
        let said = |key: &str| {
            let quoted = head.split_once(&format!("{key}=\""))?.1.split('"').next()?;
            Some(quoted.to_owned())
        };
        parts.push(Part { name: said(" name")?, filename: said("filename"), value: value.get(4..)? });
        rest = part.get(end + delimiter.len()..)?;
    }
    rest.starts_with(b"--").then_some(parts)
}

/// The text of a field.
pub(super) fn field<'a>(parts: &'a [Part<'_>], name: &str) -> Option<&'a str> {
    let part = parts.iter().find(|part| part.name == name && part.filename.is_none())?;
    std::str::from_utf8(part.value).ok()
}

fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, word)
}
