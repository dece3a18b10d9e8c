//! The conversation, as clients write it.

use super::names::camels;
use crate::dialects::hub::value::{invalid, list, object, take_optional_text, take_text};
use crate::dialects::hub::{Body, Call, CallResult, Media, Message, Part, Role, Source};
use crate::dialects::proof::{self, Proof};
use crate::domain::ApiError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

/// Reads `contents`.
pub(super) fn messages(value: Value) -> Result<Vec<Message>, ApiError> {
    let mut reader = Reader::default();
    for (i, value) in list(value, "contents")?.into_iter().enumerate() {
        reader.turn(value, &format!("contents[{i}]"))?;
    }
    Ok(reader.messages)
}

/// Reads `systemInstruction`, of which text counts.
pub(super) fn operator(value: Value) -> Result<Vec<Part>, ApiError> {
    let mut reader = Reader::default();
    reader.turn(value, "systemInstruction")?;
    let parts = reader.messages.into_iter().flat_map(|message| message.parts);
    Ok(parts.filter(|part| part.body.text().is_some()).collect())
}

/// What is read so far. Google's calls need no ids, those of others do.
#[derive(Default)]
struct Reader {
    messages: Vec<Message>,
    /// How many calls there were.
    calls: usize,
    /// Calls without a response: ids and names.
    open: Vec<(String, String)>,
}

impl Reader {
    fn turn(&mut self, value: Value, place: &str) -> Result<(), ApiError> {
        let mut map = object(value, place)?;
        let role = match take_optional_text(&mut map, "role", place)?.as_deref() {
            None | Some("" | "user" | "function" | "system") => Role::User,
            Some("model") => Role::Assistant,
            Some(_) => return Err(invalid(&format!("{place}.role"), "expected user or model")),
        };
        let parts = match map.remove("parts").unwrap_or_default() {
            Value::Null => Vec::new(),
            // One part may stand for a list of it.
            one @ Value::Object(_) => vec![one],
            many => list(many, &format!("{place}.parts"))?,
        };
        let mut begun = false;
        for (i, value) in parts.into_iter().enumerate() {
            let Some(body) = self.part(value, &format!("{place}.parts[{i}]"))? else { continue };
            let role = match (&body, role) {
                (Body::Result(_), _) => Role::Tool,
                (_, role) => role,
            };
            match self.messages.last_mut() {
                Some(last) if begun && last.role == role => add(last, body),
                _ => self.messages.push(Message::new(role, vec![body.into()])),
            }
            begun = true;
        }
        Ok(())
    }

    /// One part; nothing if it means nothing to other providers.
    fn part(&mut self, value: Value, place: &str) -> Result<Option<Body>, ApiError> {
        let mut map = camels(object(value, place)?);
        let sealed = take_optional_text(&mut map, "thoughtSignature", place)?;
        if map.get("thought").and_then(Value::as_bool) == Some(true) {
            let text = take_optional_text(&mut map, "text", place)?.unwrap_or_default();
            return Ok(thought(text, sealed.as_deref()));
        }
        if let Some(text) = take_optional_text(&mut map, "text", place)? {
            return Ok(Some(Body::Text(text)).filter(|_| map.is_empty() || !is_other(&map)));
        }
        if let Some(data) = map.remove("inlineData") {
            return inline(data, &format!("{place}.inlineData")).map(Some);
        }
        if let Some(data) = map.remove("fileData") {
            return linked(data, &format!("{place}.fileData")).map(Some);
        }
        if let Some(call) = map.remove("functionCall") {
            return self.call(call, &format!("{place}.functionCall")).map(Some);
        }
        if let Some(response) = map.remove("functionResponse") {
            return self.response(response, &format!("{place}.functionResponse")).map(Some);
        }
        // What Google's own tools did in turns before; what came of it is in the text.
        if map.is_empty() || is_other(&map) {
            return Ok(None);
        }
        let name = map.keys().next().map_or("part", String::as_str);
        Err(invalid(place, &format!("'{name}' means nothing to the model's provider")))
    }

    fn call(&mut self, value: Value, place: &str) -> Result<Body, ApiError> {
        let mut map = camels(object(value, place)?);
        let name = take_text(&mut map, "name", place)?;
        let own = take_optional_text(&mut map, "id", place)?.filter(|id| !id.is_empty());
        let id = own.unwrap_or_else(|| format!("call_{}", self.calls));
        self.calls += 1;
        let arguments = map.remove("args").filter(|args| !args.is_null());
        let arguments = arguments.map_or_else(|| "{}".to_owned(), |args| args.to_string());
        self.open.push((id.clone(), name.clone()));
        Ok(Body::Call(Call { id, name, arguments, signature: None }))
    }

    fn response(&mut self, value: Value, place: &str) -> Result<Body, ApiError> {
        let mut map = camels(object(value, place)?);
        let name = take_text(&mut map, "name", place)?;
        let own = take_optional_text(&mut map, "id", place)?.filter(|id| !id.is_empty());
        let fits = |(id, called): &(String, String)| own.as_ref().map_or(*called == name, |own| own == id);
        // Ids that the model did not give may differ from ours: then the name decides.
        let found =
            self.open.iter().position(fits).or_else(|| self.open.iter().position(|(_, n)| *n == name));
        let Some(at) = found else {
            return Err(invalid(place, &format!("no call of '{name}' comes before it")));
        };
        let (id, _) = self.open.remove(at);
        let (text, failed) = returned(map.remove("response").unwrap_or_default());
        Ok(Body::Result(CallResult { id, name: Some(name), parts: vec![Part::text(text)], failed }))
    }
}

/// Adds to a turn; pieces of one thought are joined again.
fn add(message: &mut Message, body: Body) {
    if let (Body::Reasoning { text: more, signature: proof }, Some(last)) = (&body, message.parts.last_mut())
        && let Body::Reasoning { text, signature: signature @ None } = &mut last.body
    {
        text.push_str(more);
        signature.clone_from(proof);
        return;
    }
    message.parts.push(body.into());
}

fn is_other(map: &Map<String, Value>) -> bool {
    ["executableCode", "codeExecutionResult", "toolCall", "toolResponse"]
        .iter()
        .any(|name| map.contains_key(*name))
}

/// A thought; its proof counts if it went through here.
fn thought(text: String, sealed: Option<&str>) -> Option<Body> {
    let bytes = sealed.and_then(|sealed| STANDARD.decode(standard(sealed)).ok());
    let kept = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    match kept.as_deref().and_then(proof::open) {
        Some(Proof::Redacted(data)) => Some(Body::Redacted(data)),
        Some(Proof::Signature(signature)) => Some(Body::Reasoning { text, signature: Some(signature) }),
        None if text.is_empty() => None,
        None => Some(Body::Reasoning { text, signature: None }),
    }
}

/// Google's clients write base64 with either alphabet.
fn standard(base64: &str) -> String {
    base64.replace('-', "+").replace('_', "/")
}

fn inline(value: Value, place: &str) -> Result<Body, ApiError> {
    let mut map = camels(object(value, place)?);
    let kind = take_text(&mut map, "mimeType", place)?;
    let data = standard(&take_text(&mut map, "data", place)?);
    let name = take_optional_text(&mut map, "displayName", place)?;
    Ok(shown(kind, Source::Data(data), name))
}

fn linked(value: Value, place: &str) -> Result<Body, ApiError> {
    let mut map = camels(object(value, place)?);
    let kind = take_optional_text(&mut map, "mimeType", place)?.unwrap_or_default();
    let url = take_text(&mut map, "fileUri", place)?;
    let name = take_optional_text(&mut map, "displayName", place)?;
    Ok(shown(kind, Source::Url(url), name))
}

fn shown(kind: String, source: Source, name: Option<String>) -> Body {
    let class = kind.split('/').next().unwrap_or_default().to_owned();
    let media = Media { kind, source };
    match class.as_str() {
        "image" => Body::Image(media),
        "audio" => Body::Audio(media),
        "video" => Body::Video(media),
        _ => Body::File { media, name },
    }
}

/// What a function returned, as text, and whether it failed. An object around one text is Google's alone.
fn returned(response: Value) -> (String, bool) {
    let alone = response.as_object().filter(|map| map.len() == 1).and_then(|map| map.iter().next());
    match alone {
        Some((name, Value::String(text))) if matches!(name.as_str(), "result" | "output") => {
            (text.clone(), false)
        }
        Some((name, Value::String(text))) if name == "error" => (text.clone(), true),
        Some((name, _)) if name == "error" => (response.to_string(), true),
        _ => (response.to_string(), false),
    }
}
