//! What is said: messages and their parts.

use serde_json::Value;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The operator, as most APIs call it.
    System,
    /// The operator, as newer OpenAI models call it.
    Developer,
    /// The client.
    User,
    /// The model.
    Assistant,
    /// What functions returned; its parts are [`Body::Result`]s.
    Tool,
}

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order.
    pub parts: Vec<Part>,
    /// The speaker's `name`, if one was given.
    pub name: Option<String>,
}

impl Message {
    /// A message of these parts.
    #[must_use]
    pub const fn new(role: Role, parts: Vec<Part>) -> Self {
        Self { role, parts, name: None }
    }

    /// All its text, without separators.
    #[must_use]
    pub fn text(&self) -> String {
        text(&self.parts)
    }
}

/// All text of these parts, without separators.
pub(crate) fn text(parts: &[Part]) -> String {
    parts.iter().filter_map(|part| part.body.text()).collect()
}

/// A piece of a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// What it is.
    pub body: Body,
    /// Anthropic's `cache_control`, which other dialects ignore.
    pub cache: Option<Value>,
}

impl From<Body> for Part {
    fn from(body: Body) -> Self {
        Self { body, cache: None }
    }
}

impl Part {
    /// A piece of text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Body::Text(text.into()).into()
    }
}

/// What a piece of a message is.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Text.
    Text(String),
    /// A picture.
    Image(Media),
    /// A recording.
    Audio(Media),
    /// A film.
    Video(Media),
    /// A document.
    File {
        /// Its content.
        media: Media,
        /// Its name.
        name: Option<String>,
    },
    /// What the model thought.
    Reasoning {
        /// The thought in words, if they are shown.
        text: String,
        /// The provider's proof that the thought is the model's.
        signature: Option<String>,
    },
    /// A thought that only its provider can read.
    Redacted(String),
    /// The model refuses, and says so.
    Refusal(String),
    /// The model calls a function.
    Call(Call),
    /// What a function returned.
    Result(CallResult),
}

impl Body {
    /// The text, if it is text (or a refusal, which is text to those who know no such thing).
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Refusal(text) => Some(text),
            _ => None,
        }
    }
}

/// Content that is not text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// Its media type (`image/png`); empty if nobody said.
    pub kind: String,
    /// Where it is.
    pub source: Source,
}

/// Where content is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Here, in base64.
    Data(String),
    /// Behind a URL.
    Url(String),
    /// With the provider, who named it so.
    Id(String),
    /// Here, as text.
    Text(String),
}

impl Media {
    /// What a URL means: the content itself if it is a `data:` URL in base64, else a place.
    #[must_use]
    pub fn of_url(url: String) -> Self {
        let data = url.strip_prefix("data:").and_then(|rest| rest.split_once(','));
        let base64 = data.and_then(|(head, data)| Some((head.strip_suffix(";base64")?, data)));
        match base64 {
            Some((kind, data)) => {
                let kind = kind.split(';').next().unwrap_or_default().to_owned();
                Self { kind, source: Source::Data(data.to_owned()) }
            }
            None => Self { kind: String::new(), source: Source::Url(url) },
        }
    }

    /// As a URL; content that is here becomes a `data:` URL. An id stays one, and text stays text.
    #[must_use]
    pub fn into_url(self, otherwise: &str) -> String {
        let kind = if self.kind.is_empty() { otherwise } else { &self.kind };
        match self.source {
            Source::Data(data) => format!("data:{kind};base64,{data}"),
            Source::Url(url) => url,
            Source::Id(id) => id,
            Source::Text(text) => text,
        }
    }
}

/// A call of a function by the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Names the call; its result bears the same.
    pub id: String,
    /// The function.
    pub name: String,
    /// Its arguments: a JSON object as the model wrote it, which may be empty or broken.
    pub arguments: String,
    /// A proof of thought that belongs to the call (Gemini's `thoughtSignature`).
    pub signature: Option<String>,
}

impl Call {
    /// The arguments as an object; what is none becomes the member `input`.
    #[must_use]
    pub fn object(&self) -> Value {
        if self.arguments.trim().is_empty() {
            return Value::Object(serde_json::Map::new());
        }
        match serde_json::from_str(&self.arguments) {
            Ok(object @ Value::Object(_)) => object,
            Ok(other) => serde_json::json!({ "input": other }),
            Err(_) => serde_json::json!({ "input": self.arguments }),
        }
    }
}

/// What a function returned.
#[derive(Clone, Debug, PartialEq)]
pub struct CallResult {
    /// The id of the call.
    pub id: String,
    /// The function's name, if it is known.
    pub name: Option<String>,
    /// What it returned: text and media.
    pub parts: Vec<Part>,
    /// Whether it failed.
    pub failed: bool,
}

impl CallResult {
    /// All its text.
    #[must_use]
    pub fn text(&self) -> String {
        text(&self.parts)
    }
}
