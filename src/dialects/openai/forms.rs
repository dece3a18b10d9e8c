//! Requests that are forms: what their fields say, and how a deployment is sent them.

use super::fields::Field;
use super::lines;
use super::request::values::{banned, count, invalid, seconds};
use super::request::{Request, units};
use crate::dialects::form::{self, Part, Patch, Patcher, Place, Scan};
use crate::dialects::json::{Span, put_text};
use crate::dialects::shape::Shape;
use crate::domain::{ApiError, EndpointKind, ErrorKind};
use bytes::Bytes;
use serde_json::Value;

/// A form of which as much has come as `scan` has seen, `body` being its beginning and `length` all that will come, in
/// bytes, as far as that is known.
///
/// # Errors
/// If a field names a destination or credential, or decides something twice.
pub fn read(kind: EndpointKind, body: Bytes, scan: Scan, length: Option<u64>) -> Result<Request, ApiError> {
    let mut request = Request::empty(kind, body);
    recheck(kind, scan.parts())?;
    for part in scan.parts() {
        if let Some(text) = part.text() {
            request.note(kind, part, text)?;
        }
    }
    if scan.is_complete() && !scan.parts().iter().any(|part| part.is_file) {
        let words = "Missing required parameter: 'file'.";
        return Err(ApiError::new(ErrorKind::Unprocessable, words).with_param("file"));
    }
    request.units = units::of_form(kind, &scan, length);
    request.form = Some(Box::new(scan));
    Ok(request)
}

/// Looks at the parts that came after a request was read.
///
/// # Errors
/// As [`read`].
pub fn recheck(kind: EndpointKind, parts: &[Part]) -> Result<(), ApiError> {
    parts.iter().try_for_each(|part| check(kind, part))?;
    match said_twice(parts) {
        None => Ok(()),
        Some(twice) => Err(invalid(&format!("Duplicate parameter: '{twice}'."), twice)),
    }
}

/// What a form decides twice, which two readers could understand in two ways.
fn said_twice(parts: &[Part]) -> Option<&str> {
    const SINGLE: [&str; 5] = ["model", "n", "size", "quality", "purpose"];
    SINGLE.into_iter().find(|name| parts.iter().filter(|part| part.name == *name).nth(1).is_some())
}

fn check(kind: EndpointKind, part: &Part) -> Result<(), ApiError> {
    if Field::of(kind, &part.name) == Field::Banned {
        return Err(banned(&part.name));
    }
    match Field::of_variant(kind, &part.name) {
        None => Ok(()),
        Some((Field::Banned, proper)) => Err(banned(&proper)),
        Some((_, proper)) => {
            let words = format!("Invalid parameter: '{}' must be written '{proper}'.", part.name);
            Err(invalid(&words, &proper))
        }
    }
}

impl Request {
    /// The form, if it is one.
    #[must_use]
    pub fn form(&self) -> Option<&Scan> {
        self.form.as_deref()
    }

    /// The text of a field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.form()?.parts().iter().find(|part| part.name == name)?.text()
    }

    fn note(&mut self, kind: EndpointKind, part: &Part, text: &str) -> Result<(), ApiError> {
        let value = text.as_bytes();
        match Field::of(kind, &part.name) {
            Field::Model => self.model = Some(text.into()),
            Field::Stream => self.stream = matches!(text, "true" | "True" | "1"),
            Field::NumRetries => self.controls.num_retries = Some(count(value, "num_retries")?),
            Field::Timeout => self.controls.timeout = Some(seconds(value, "timeout")?),
            Field::RequestTimeout => {
                let timeout = seconds(value, "request_timeout")?;
                self.controls.timeout.get_or_insert(timeout);
            }
            Field::StreamTimeout => {
                self.controls.stream_timeout = Some(seconds(value, "stream_timeout")?);
            }
            _ if part.name == "prompt" => self.content_bytes += text.len(),
            _ => {}
        }
        Ok(())
    }

    /// What is changed in the form for a deployment.
    #[must_use]
    pub fn patches(&self, shape: &Shape<'_>) -> Patcher {
        let Some(scan) = self.form() else { return Patcher::new(Vec::new()) };
        let is_kept = self.kind == EndpointKind::Files;
        let mut patches = if is_kept { self.lines(shape.model) } else { Vec::new() };
        let mut has_model = is_kept;
        for part in scan.parts() {
            let field = Field::of(self.kind, &part.name);
            let is_over = !part.is_file && shape.params.extra_body.contains_key(&part.name);
            match field {
                Field::Model if part.is_file || !part.is_whole => {}
                Field::Model if is_kept => patches.push(without(part)),
                Field::Model => {
                    has_model = true;
                    if part.text() != Some(shape.model) {
                        let with = Bytes::copy_from_slice(shape.model.as_bytes());
                        patches.push(Patch { place: part.value, with });
                    }
                }
                Field::Stream | Field::Content => {}
                _ if !part.is_whole => {}
                _ if is_over || self.drops(shape, &part.name) => patches.push(without(part)),
                Field::Weighed | Field::Other | Field::Unsupported => {}
                Field::KeptBackUnlessAllowed if self.allows(shape, &part.name) => {}
                _ => patches.push(without(part)),
            }
        }
        let more = if is_kept { String::new() } else { self.more(scan, shape, has_model) };
        if let (Some(first), false) = (scan.first(), more.is_empty()) {
            patches.push(Patch { place: Place { start: first, end: first }, with: Bytes::from(more) });
        }
        Patcher::new(patches)
    }

    /// The model that the lines of a batch's file name; `None` if it is no such file.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn model_of_lines(&self) -> Result<Option<String>, ApiError> {
        let Some(file) = self.batch_file() else { return Ok(None) };
        let models = lines::models(file.1)?;
        Ok(models.into_iter().next().map(|(_, model)| model.into_owned()))
    }

    /// The file of a batch that is whole, and where it begins.
    fn batch_file(&self) -> Option<(u64, &[u8])> {
        let part = self.form()?.parts().iter().find(|part| part.is_file && part.is_whole)?;
        let at = |place: u64| usize::try_from(place).ok();
        let file = self.body.get(at(part.value.start)?..at(part.value.end)?)?;
        (self.field("purpose") == Some("batch")).then_some((part.value.start, file))
    }

    /// The lines of a batch's file ask for the upstream's model.
    fn lines(&self, model: &str) -> Vec<Patch> {
        let Some((start, file)) = self.batch_file() else { return Vec::new() };
        let mut quoted = Vec::new();
        put_text(&mut quoted, model);
        let quoted = Bytes::from(quoted);
        // What cannot be read was refused.
        let models = lines::models(file).unwrap_or_default().into_iter();
        let patch = |(span, named): (Span, std::borrow::Cow<'_, str>)| {
            let place = Place { start: start + span.start as u64, end: start + span.end as u64 };
            (named != model).then(|| Patch { place, with: quoted.clone() })
        };
        models.filter_map(patch).collect()
    }

    /// The fields that the deployment adds.
    fn more(&self, scan: &Scan, shape: &Shape<'_>, has_model: bool) -> String {
        let mut more = String::new();
        let has = |name: &str| scan.parts().iter().any(|part| part.name == name);
        if !has_model {
            more.push_str(&form::field(scan.boundary(), "model", shape.model));
        }
        let defaults = shape.params.defaults.iter().filter(|(name, _)| {
            !has(name) && !shape.params.extra_body.contains_key(*name) && !self.drops(shape, name)
        });
        for (name, value) in defaults.chain(shape.params.extra_body) {
            if matches!(name.as_str(), "model" | "stream" | "stream_options") {
                continue;
            }
            let text = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            // A value that could end its own part is none that can be sent in this form.
            if !text.contains(scan.boundary()) {
                more.push_str(&form::field(scan.boundary(), name, &text));
            }
        }
        more
    }
}

fn without(part: &Part) -> Patch {
    Patch { place: part.whole, with: Bytes::new() }
}
