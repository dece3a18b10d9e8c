//! What is asked of a model.

use super::{Message, Param, Reasoning, Tool, ToolChoice};
use serde_json::{Map, Value};

/// A chat request. Which model it is for, and how it gets there, is said elsewhere.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// What was said so far.
    pub messages: Vec<Message>,
    /// What the model may call.
    pub tools: Vec<Tool>,
    /// What it must call.
    pub tool_choice: Option<ToolChoice>,
    /// Whether it may call several functions at once.
    pub parallel_calls: Option<bool>,
    /// The form of the answer.
    pub format: Format,
    /// How much to think first.
    pub reasoning: Option<Reasoning>,
    /// Most tokens to produce.
    pub max_tokens: Option<u64>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// Whether the answer is streamed.
    pub stream: bool,
    /// Who the end user is.
    pub user: Option<String>,
    /// Further parameters that OpenAI has a name for, as the client wrote them.
    pub params: Vec<(Param, Value)>,
    /// Members that are not known here: for the provider, if it knows them.
    pub other: Map<String, Value>,
}

/// The form an answer is to have.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Format {
    /// Any.
    #[default]
    Text,
    /// A JSON object.
    Json,
    /// JSON by a schema.
    Schema(Schema),
}

/// The function by which a model without structured answers is made to give one; LiteLLM's name for it.
pub const JSON_TOOL: &str = "json_tool_call";

/// A schema that an answer is to follow.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The JSON schema.
    pub schema: Value,
    /// Whether it is to be kept to the letter.
    pub strict: Option<bool>,
}

impl Request {
    /// A further parameter's value, if it was given.
    #[must_use]
    pub fn param(&self, param: Param) -> Option<&Value> {
        self.params.iter().find(|(own, _)| *own == param).map(|(_, value)| value)
    }

    /// Takes a further parameter out.
    pub fn take_param(&mut self, param: Param) -> Option<Value> {
        let at = self.params.iter().position(|(own, _)| *own == param)?;
        Some(self.params.swap_remove(at).1)
    }

    /// Every parameter that was given and asks for something: one answer is what everybody gives.
    pub fn given(&self) -> impl Iterator<Item = Param> {
        let typed = [
            (Param::Tools, !self.tools.is_empty()),
            (Param::ToolChoice, self.tool_choice.is_some()),
            (Param::ParallelToolCalls, self.parallel_calls.is_some()),
            (Param::ResponseFormat, self.format != Format::Text),
            (Param::ReasoningEffort, self.reasoning.is_some()),
            (Param::MaxTokens, self.max_tokens.is_some()),
            (Param::Stop, !self.stop.is_empty()),
            (Param::User, self.user.is_some()),
        ];
        let typed = typed.into_iter().filter_map(|(param, given)| given.then_some(param));
        typed.chain(self.params.iter().filter(|(param, value)| asks(*param, value)).map(|(param, _)| *param))
    }

    /// Forgets a parameter.
    pub fn forget(&mut self, param: Param) {
        match param {
            Param::Tools => self.tools.clear(),
            Param::ToolChoice => self.tool_choice = None,
            Param::ParallelToolCalls => self.parallel_calls = None,
            Param::ResponseFormat => self.format = Format::Text,
            Param::ReasoningEffort => self.reasoning = None,
            Param::MaxTokens => self.max_tokens = None,
            Param::Stop => self.stop.clear(),
            Param::User => self.user = None,
            _ => self.params.retain(|(own, _)| *own != param),
        }
    }

    /// Whether a call in the conversation bears this id, and of which function.
    #[must_use]
    pub fn called(&self, id: &str) -> Option<&str> {
        let bodies = self.messages.iter().flat_map(|message| &message.parts).map(|part| &part.body);
        let mut calls = bodies.filter_map(|body| match body {
            super::Body::Call(call) => Some(call),
            _ => None,
        });
        calls.find(|call| call.id == id).map(|call| call.name.as_str())
    }
}

/// Whether a value asks for anything but what happens anyway.
fn asks(param: Param, value: &Value) -> bool {
    match param {
        Param::N => value.as_u64() != Some(1),
        Param::Logprobs => value.as_bool() != Some(false),
        Param::FrequencyPenalty | Param::PresencePenalty | Param::TopLogprobs => value.as_f64() != Some(0.0),
        Param::LogitBias => value.as_object().is_none_or(|map| !map.is_empty()),
        Param::Modalities => *value != serde_json::json!(["text"]),
        _ => true,
    }
}
