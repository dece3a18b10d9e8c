//! One deployment, compiled: everything an attempt needs to know, and nothing it must look up.

use super::LocalServer;
use super::catalog::ImagePrice;
use crate::dialects::{Auth, Dialect};
use crate::domain::{EndpointKind, HostPort, Prices, Secret, TargetId};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;

/// A deployment: one `model_list` entry (a pool variable makes one for each of its keys).
#[derive(Clone, Debug)]
pub struct Target {
    /// LiteLLM's `model_id`.
    pub id: TargetId,
    /// The public name, `model_name`; may hold `*`.
    pub group: String,
    /// The provider's prefix (`openai`).
    pub provider: String,
    /// The model the upstream is asked for, without the prefix; may hold `*`.
    pub model: String,
    /// What the upstream speaks.
    pub dialect: &'static dyn Dialect,
    /// The origin that is called.
    pub origin: HostPort,
    /// The path before what the dialect appends (`/chat/completions`), without a trailing slash (`/openai/v1`).
    pub base_path: String,
    /// What follows every path (`?api-version=…`); empty for most.
    pub query: String,
    /// How the key is shown.
    pub auth: Auth,
    /// `api_base` as configured, for headers and labels. It holds no credentials.
    pub api_base: String,
    /// The upstream key, shown as `auth` has it; `None` shows none.
    pub api_key: Option<Secret>,
    /// How much of the traffic it takes.
    pub weights: Weights,
    /// What kind of server near the gateway it is, if that is known: it is then asked how it is doing.
    pub server: Option<LocalServer>,
    /// Whether its address is the entry's own and not the provider's: a wildcard then lists what the server has.
    pub is_placed: bool,
    /// Lower is tried first.
    pub order: i64,
    /// How it is asked.
    pub params: Params,
    /// What it is and costs.
    pub info: ModelInfo,
    /// Why it cannot be served yet, if so; the entry is then listed but every call is refused.
    pub unserved: Option<String>,
}

impl Target {
    /// Whether it stands for many models, those that its server has.
    #[must_use]
    pub fn lists_models(&self) -> bool {
        self.group.contains('*') && self.model.contains('*') && (self.is_placed || self.server.is_some())
    }

    /// The APIs whose requests it takes as clients wrote them, each with what follows the base path.
    pub fn relays(&self) -> impl Iterator<Item = &'static (EndpointKind, &'static str)> {
        let has_responses = self.params.has_responses;
        let all = self.dialect.relays().iter();
        all.filter(move |(kind, _)| has_responses || *kind != EndpointKind::Responses)
    }

    /// What only this upstream may see: its key, and configured header values that may be one.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        secrets(self.api_key.as_ref(), &self.params)
    }
}

/// A key and configured header values that may be one, as far as they are long enough to be found in other words.
pub fn secrets<'a>(api_key: Option<&'a Secret>, params: &'a Params) -> impl Iterator<Item = &'a Secret> {
    let headers = params.extra_headers.iter().map(|(_, value)| value);
    api_key.into_iter().chain(headers).filter(|secret| secret.expose().len() >= SHORTEST_SECRET)
}

/// Shorter words are also found where they give nothing away.
pub(super) const SHORTEST_SECRET: usize = 8;

/// Traffic weights of simple-shuffle: `weight`, else `rpm`, else `tpm`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Weights {
    /// `weight`.
    pub weight: Option<f64>,
    /// Requests a minute.
    pub rpm: Option<u64>,
    /// Tokens a minute.
    pub tpm: Option<u64>,
}

impl Weights {
    /// Whether one of them can be a limit.
    #[must_use]
    pub const fn is_limit(&self) -> bool {
        self.rpm.is_some() || self.tpm.is_some()
    }
}

/// How a deployment is asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Params {
    /// Overrides the router's `timeout`.
    pub timeout: Option<Duration>,
    /// Overrides the router's `stream_timeout`.
    pub stream_timeout: Option<Duration>,
    /// Overrides the router's `num_retries` for its group (the largest of a group counts).
    pub num_retries: Option<u32>,
    /// Overrides the router's `cooldown_time`.
    pub cooldown_time: Option<Duration>,
    /// Most calls at a time; `None` is no bound.
    pub max_parallel_requests: Option<u32>,
    /// Body members that are sent unless the client sent its own (`temperature: 0.7`).
    pub defaults: Map<String, Value>,
    /// Body members that are always merged in.
    pub extra_body: Map<String, Value>,
    /// Headers that are always sent upstream.
    pub extra_headers: Vec<(String, Secret)>,
    /// Drop parameters that the provider does not take; `None` follows the router.
    pub drop_params: Option<bool>,
    /// Parameters the provider takes although its table does not list them.
    pub allowed_openai_params: Vec<String>,
    /// Parameters never sent.
    pub additional_drop_params: Vec<String>,
    /// Whether the upstream understands `stream_options` (nearly all do).
    pub takes_stream_options: bool,
    /// What calls are answered with instead of being sent (`mock_response`).
    pub mock_response: Option<Arc<str>>,
    /// Whether the provider's own API is passed through with its key (`use_in_pass_through`).
    pub use_in_pass_through: bool,
    /// Whether the upstream has OpenAI's responses, too; they are translated otherwise.
    pub has_responses: bool,
    /// Calls with these tags are for it (`tags`).
    pub tags: Vec<Arc<str>>,
}

/// `model_info`: what is shown of a deployment, and its prices.
#[derive(Clone, Debug, Default)]
pub struct ModelInfo {
    /// `chat`, `completion`, `embedding`, …
    pub mode: Option<String>,
    /// Largest prompt.
    pub max_input_tokens: Option<u64>,
    /// Longest answer.
    pub max_output_tokens: Option<u64>,
    /// Both together.
    pub max_tokens: Option<u64>,
    /// What it costs; `None` if nobody said.
    pub prices: Option<Prices>,
    /// Prices of images that depend on their size or quality.
    pub images: Vec<ImagePrice>,
    /// Names that lists of models may name it by.
    pub access_groups: Vec<String>,
    /// The section as written, echoed by `/model/info`.
    pub raw: Map<String, Value>,
    /// What may be shown of `litellm_params`: no credential, no header.
    pub params: Map<String, Value>,
    /// Whether it is a row of the database and not an entry of the file.
    pub is_stored: bool,
}
