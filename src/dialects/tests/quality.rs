//! What becomes of parameters that a dialect has no words for, and of what a deployment adds: the same rule for all.

use crate::dialects::hub::Param;
use crate::dialects::openai::{OpenAi, request};
use crate::dialects::translate::{self, Modify};
use crate::dialects::{ALL, Ask, Dialect, Shape, ShapeParams};
use crate::domain::{ApiError, EndpointKind, ErrorKind};
use bytes::Bytes;
use serde_json::{Map, Value, json};

/// A deployment's word.
#[derive(Default)]
struct Wish {
    defaults: Map<String, Value>,
    extra_body: Map<String, Value>,
    allowed: Vec<String>,
    drop: Vec<String>,
    drop_params: bool,
    modify: bool,
}

impl Wish {
    fn sent(&self, dialect: &dyn Dialect, more: &Value) -> Result<Value, ApiError> {
        let mut body = json!({ "model": "m", "messages": [{ "role": "user", "content": "Hi" }] });
        more.as_object().unwrap().iter().for_each(|(name, value)| body[name] = value.clone());
        let params = ShapeParams {
            defaults: &self.defaults,
            extra_body: &self.extra_body,
            allowed: &self.allowed,
            drop: &self.drop,
            takes_stream_options: true,
        };
        let shape = Shape { model: "up", params, drop_params: self.drop_params, ask_usage: true };
        let ask = Ask { model: "up", provider: "vendor", shape: &shape };
        let request = request::read(EndpointKind::ChatCompletions, Bytes::from(body.to_string()))?;
        let modify = if self.modify { Modify::Yes } else { Modify::No };
        let sent = translate::encode_as(&request, &OpenAi, dialect, &ask, modify)?;
        Ok(serde_json::from_slice(&sent.body).unwrap())
    }
}

/// A value of each parameter that asks for something.
fn value(param: Param) -> Value {
    match param {
        Param::MaxTokens | Param::Seed | Param::TopLogprobs => json!(3),
        Param::N => json!(2),
        Param::Temperature | Param::TopP | Param::FrequencyPenalty | Param::PresencePenalty => json!(0.5),
        Param::Logprobs | Param::Store => json!(true),
        Param::ParallelToolCalls => json!(false),
        Param::Stop => json!(["END"]),
        Param::Tools => json!([{ "type": "function", "function": { "name": "f" } }]),
        Param::ToolChoice => json!("auto"),
        Param::ResponseFormat => json!({ "type": "json_object" }),
        Param::ReasoningEffort | Param::Verbosity => json!("low"),
        Param::Modalities => json!(["text", "audio"]),
        Param::LogitBias => json!({ "5": 1 }),
        Param::Audio | Param::Prediction | Param::WebSearchOptions | Param::Metadata => json!({ "a": "b" }),
        Param::User
        | Param::ServiceTier
        | Param::SafetyIdentifier
        | Param::PromptCacheKey
        | Param::PromptCacheRetention => json!("word"),
    }
}

/// The dialects and the parameters that they have no words for.
fn strange() -> impl Iterator<Item = (&'static dyn Dialect, Param)> {
    let strange = |dialect: &&'static dyn Dialect| {
        let dialect = *dialect;
        let all = Param::ALL.iter().copied().filter(|param| !dialect.takes().contains(param));
        all.map(move |param| (dialect, param)).collect::<Vec<_>>()
    };
    ALL.iter().flat_map(strange).filter(|(_, param)| *param != Param::Metadata && *param != Param::User)
}

#[test]
fn what_has_no_words_is_refused_by_name_unless_it_is_a_hint() {
    let mut refused = 0;
    for (dialect, param) in strange() {
        let sent = Wish::default().sent(dialect, &json!({ param.name(): value(param) }));
        if param.is_hint() {
            assert!(sent.is_ok(), "{dialect:?} {}", param.name());
            continue;
        }
        let error = sent.expect_err(param.name());
        let names = format!("vendor does not support parameters: ['{}']", param.name());
        assert!(
            error.kind == ErrorKind::UnsupportedParams && error.message.contains(&names),
            "{}",
            error.message
        );
        refused += 1;
    }
    assert!(refused > 15, "{refused}");
}

#[test]
fn what_has_no_words_is_dropped_where_that_is_allowed() {
    for (dialect, param) in strange() {
        let plain = Wish::default().sent(dialect, &json!({})).unwrap();
        let wish = Wish { drop_params: true, ..Wish::default() };
        assert_eq!(wish.sent(dialect, &json!({ param.name(): value(param) })).unwrap(), plain);
        // The request's own word.
        let own = json!({ param.name(): value(param), "drop_params": true });
        assert_eq!(Wish::default().sent(dialect, &own).unwrap(), plain, "{dialect:?} {}", param.name());
    }
}

#[test]
fn what_is_allowed_by_name_is_sent_under_openais_name() {
    for (dialect, param) in strange() {
        // What the hub has a type for is not kept as it came.
        if matches!(
            param,
            Param::Tools | Param::ToolChoice | Param::ParallelToolCalls | Param::ResponseFormat
        ) || matches!(param, Param::ReasoningEffort | Param::MaxTokens | Param::Stop)
        {
            continue;
        }
        let wish = Wish { allowed: vec![param.name().to_owned()], ..Wish::default() };
        let sent = wish.sent(dialect, &json!({ param.name(): value(param) })).unwrap();
        assert_eq!(sent[param.name()], value(param), "{dialect:?} {}: {sent}", param.name());
        let own = json!({ param.name(): value(param), "allowed_openai_params": [param.name()] });
        assert_eq!(Wish::default().sent(dialect, &own).unwrap(), sent);
    }
}

#[test]
fn what_is_to_be_dropped_is_never_sent() {
    for dialect in ALL {
        let plain = Wish::default().sent(*dialect, &json!({})).unwrap();
        for param in [Param::Temperature, Param::Stop, Param::TopP] {
            let more = json!({ param.name(): value(param) });
            assert_ne!(Wish::default().sent(*dialect, &more).unwrap(), plain, "{dialect:?} {}", param.name());
            let wish = Wish { drop: vec![param.name().to_owned()], ..Wish::default() };
            assert_eq!(wish.sent(*dialect, &more).unwrap(), plain, "{dialect:?} {}", param.name());
            let wish = Wish { defaults: map(more), drop: vec![param.name().to_owned()], ..Wish::default() };
            assert_eq!(wish.sent(*dialect, &json!({})).unwrap(), plain, "{dialect:?} {}", param.name());
        }
    }
}

fn map(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[test]
fn what_a_deployment_adds_is_sent_and_defaults_give_way() {
    for dialect in ALL {
        let extra = json!({ "own": { "a": 1 }, "stream": true });
        let wish = Wish { extra_body: map(extra), ..Wish::default() };
        let sent = wish.sent(*dialect, &json!({ "own": 7 })).unwrap();
        assert_eq!(sent["own"], json!({ "a": 1 }), "{dialect:?}");
        assert_ne!(sent["stream"], true, "what is awaited decides");
        let wish = Wish { defaults: map(json!({ "temperature": 0.25 })), ..Wish::default() };
        let by_default = wish.sent(*dialect, &json!({})).unwrap();
        assert_eq!(by_default, Wish::default().sent(*dialect, &json!({ "temperature": 0.25 })).unwrap());
        let asked = json!({ "temperature": 0.75 });
        assert_eq!(wish.sent(*dialect, &asked).unwrap(), Wish::default().sent(*dialect, &asked).unwrap());
    }
}

#[test]
fn a_conversation_is_mended_only_where_that_is_allowed_and_needed() {
    let call = json!([{ "id": "c", "type": "function", "function": { "name": "f", "arguments": "{}" } }]);
    let begun = json!({ "messages": [{ "role": "system", "content": "s" }, { "role": "assistant", "tool_calls": call },
        { "role": "tool", "tool_call_id": "c", "content": "y" }] });
    let wish = Wish { modify: true, ..Wish::default() };
    for name in ["anthropic", "converse"] {
        let dialect = crate::dialects::find(name).unwrap();
        let as_it_is = Wish::default().sent(dialect, &begun).unwrap();
        assert_eq!(as_it_is["messages"][0]["role"], "assistant");
        let mended = wish.sent(dialect, &begun).unwrap();
        assert_eq!(mended["messages"][0]["role"], "user");
        assert!(mended.to_string().contains("dummy_tool") && !as_it_is.to_string().contains("dummy_tool"));
    }
    for dialect in ALL {
        let plain = json!({ "tools": value(Param::Tools) });
        assert_eq!(wish.sent(*dialect, &plain), Wish::default().sent(*dialect, &plain), "{dialect:?}");
    }
}
