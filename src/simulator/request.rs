//! What a request asks for, read from its body.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The fields the simulator looks at; everything else is ignored.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked<'a> {
    #[serde(borrow, default)]
    pub(super) model: Cow<'a, str>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(borrow, default)]
    messages: Vec<Message<'a>>,
    #[serde(borrow, default)]
    system: Option<&'a RawValue>,
    #[serde(borrow, default)]
    prompt: Option<&'a RawValue>,
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
    #[serde(borrow, default)]
    instructions: Option<&'a RawValue>,
    #[serde(borrow, default)]
    contents: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "systemInstruction")]
    system_instruction: Option<&'a RawValue>,
    #[serde(default)]
    tools: Option<Vec<Tool>>,
    #[serde(default)]
    pub(super) dimensions: Option<usize>,
    #[serde(default)]
    encoding_format: Option<String>,
}

#[derive(Debug, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    role: Cow<'a, str>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
struct Tool {
    #[serde(default)]
    function: Option<Function>,
    /// Anthropic's tools are bare functions, and so are those of OpenAI's responses.
    #[serde(default)]
    name: Option<String>,
    /// Google's are lists.
    #[serde(default, rename = "functionDeclarations")]
    declared: Vec<Function>,
}

#[derive(Debug, Deserialize)]
struct Function {
    name: String,
}

// === impl Asked ===

impl<'a> Asked<'a> {
    /// A request of which only the model is of interest.
    pub(super) fn of_model(model: &'a str) -> Self {
        Self { model: model.into(), ..Self::default() }
    }
}

impl Asked<'_> {
    /// Takes what a path says of the model and of streaming.
    pub(super) fn of_path(&mut self, model: &str, streams: bool) {
        self.model = Cow::Owned(model.to_owned());
        self.stream = Some(streams);
    }

    pub(super) fn streams(&self) -> bool {
        self.stream == Some(true)
    }

    pub(super) fn wants_usage(&self) -> bool {
        self.stream_options.as_ref().is_some_and(|options| options.include_usage == Some(true))
    }

    pub(super) fn wants_base64(&self) -> bool {
        self.encoding_format.as_deref() == Some("base64")
    }

    /// Whether the last message is a tool's result.
    pub(super) fn has_tool_result(&self) -> bool {
        let last = |list: &RawValue, word: &str| {
            let list: Vec<Value> = serde_json::from_str(list.get()).unwrap_or_default();
            list.last().is_some_and(|last| last.to_string().contains(word))
        };
        let of_openai = self.input.is_some_and(|input| last(input, "\"function_call_output\""));
        let of_google = self.contents.is_some_and(|contents| last(contents, "\"functionResponse\""));
        let of_messages = self.messages.last().is_some_and(|message| {
            let of_anthropic = |content: &RawValue| content.get().contains("\"tool_result\"");
            message.role == "tool" || message.content.is_some_and(of_anthropic)
        });
        of_openai || of_google || of_messages
    }

    /// The first tool offered.
    pub(super) fn tool(&self) -> String {
        let of_function = |tool: &Tool| tool.function.as_ref().map(|function| function.name.clone());
        let tool = self.tools.iter().flatten().next();
        let of_google = |tool: &Tool| tool.declared.first().map(|function| function.name.clone());
        let named =
            tool.and_then(|tool| of_function(tool).or_else(|| tool.name.clone()).or_else(|| of_google(tool)));
        named.unwrap_or_else(|| "get_weather".to_owned())
    }

    /// The words of messages, prompt and input; a number (a token already) counts as one.
    pub(super) fn prompt_words(&self) -> u64 {
        let contents = self.messages.iter().filter_map(|message| message.content);
        let plain: u64 = contents.chain(self.system).chain(self.prompt).map(raw_words).sum();
        let nested = [self.input, self.instructions, self.contents, self.system_instruction];
        plain + nested.into_iter().flatten().map(nested_words).sum::<u64>()
    }

    /// How many embeddings `input` asks for.
    pub(super) fn inputs(&self) -> usize {
        match self.input.and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok()) {
            Some(Value::Array(items)) if !items.iter().all(Value::is_number) => items.len(),
            _ => 1,
        }
    }
}

fn raw_words(raw: &RawValue) -> u64 {
    if raw.get().starts_with('"') {
        // An escape can hide a space at most where a word ends anyway.
        return words(raw.get().trim_matches('"').as_bytes());
    }
    serde_json::from_str::<Value>(raw.get()).map_or(0, |value| value_words(&value))
}

/// The words of what may be items or turns, whose texts stand deeper.
fn nested_words(raw: &RawValue) -> u64 {
    fn deep(value: &Value) -> u64 {
        match value {
            Value::Array(items) => items.iter().map(deep).sum(),
            Value::Object(item) => {
                let inner = ["text", "content", "parts", "output"];
                inner.iter().filter_map(|name| item.get(*name)).map(deep).sum()
            }
            other => value_words(other),
        }
    }
    serde_json::from_str::<Value>(raw.get()).map_or(0, |value| deep(&value))
}

fn value_words(value: &Value) -> u64 {
    match value {
        Value::String(text) => words(text.as_bytes()),
        Value::Number(_) => 1,
        Value::Array(items) => items.iter().map(value_words).sum(),
        Value::Object(part) => part.get("text").map_or(0, value_words),
        Value::Null | Value::Bool(_) => 0,
    }
}

/// Runs of bytes other than white space.
pub(super) fn words(text: &[u8]) -> u64 {
    let mut count = 0;
    let mut within = false;
    for byte in text {
        let is_word = !byte.is_ascii_whitespace();
        count += u64::from(is_word && !within);
        within = is_word;
    }
    count
}
