//! What a request says of its fallbacks: read only when it says something, and before the call is let in.

use super::fields::Field;
use super::request::{self, Request};
use crate::domain::{ApiError, EndpointKind, ErrorKind, UpstreamClass};
use bytes::Bytes;
use serde_json::{Map, Value};

/// Most groups that one request may name.
const MOST: usize = 32;

/// What a client wants to happen when the group it asks for fails.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wishes {
    /// `disable_fallbacks`.
    pub disabled: bool,
    /// `max_fallbacks`.
    pub max_depth: Option<u32>,
    /// `fallbacks`.
    pub failure: Option<Wanted>,
    /// `context_window_fallbacks`.
    pub context_window: Option<Wanted>,
    /// `content_policy_fallbacks`.
    pub content_policy: Option<Wanted>,
    /// `mock_testing_fallbacks` and its like: fail so, without asking the group.
    pub mock: Option<UpstreamClass>,
}

/// A list of fallbacks as clients write it.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// `["b", {"model": "c", "temperature": 0}]`: for the group asked for.
    These(Vec<Wish>),
    /// `[{"a": ["b"]}]`: for whichever group fails, as in the configuration.
    ByGroup(Vec<(String, Vec<Wish>)>),
}

/// One fallback.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    /// Whom to ask.
    pub model: String,
    /// What to put in the place of the request's own members; never a destination or credential.
    pub with: Option<Map<String, Value>>,
}

impl Wishes {
    /// Every fallback that is named.
    pub fn all(&self) -> impl Iterator<Item = &Wish> {
        let lists = [&self.failure, &self.context_window, &self.content_policy];
        lists.into_iter().flatten().flat_map(|wanted| -> Box<dyn Iterator<Item = &Wish>> {
            match wanted {
                Wanted::These(wishes) => Box::new(wishes.iter()),
                Wanted::ByGroup(lists) => Box::new(lists.iter().flat_map(|(_, wishes)| wishes)),
            }
        })
    }
}

impl Request {
    /// What it says of its fallbacks; `None` if nothing.
    ///
    /// # Errors
    /// It cannot be understood, or is too much.
    pub fn wishes(&self) -> Result<Option<Box<Wishes>>, ApiError> {
        let said = self.members.iter().filter(|(field, _)| *field == Field::Fallbacks);
        let mut wishes: Option<Box<Wishes>> = None;
        for (_, member) in said {
            let name = member.name(self.body());
            let value: Value = serde_json::from_slice(member.value.of(self.body()))
                .map_err(|_| invalid(&name, "expected JSON"))?;
            if value.is_null() {
                continue;
            }
            wishes.get_or_insert_default().take(&name, value)?;
        }
        if wishes.as_ref().is_some_and(|wishes| wishes.all().count() > MOST) {
            return Err(invalid("fallbacks", &format!("expected {MOST} of them at most")));
        }
        Ok(wishes)
    }

    /// The same request with other members in the place of its own. Of the model and of streaming nothing is changed.
    ///
    /// # Errors
    /// As [`request::read`]; a destination or credential is one.
    pub fn with(&self, kind: EndpointKind, members: &Map<String, Value>) -> Result<Self, ApiError> {
        if self.form.is_some() {
            if members.keys().all(|name| name == "model") {
                return Ok(self.clone());
            }
            let words = "A fallback cannot change the fields of a form.";
            return Err(ApiError::new(ErrorKind::InvalidRequest, words));
        }
        let instead = || members.iter().filter(|(name, _)| !matches!(name.as_str(), "model" | "stream"));
        let mut out = b"{".to_vec();
        for (_, member) in &self.members {
            if !instead().any(|(name, _)| member.is(self.body(), name)) {
                out.extend_from_slice(member.whole().of(self.body()));
                out.push(b',');
            }
        }
        for (name, value) in instead() {
            crate::dialects::json::put_text(&mut out, name);
            out.extend_from_slice(format!(":{value},").as_bytes());
        }
        if out.last() == Some(&b',') {
            out.pop();
        }
        out.push(b'}');
        request::read(kind, Bytes::from(out))
    }
}

impl Wishes {
    fn take(&mut self, name: &str, value: Value) -> Result<(), ApiError> {
        let flag = || value.as_bool().ok_or_else(|| invalid(name, "expected a boolean"));
        let mock = |class| flag().map(|is_on| is_on.then_some(class));
        match name {
            "disable_fallbacks" => self.disabled = flag()?,
            "max_fallbacks" => {
                let depth = value.as_u64().and_then(|n| u32::try_from(n).ok());
                self.max_depth = Some(depth.ok_or_else(|| invalid(name, "expected a whole number"))?);
            }
            "mock_testing_fallbacks" => self.mock = mock(UpstreamClass::Internal)?.or(self.mock),
            "mock_testing_context_fallbacks" => {
                self.mock = mock(UpstreamClass::ContextWindow)?.or(self.mock);
            }
            "mock_testing_content_policy_fallbacks" => {
                self.mock = mock(UpstreamClass::ContentPolicy)?.or(self.mock);
            }
            "context_window_fallbacks" => self.context_window = wanted(name, value)?,
            "content_policy_fallbacks" => self.content_policy = wanted(name, value)?,
            _ => self.failure = wanted(name, value)?,
        }
        Ok(())
    }
}

/// An empty list says nothing, as for LiteLLM.
fn wanted(name: &str, value: Value) -> Result<Option<Wanted>, ApiError> {
    let Value::Array(items) = value else { return Err(invalid(name, "expected a list")) };
    let by_group = |item: &Value| {
        item.as_object().is_some_and(|item| !item.contains_key("model") && item.values().all(Value::is_array))
    };
    if items.is_empty() {
        return Ok(None);
    }
    if !items.iter().all(by_group) {
        let wishes = items.into_iter().map(|item| wish(name, item)).collect::<Result<_, _>>()?;
        return Ok(Some(Wanted::These(wishes)));
    }
    let mut lists = Vec::with_capacity(items.len());
    for (group, list) in items.into_iter().filter_map(into_object).flatten() {
        let Value::Array(list) = list else { continue };
        lists.push((group, list.into_iter().map(|item| wish(name, item)).collect::<Result<_, _>>()?));
    }
    Ok(Some(Wanted::ByGroup(lists)))
}

fn into_object(value: Value) -> Option<Map<String, Value>> {
    if let Value::Object(members) = value { Some(members) } else { None }
}

fn wish(name: &str, item: Value) -> Result<Wish, ApiError> {
    match item {
        Value::String(model) => Ok(Wish { model, with: None }),
        Value::Object(mut members) => match members.remove("model") {
            Some(Value::String(model)) => {
                Ok(Wish { model, with: Some(members).filter(|members| !members.is_empty()) })
            }
            _ => Err(invalid(name, "a fallback that is an object names its model")),
        },
        _ => Err(invalid(name, "expected names of models, or objects that name one")),
    }
}

fn invalid(name: &str, words: &str) -> ApiError {
    ApiError::new(ErrorKind::InvalidRequest, format!("Invalid value for '{name}': {words}.")).with_param(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const CHAT: EndpointKind = EndpointKind::ChatCompletions;

    fn request(more: Value) -> Request {
        let mut body = json!({ "model": "m", "messages": [], "temperature": 1 });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        request::read(CHAT, Bytes::from(body.to_string())).unwrap()
    }

    fn wishes(more: Value) -> Result<Option<Box<Wishes>>, ApiError> {
        request(more).wishes()
    }

    fn names(wanted: &Option<Wanted>) -> Vec<String> {
        let Some(Wanted::These(wishes)) = wanted else { panic!("{wanted:?}") };
        wishes.iter().map(|wish| wish.model.clone()).collect()
    }

    #[test]
    fn whoever_says_nothing_has_no_wishes() {
        for more in [json!({}), json!({ "fallbacks": null, "max_tokens": 1 })] {
            assert_eq!(wishes(more).unwrap(), None);
        }
        assert_eq!(wishes(json!({ "fallbacks": [] })).unwrap().unwrap().failure, None);
    }

    #[test]
    fn all_three_forms_are_understood() {
        let read = |value| wishes(json!({ "fallbacks": value })).unwrap().unwrap().failure;
        assert_eq!(names(&read(json!(["a", "b"]))), ["a", "b"]);
        let with = read(json!([{ "model": "a" }, { "model": "b", "seed": 1 }]));
        assert_eq!(names(&with), ["a", "b"]);
        let Some(Wanted::These(with)) = with else { panic!() };
        assert_eq!((with[0].with.as_ref(), with[1].with.as_ref().unwrap()["seed"].as_i64()), (None, Some(1)));
        let Some(Wanted::ByGroup(lists)) = read(json!([{ "m": ["a"] }, { "*": ["b"] }])) else { panic!() };
        assert_eq!((lists[0].0.as_str(), lists[1].1[0].model.as_str()), ("m", "b"));
    }

    #[test]
    fn the_other_members_are_read_too() {
        let all = wishes(json!({
            "disable_fallbacks": true, "max_fallbacks": 2, "context_window_fallbacks": ["c"],
            "content_policy_fallbacks": ["p"], "mock_testing_fallbacks": false,
            "mock_testing_context_fallbacks": true,
        }))
        .unwrap()
        .unwrap();
        assert!(all.disabled && all.max_depth == Some(2));
        assert_eq!(all.mock, Some(UpstreamClass::ContextWindow));
        assert_eq!(
            (names(&all.context_window), names(&all.content_policy)),
            (vec!["c".into()], vec!["p".into()])
        );
        assert_eq!(all.all().count(), 2);
    }

    #[test]
    fn what_is_no_list_of_models_is_a_400_that_names_it() {
        let many: Vec<String> = (0..33).map(|n| n.to_string()).collect();
        for (name, value) in [
            ("fallbacks", json!("a")),
            ("fallbacks", json!([1])),
            ("fallbacks", json!([{ "temperature": 1 }])),
            ("fallbacks", json!(many)),
            ("context_window_fallbacks", json!({})),
            ("disable_fallbacks", json!("yes")),
            ("max_fallbacks", json!(-1)),
        ] {
            let error = wishes(json!({ name: value })).unwrap_err();
            assert_eq!((error.status(), error.param.as_deref()), (400, Some(name)), "{error}");
        }
    }

    #[test]
    fn a_request_takes_other_members_but_no_destination() {
        let changed = |with: Value| request(json!({ "stream": true })).with(CHAT, with.as_object().unwrap());
        let new = changed(json!({ "temperature": 0, "seed": 7, "model": "x", "stream": false })).unwrap();
        let body: Value = serde_json::from_slice(new.body()).unwrap();
        assert_eq!(
            body,
            json!({ "model": "m", "messages": [], "stream": true, "temperature": 0, "seed": 7 })
        );
        for banned in ["api_base", "api_key", "base_url", "aws_region_name"] {
            assert_eq!(changed(json!({ banned: "x" })).unwrap_err().kind, ErrorKind::BannedParam, "{banned}");
        }
    }
}
