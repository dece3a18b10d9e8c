//! Floor 2: the APIs that are offered, by path.
//!
//! An endpoint is a file with its operation and one line in [`ALL`]. Each operation is served under
//! LiteLLM's twins: with and without `/v1`, and below `/engines/{model}` and
//! `/openai/deployments/{model}`, where the path names the model. Google's are methods of a model
//! ([`METHODS`]). Any other path belongs to the
//! control plane.

mod chat_completions;
mod completions;
mod count_tokens;
mod embeddings;
mod generate_content;
mod image_edits;
mod image_generations;
mod image_variations;
mod messages;
mod moderations;
mod realtime;
mod rerank;
mod responses;
mod search;
mod speech;
pub mod stored;
mod transcriptions;
mod translations;

pub use generate_content::METHODS;

use crate::domain::EndpointKind;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// One offered API.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint {
    /// Which one.
    pub kind: EndpointKind,
    /// What its paths end in, without a leading slash.
    pub operation: &'static str,
    /// Whole paths of its own, besides the four below.
    pub twins: &'static [&'static str],
    /// The patterns in the order `/v1`, bare, deployments, engines; `None` if it has the `twins` alone.
    pub routes: Option<[&'static str; 4]>,
}

/// All of them.
pub static ALL: &[Endpoint] = &[
    chat_completions::ENDPOINT,
    completions::ENDPOINT,
    embeddings::ENDPOINT,
    messages::ENDPOINT,
    count_tokens::ENDPOINT,
    responses::ENDPOINT,
    speech::ENDPOINT,
    transcriptions::ENDPOINT,
    translations::ENDPOINT,
    image_generations::ENDPOINT,
    image_edits::ENDPOINT,
    image_variations::ENDPOINT,
    moderations::ENDPOINT,
    rerank::ENDPOINT,
];

/// A path that calls a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match<'a> {
    /// The API.
    pub kind: EndpointKind,
    /// The path's pattern, for metrics: it never holds what a client wrote.
    pub route: &'static str,
    /// The model the path names.
    pub model: Option<Cow<'a, str>>,
}

const MODEL_PREFIXES: [(&str, usize); 2] = [("/openai/deployments/", 0), ("/engines/", 1)];

/// Finds the API that a path calls; `None` is for the control plane.
#[must_use]
pub fn find(path: &str) -> Option<Match<'_>> {
    let path = path.strip_suffix('/').unwrap_or(path);
    ALL.iter()
        .find_map(|endpoint| endpoint.find(path))
        .or_else(|| generate_content::find(path))
        .or_else(|| search::find(path))
        .or_else(|| realtime::find(path))
}

impl Endpoint {
    fn find<'a>(&self, path: &'a str) -> Option<Match<'a>> {
        let Some(routes) = &self.routes else {
            let route = self.twins.iter().find(|twin| **twin == path)?;
            return Some(Match { kind: self.kind, route, model: None });
        };
        let head = path.strip_suffix(self.operation)?.strip_suffix('/')?;
        let (route, model) = match head {
            "/v1" => (routes[0], None),
            "" => (routes[1], None),
            _ => match self.twins.iter().find(|twin| **twin == path) {
                Some(twin) => (*twin, None),
                None => with_model(routes, head)?,
            },
        };
        Some(Match { kind: self.kind, route, model })
    }
}

fn with_model<'a>(routes: &[&'static str; 4], head: &'a str) -> Option<(&'static str, Option<Cow<'a, str>>)> {
    MODEL_PREFIXES.iter().find_map(|(prefix, at)| {
        let name = head.strip_prefix(prefix).filter(|name| !name.is_empty())?;
        let name = percent_decode_str(name).decode_utf8().ok()?;
        Some((routes[2 + at], Some(name)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth;

    #[test]
    fn every_twin_is_found() {
        let model = |name: &'static str| Some(Cow::Borrowed(name));
        for (path, kind, route, named) in [
            ("/v1/chat/completions", EndpointKind::ChatCompletions, "/v1/chat/completions", None),
            ("/chat/completions", EndpointKind::ChatCompletions, "/chat/completions", None),
            ("/chat/completions/", EndpointKind::ChatCompletions, "/chat/completions", None),
            ("/queue/chat/completions", EndpointKind::ChatCompletions, "/queue/chat/completions", None),
            (
                "/engines/gpt-4/chat/completions",
                EndpointKind::ChatCompletions,
                "/engines/{model}/chat/completions",
                model("gpt-4"),
            ),
            (
                "/openai/deployments/org%2Fm/embeddings",
                EndpointKind::Embeddings,
                "/openai/deployments/{model}/embeddings",
                model("org/m"),
            ),
            (
                "/openai/deployments/org/m/completions",
                EndpointKind::Completions,
                "/openai/deployments/{model}/completions",
                model("org/m"),
            ),
            ("/v1/completions", EndpointKind::Completions, "/v1/completions", None),
            ("/embeddings", EndpointKind::Embeddings, "/embeddings", None),
            ("/v2/rerank", EndpointKind::Rerank, "/v2/rerank", None),
            ("/rerank", EndpointKind::Rerank, "/rerank", None),
            ("/v1/audio/speech", EndpointKind::Speech, "/v1/audio/speech", None),
            (
                "/openai/deployments/w/audio/transcriptions",
                EndpointKind::Transcriptions,
                "/openai/deployments/{model}/audio/transcriptions",
                model("w"),
            ),
            ("/images/edits", EndpointKind::ImageEdits, "/images/edits", None),
            ("/v1/messages", EndpointKind::Messages, "/v1/messages", None),
            ("/v1/messages/count_tokens", EndpointKind::CountTokens, "/v1/messages/count_tokens", None),
            ("/openai/v1/responses", EndpointKind::Responses, "/openai/v1/responses", None),
            (
                "/v1beta/models/qwen3:8b:generateContent",
                EndpointKind::GenerateContent,
                "/v1beta/models/{model}:generateContent",
                model("qwen3:8b"),
            ),
            (
                "/models/org/m:streamGenerateContent",
                EndpointKind::StreamContent,
                "/models/{model}:streamGenerateContent",
                model("org/m"),
            ),
            (
                "/v1/models/org%2Fm:countTokens",
                EndpointKind::CountContent,
                "/v1/models/{model}:countTokens",
                model("org/m"),
            ),
        ] {
            assert_eq!(find(path), Some(Match { kind, route, model: named }), "{path}");
        }
    }

    #[test]
    fn every_path_is_one_that_keys_may_be_given() {
        let ours = ALL.iter().flat_map(|endpoint| endpoint.routes.iter().flatten().chain(endpoint.twins));
        let stored =
            stored::patterns().map(|(route, _)| route).filter(|route| !route.starts_with("/{provider}"));
        for route in ours.copied().chain(stored) {
            let known = route == "/cursor/chat/completions";
            assert!(known || auth::covers("llm_api_routes", route), "{route}");
        }
    }

    #[test]
    fn other_paths_are_not_ours() {
        for path in
            ["/", "/messages", "/v1/models", "/v1/chat", "/x/v1/chat/completions", "/engines//embeddings", ""]
        {
            assert_eq!(find(path), None, "{path}");
        }
        for path in [
            "/v1/models/m",
            "/v1/models/:generateContent",
            "/v1beta/models/m:embedContent",
            "/v1beta/models/m%3AgenerateContent",
            "/v1/responses/resp_1",
            "/v2/models/m:generateContent",
        ] {
            assert_eq!(find(path), None, "{path}");
        }
    }

    #[test]
    fn lists_of_routes_know_every_path() {
        let own = ALL.iter().flat_map(|endpoint| endpoint.routes.iter().flatten().chain(endpoint.twins));
        let paths = own.chain(METHODS.iter().flat_map(|method| &method.routes));
        for path in paths {
            let path = path.replace("{model}", "org/m");
            assert!(find(&path).is_some(), "{path}");
            assert!(auth::covers("llm_api_routes", &path), "{path}");
            for group in ["info_routes", "management_routes", "spend_tracking_routes", "public_routes"] {
                assert!(!auth::covers(group, &path), "{group} {path}");
            }
        }
        for method in &METHODS {
            assert!(auth::is_method(&format!("m:{}", method.name)), "{}", method.name);
            assert!(
                method
                    .routes
                    .iter()
                    .all(|route| auth::covers("google_routes", &route.replace("{model}", "m")))
            );
        }
    }
}
