//! What a request says about itself, for limits and the ledger: read when it is asked for.

use super::fields::{Field, is_anthropics};
use super::request::Request;
use crate::dialects::json::{self, Member, Members, Span};
use crate::domain::EndpointKind;
use std::borrow::Cow;
use std::sync::Arc;

/// So many tags are kept of a request, each up to so many bytes.
const MOST_TAGS: usize = 32;
const LONGEST_TAG: usize = 256;
/// Longest id of an end user or a session that is kept, in bytes.
const LONGEST_ID: usize = 256;
/// So much of a prompt is its opening, in bytes.
const OPENING: usize = 1024;

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
        self.weighed(name).and_then(json::text).or_else(|| self.field(name).map(Cow::Borrowed))
    }

    /// The end user that the client names (`user`; Anthropic's clients say `metadata.user_id`).
    #[must_use]
    pub fn user(&self) -> Option<Arc<str>> {
        let theirs = || self.inner("metadata", "user_id").filter(|_| is_anthropics(self.kind()));
        let of_form =
            || self.field("user").filter(|id| !id.is_empty() && id.len() <= LONGEST_ID).map(Arc::from);
        self.value("user").or_else(theirs).and_then(short).or_else(of_form)
    }

    /// Most tokens the answer may have (`max_completion_tokens`, `max_tokens`, or what its API calls it).
    #[must_use]
    pub fn max_tokens(&self) -> Option<u64> {
        let number = |value: Option<&[u8]>| std::str::from_utf8(value?).ok()?.parse().ok();
        match self.kind() {
            kind if kind.is_googles() => number(self.inner("generationConfig", "maxOutputTokens"))
                .or_else(|| number(self.inner("generation_config", "max_output_tokens"))),
            EndpointKind::Responses => number(self.weighed("max_output_tokens")),
            _ => number(self.weighed("max_completion_tokens")).or_else(|| number(self.weighed("max_tokens"))),
        }
    }

    /// How soon it is to be served where calls wait (`priority`, `metadata.priority`); lower is sooner.
    #[must_use]
    pub fn priority(&self) -> Option<u8> {
        let value = self.value("priority").or_else(|| self.inner("metadata", "priority"))?;
        let number: f64 = std::str::from_utf8(value).ok()?.parse().ok()?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is clamped")]
        let level = number.clamp(0.0, 255.0) as u8;
        Some(level)
    }

    /// Labels of the call (`metadata.tags`, `tags`).
    #[must_use]
    pub fn tags(&self) -> Vec<Arc<str>> {
        let mut tags = Vec::new();
        for value in [self.inner("metadata", "tags"), self.value("tags")].into_iter().flatten() {
            let list: Vec<String> = serde_json::from_slice(value).unwrap_or_default();
            tags.extend(list.into_iter().filter(|tag| tag.len() <= LONGEST_TAG).map(Arc::from));
        }
        tags.truncate(MOST_TAGS);
        tags
    }

    /// The conversation this call belongs to (`metadata.session_id`, `litellm_session_id`).
    #[must_use]
    pub fn session(&self) -> Option<Arc<str>> {
        self.inner("metadata", "session_id").or_else(|| self.value("litellm_session_id")).and_then(short)
    }

    /// How the prompt begins: up to the end of the user's first message, which a conversation keeps as it grows,
    /// and not more than a kilobyte, so that a long common instruction is all that counts of those who share it.
    #[must_use]
    pub fn opening(&self) -> &[u8] {
        let body = self.body();
        let found = self.members.iter().find(|(field, _)| *field == Field::Content);
        let Some(span) = found.map(|(_, member)| member.value) else { return &[] };
        let end = first_user_message(body, span).unwrap_or(span.end).min(span.start + OPENING);
        Span { start: span.start, end: end.min(span.end) }.of(body)
    }

    /// What a member of the body says, as written.
    pub(in crate::dialects) fn value(&self, name: &str) -> Option<&[u8]> {
        let body = self.body();
        let found = self.members.iter().find(|(_, member)| member.is(body, name));
        found.map(|(_, member)| member.value.of(body))
    }

    /// The same of what is weighed, which `extra_body` may say instead.
    pub(in crate::dialects) fn weighed(&self, name: &str) -> Option<&[u8]> {
        let body = self.body();
        let extra = self.extra.iter().find(|member| member.is(body, name));
        extra.map(|member| member.value.of(body)).or_else(|| self.value(name))
    }

    fn inner(&self, name: &str, key: &str) -> Option<&[u8]> {
        let body = self.body();
        let (_, outer) = self.members.iter().find(|(_, member)| member.is(body, name))?;
        let mut members = Members::within(body, outer.value).ok()?.map_while(Result::ok);
        members.find(|member: &Member| member.is(body, key)).map(|member| member.value.of(body))
    }
}

/// Where the first message of a user ends, if the messages before it are short.
fn first_user_message(body: &[u8], list: Span) -> Option<usize> {
    let mut at = list.start + 1;
    while at < list.end.min(list.start + OPENING) {
        let start = json::skip_space(body, at);
        let end = json::skip_value(body, start).ok()?;
        let mut members = Members::within(body, Span { start, end }).ok()?.map_while(Result::ok);
        let role = members.find(|member| member.is(body, "role"));
        if role.is_some_and(|role| role.value.of(body) == b"\"user\"") {
            return Some(end);
        }
        at = json::skip_space(body, end) + 1;
    }
    None
}

fn short(value: &[u8]) -> Option<Arc<str>> {
    let text = json::text(value)?;
    (!text.is_empty() && text.len() <= LONGEST_ID).then(|| Arc::from(&*text))
}

#[cfg(test)]
mod tests {
    use crate::dialects::openai::request::read;
    use crate::domain::EndpointKind;
    use bytes::Bytes;

    #[test]
    fn a_request_says_who_it_is_for_and_how_long_it_may_get() {
        let body = r#"{"model":"m","messages":[],"user":"u-1","max_tokens":9,"max_completion_tokens":7,
            "metadata":{"tags":["a","b"],"session_id":"s","priority":900},"tags":["c"]}"#;
        let request = read(EndpointKind::ChatCompletions, Bytes::from(body)).unwrap();
        assert_eq!(request.user().as_deref(), Some("u-1"));
        assert_eq!(request.max_tokens(), Some(7));
        assert_eq!(request.tags().iter().map(|t| &**t).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(request.session().as_deref(), Some("s"));
        assert_eq!(request.priority(), Some(255));
    }

    #[test]
    fn a_conversation_keeps_its_opening_as_it_grows() {
        let opening = |messages: &str| {
            let body = format!(r#"{{"model":"m","messages":{messages}}}"#);
            let request = read(EndpointKind::ChatCompletions, Bytes::from(body)).unwrap();
            String::from_utf8(request.opening().to_vec()).unwrap()
        };
        let first = r#"[{"role":"system","content":"s"}, {"content":"hi","role":"user"}"#;
        assert_eq!(opening(&format!("{first}]")), first);
        assert_eq!(opening(&format!(r#"{first},{{"role":"assistant","content":"yes?"}}]"#)), first);
        let long = format!(r#"[{{"role":"system","content":"{}"}}"#, "x".repeat(5000));
        let (one, other) =
            (opening(&format!(r#"{long},{{"role":"user","content":"1"}}]"#)), opening(&format!("{long}]")));
        assert!(one == other && one.len() == 1024);
        for odd in ["[]", "[1,2]", r#"[{"role":7}]"#, "[[]]"] {
            assert_eq!(opening(odd), odd);
        }
        let body = Bytes::from_static(br#"{"model":"m","input":"text"}"#);
        assert_eq!(read(EndpointKind::Embeddings, body).unwrap().opening(), b"\"text\"");
    }

    #[test]
    fn what_is_of_another_type_says_nothing() {
        let body = r#"{"model":"m","messages":[],"user":7,"max_tokens":"x","metadata":[],"tags":{}}"#;
        let request = read(EndpointKind::ChatCompletions, Bytes::from(body)).unwrap();
        assert!(request.user().is_none() && request.max_tokens().is_none() && request.tags().is_empty());
    }
}
