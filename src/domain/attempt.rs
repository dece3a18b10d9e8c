//! What is asked, and where it is sent.

use std::fmt;

/// Which of the offered APIs a call belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndpointKind {
    /// `/v1/chat/completions` and its twins.
    ChatCompletions,
    /// `/v1/completions` and its twins.
    Completions,
    /// `/v1/embeddings` and its twins.
    Embeddings,
    /// `/v1/messages`, Anthropic's.
    Messages,
    /// `/v1/messages/count_tokens`, Anthropic's.
    CountTokens,
    /// `/v1/responses` and its twins, OpenAI's newer API.
    Responses,
    /// `…:generateContent`, Google's.
    GenerateContent,
    /// `…:streamGenerateContent`, Google's.
    StreamContent,
    /// `…:countTokens`, Google's.
    CountContent,
    /// `/v1/audio/speech`: text becomes audio.
    Speech,
    /// `/v1/audio/transcriptions`: audio becomes text.
    Transcriptions,
    /// `/v1/audio/translations`: audio becomes English text.
    Translations,
    /// `/v1/images/generations`.
    ImageGenerations,
    /// `/v1/images/edits`.
    ImageEdits,
    /// `/v1/images/variations`.
    ImageVariations,
    /// `/v1/moderations`.
    Moderations,
    /// `/v1/rerank` and `/v2/rerank`.
    Rerank,
    /// `/v1/files` and what is below it.
    Files,
    /// `/v1/batches` and what is below it.
    Batches,
    /// A configured path that leads elsewhere as it is.
    PassThrough,
    /// `/v1/search/{tool}` and its twins.
    Search,
    /// `/v1/realtime` and its twins, over a WebSocket.
    Realtime,
}

impl EndpointKind {
    /// The path that is appended to an upstream's base.
    #[must_use]
    pub const fn upstream_path(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/chat/completions",
            Self::Completions => "/completions",
            Self::Embeddings => "/embeddings",
            Self::Messages => "/v1/messages",
            Self::CountTokens => "/v1/messages/count_tokens",
            Self::Responses => "/responses",
            Self::GenerateContent => ":generateContent",
            Self::StreamContent => ":streamGenerateContent",
            Self::CountContent => ":countTokens",
            Self::Speech => "/audio/speech",
            Self::Transcriptions => "/audio/transcriptions",
            Self::Translations => "/audio/translations",
            Self::ImageGenerations => "/images/generations",
            Self::ImageEdits => "/images/edits",
            Self::ImageVariations => "/images/variations",
            Self::Moderations => "/moderations",
            Self::Rerank => "/rerank",
            Self::Files => "/files",
            Self::Batches => "/batches",
            Self::PassThrough => "",
            Self::Search => "/search",
            Self::Realtime => "/realtime",
        }
    }

    /// Whether its requests are forms (`multipart/form-data`) and not JSON.
    #[must_use]
    pub const fn is_form(self) -> bool {
        matches!(
            self,
            Self::Transcriptions
                | Self::Translations
                | Self::ImageEdits
                | Self::ImageVariations
                | Self::Files
        )
    }

    /// Whether its answers need not be JSON, and are passed on whatever they are.
    #[must_use]
    pub const fn is_media(self) -> bool {
        self.is_form()
            || matches!(
                self,
                Self::Speech | Self::ImageGenerations | Self::Rerank | Self::Moderations | Self::Batches
            )
    }

    /// Whether its answers are made of tokens, one after the other.
    #[must_use]
    pub const fn is_generated(self) -> bool {
        matches!(
            self,
            Self::ChatCompletions
                | Self::Completions
                | Self::Messages
                | Self::Responses
                | Self::GenerateContent
                | Self::StreamContent
        )
    }

    /// LiteLLM's `call_type` of this endpoint.
    #[must_use]
    pub const fn call_type(self) -> &'static str {
        match self {
            Self::ChatCompletions => "acompletion",
            Self::Completions => "atext_completion",
            Self::Embeddings => "aembedding",
            Self::Messages => "anthropic_messages",
            Self::CountTokens | Self::CountContent => "acount_tokens",
            Self::Responses => "aresponses",
            Self::GenerateContent => "agenerate_content",
            Self::StreamContent => "agenerate_content_stream",
            Self::Speech => "aspeech",
            Self::Transcriptions | Self::Translations => "atranscription",
            Self::ImageGenerations => "aimage_generation",
            Self::ImageEdits => "aimage_edit",
            Self::ImageVariations => "aimage_variation",
            Self::Moderations => "amoderation",
            Self::Rerank => "arerank",
            Self::Files => "afile",
            Self::Batches => "abatch",
            Self::PassThrough => "pass_through_endpoint",
            Self::Search => "asearch",
            Self::Realtime => "_arealtime",
        }
    }

    /// Whether it asks for a number of tokens and nothing else.
    #[must_use]
    pub const fn counts(self) -> bool {
        matches!(self, Self::CountTokens | Self::CountContent)
    }

    /// Whether it is one of Google's, whose paths name the model and say whether the answer is streamed.
    #[must_use]
    pub const fn is_googles(self) -> bool {
        matches!(self, Self::GenerateContent | Self::StreamContent | Self::CountContent)
    }
}

/// Whether an upstream is spoken to in clear or over TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Clear text.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that is meant when none is written.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// An origin: the scheme, host and port that addresses and health are kept for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// Clear or TLS.
    pub scheme: Scheme,
    /// A host name or an address, without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

/// The `Host` header form: the port is left out when it is the scheme's own.
impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bracketed = self.host.contains(':');
        let (open, close) = if bracketed { ("[", "]") } else { ("", "") };
        write!(f, "{open}{}{close}", self.host)?;
        if self.port == self.scheme.default_port() { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}
