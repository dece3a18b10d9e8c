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
    /// A configured path that leads elsewhere as it is.
    PassThrough,
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
            Self::PassThrough => "",
        }
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
            Self::PassThrough => "pass_through_endpoint",
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
