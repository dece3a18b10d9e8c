//! What the gateway does with each member of a request: the one table of names.

use crate::dialects::hub::Param;
use crate::domain::EndpointKind;

/// What a member is to the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Model,
    Stream,
    StreamOptions,
    /// What is asked: `messages`, `prompt` or `input`.
    Content,
    ExtraBody,
    NumRetries,
    Timeout,
    RequestTimeout,
    StreamTimeout,
    DropParams,
    AllowedParams,
    AdditionalDrop,
    /// Says what becomes of the call when its group fails.
    Fallbacks,
    /// The answer, which nobody is then asked for.
    Mock,
    /// Names a destination or a credential.
    Banned,
    /// Meant for the gateway alone.
    KeptBack,
    /// OpenAI's own, kept back unless it is allowed by name.
    KeptBackUnlessAllowed,
    /// OpenAI's own, refused unless it is allowed or dropped.
    Unsupported,
    /// Passed on as it is, and looked at for limits or the price.
    Weighed,
    /// Passed on as it is.
    Other,
}

/// The member that holds what is asked.
pub(super) const fn content_name(kind: EndpointKind) -> &'static str {
    match kind {
        EndpointKind::ChatCompletions | EndpointKind::Messages | EndpointKind::CountTokens => "messages",
        EndpointKind::Completions | EndpointKind::ImageGenerations => "prompt",
        EndpointKind::Rerank => "query",
        EndpointKind::GenerateContent | EndpointKind::StreamContent | EndpointKind::CountContent => {
            "contents"
        }
        EndpointKind::Embeddings
        | EndpointKind::Speech
        | EndpointKind::Moderations
        | EndpointKind::Responses
        | EndpointKind::PassThrough
        | EndpointKind::Realtime => "input",
        // What a form asks is a file; what a file or batch is, is not asked of a model.
        EndpointKind::Transcriptions
        | EndpointKind::Translations
        | EndpointKind::ImageEdits
        | EndpointKind::ImageVariations
        | EndpointKind::Files
        | EndpointKind::Batches => "file",
        EndpointKind::Search => "query",
    }
}

/// Members besides the content that count as the prompt.
pub(super) const fn beside_content(kind: EndpointKind) -> &'static [&'static str] {
    match kind {
        EndpointKind::Messages | EndpointKind::CountTokens => &["system", "tools"],
        EndpointKind::Responses => &["instructions", "tools"],
        EndpointKind::Rerank => &["documents"],
        EndpointKind::GenerateContent | EndpointKind::StreamContent | EndpointKind::CountContent => {
            &["systemInstruction", "system_instruction", "tools"]
        }
        _ => &[],
    }
}

/// The member that may stand in the place of the content.
pub(super) const fn instead_of_content(kind: EndpointKind) -> Option<&'static str> {
    match kind {
        EndpointKind::Responses => Some("prompt"),
        EndpointKind::CountContent => Some("generateContentRequest"),
        _ => None,
    }
}

/// What a default that is written with OpenAI's names for chats is called here; `None` if it has no name.
pub(super) fn default_name(kind: EndpointKind, name: &str) -> Option<&str> {
    let of_chats = name == "max_completion_tokens" || Param::of(name).is_some();
    match (kind, name) {
        (EndpointKind::Responses, "max_tokens" | "max_completion_tokens") => Some("max_output_tokens"),
        (EndpointKind::Responses, _) if of_chats && !OF_RESPONSES.contains(&name) => None,
        _ if kind.is_googles() && of_chats => None,
        _ => Some(name),
    }
}

/// Parameters of chats that responses know by the same name.
const OF_RESPONSES: [&str; 12] = [
    "temperature",
    "top_p",
    "parallel_tool_calls",
    "user",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "store",
    "metadata",
    "top_logprobs",
    "truncation",
];

/// Whether an API is Anthropic's, with names of its own.
pub(super) const fn is_anthropics(kind: EndpointKind) -> bool {
    matches!(kind, EndpointKind::Messages | EndpointKind::CountTokens)
}

impl Field {
    /// The field of this exact name.
    pub(super) fn of(kind: EndpointKind, name: &str) -> Self {
        let of_path = kind.is_googles();
        match name {
            // Google's paths say these, and its bodies hold nothing of them.
            "model" | "stream" | "stream_options" if of_path => Self::KeptBack,
            // The provider's own.
            "stream_options" | "user" | "metadata" | "store" if kind == EndpointKind::Responses => {
                Self::Other
            }
            "model" => Self::Model,
            // They say who is asked to keep a thing.
            "custom_llm_provider" | "target_model_names"
                if matches!(kind, EndpointKind::Files | EndpointKind::Batches) =>
            {
                Self::KeptBack
            }
            "stream" => Self::Stream,
            "stream_options" => Self::StreamOptions,
            "messages" | "prompt" | "input" | "contents" | "query" if name == content_name(kind) => {
                Self::Content
            }
            "extra_body" => Self::ExtraBody,
            "num_retries" => Self::NumRetries,
            "timeout" => Self::Timeout,
            "request_timeout" => Self::RequestTimeout,
            "stream_timeout" => Self::StreamTimeout,
            "drop_params" => Self::DropParams,
            "allowed_openai_params" => Self::AllowedParams,
            "additional_drop_params" => Self::AdditionalDrop,
            "fallbacks"
            | "context_window_fallbacks"
            | "content_policy_fallbacks"
            | "disable_fallbacks"
            | "max_fallbacks"
            | "mock_testing_fallbacks"
            | "mock_testing_context_fallbacks"
            | "mock_testing_content_policy_fallbacks" => Self::Fallbacks,
            "api_base" | "base_url" | "api_key" | "user_config" | "vertex_credentials" => Self::Banned,
            // Anthropic's own, who is told of the end user by it.
            "metadata" if is_anthropics(kind) || kind == EndpointKind::Batches => Self::Other,
            "user" | "metadata" | "store" | "priority" => Self::KeptBackUnlessAllowed,
            "mock_response" => Self::Mock,
            "tags"
            | "litellm_metadata"
            | "cache"
            | "mock_timeout"
            | "guardrails"
            | "secret_fields"
            | "proxy_server_request"
            | "prompt_id"
            | "prompt_variables"
            | "extra_headers"
            | "headers" => Self::KeptBack,
            "max_tokens" | "max_completion_tokens" | "max_output_tokens" => Self::Weighed,
            "n" | "size" | "quality" if kind == EndpointKind::ImageGenerations => Self::Weighed,
            "documents" if kind == EndpointKind::Rerank => Self::Weighed,
            "reasoning_effort" if kind == EndpointKind::ChatCompletions => Self::Unsupported,
            _ if name.starts_with("aws_") => Self::Banned,
            _ if name.starts_with("mock_testing_") => Self::KeptBack,
            _ => Self::Other,
        }
    }

    /// The field that a reader which ignores case would take `name` for, and its proper spelling;
    /// `None` if the spelling is the proper one.
    pub(super) fn of_variant(kind: EndpointKind, name: &str) -> Option<(Self, String)> {
        if name.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) {
            return None;
        }
        // These two letters are s and k to readers that fold by Unicode, such as Go's.
        let fold = |c: char| match c {
            '\u{17F}' => 's',
            '\u{212A}' => 'k',
            other => other.to_ascii_lowercase(),
        };
        let folded: String = name.chars().map(fold).collect();
        match Self::of(kind, &folded) {
            Self::Other => None,
            field => Some((field, folded)),
        }
    }

    /// Whether what it says decides something, so that saying it twice, or by `extra_body`, would be saying two things.
    /// What is weighed may stand in `extra_body`, which counts then.
    pub(super) const fn is_single(self) -> bool {
        !matches!(
            self,
            Self::Fallbacks
                | Self::KeptBack
                | Self::KeptBackUnlessAllowed
                | Self::Unsupported
                | Self::Weighed
                | Self::Other
        )
    }

    /// Whether it may be left out because a list of parameters to drop names it.
    pub(super) const fn is_droppable(self) -> bool {
        !matches!(self, Self::Model | Self::Stream | Self::Content)
    }
}
