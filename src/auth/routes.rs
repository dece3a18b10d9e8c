//! The lists of routes that a key may carry (`allowed_routes`): paths, patterns, and groups by LiteLLM's names.

use crate::domain::KeyFacts;

/// Whether the key's own list lets it call this path. A key without a list may call whatever its role may.
#[must_use]
pub fn route_allowed(key: &KeyFacts, path: &str) -> bool {
    key.allowed_routes.is_empty() || key.allowed_routes.iter().any(|allowed| covers(allowed, path))
}

/// Whether an entry of such a list covers a path.
#[must_use]
pub fn covers(allowed: &str, path: &str) -> bool {
    match group(allowed) {
        Some(parts) => parts.iter().any(|patterns| patterns.iter().any(|pattern| fits(pattern, path))),
        None => fits(allowed, path),
    }
}

/// Whether everything that `inner` covers is covered by `outer`, as far as their texts tell.
#[must_use]
pub fn within(inner: &str, outer: &str) -> bool {
    if inner == outer || outer == "*" {
        return true;
    }
    match group(inner) {
        Some(parts) => {
            parts.iter().all(|patterns| patterns.iter().all(|pattern| covers_pattern(outer, pattern)))
        }
        None => covers_pattern(outer, inner),
    }
}

fn covers_pattern(outer: &str, pattern: &str) -> bool {
    match group(outer) {
        Some(parts) => parts.iter().any(|patterns| patterns.iter().any(|held| holds(held, pattern))),
        None => holds(outer, pattern),
    }
}

/// Whether one pattern covers all that another does.
fn holds(held: &str, pattern: &str) -> bool {
    if held == pattern {
        return true;
    }
    let fixed = |text: &str| !text.contains(['*', '{']);
    match (held.strip_suffix('*'), pattern.strip_suffix('*')) {
        (Some(held), Some(start)) => fixed(held) && fixed(start) && start.starts_with(held),
        // Google's methods stand below the lists of models, and a path without a star does not cover them.
        (None, Some(start)) => {
            let calls = CALLED.iter().any(|place| place.starts_with(start) || start.starts_with(place));
            fixed(held) && fixed(start) && held.len() > 1 && !calls && below(held, start)
        }
        (Some(start), None) => {
            fixed(start) && pattern.split('{').next().is_some_and(|text| text.starts_with(start))
        }
        (None, None) => fixed(pattern) && fits(held, pattern),
    }
}

/// Where Google's methods stand.
const CALLED: [&str; 3] = ["/v1beta/models/", "/models/", "/v1/models/"];

fn below(path: &str, start: &str) -> bool {
    path.starts_with('/') && start.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'))
}

/// Whether a segment of a path ends in a method of Google's: a model is called there, and not shown.
#[must_use]
pub fn is_method(segment: &str) -> bool {
    let name = segment.rsplit_once(':').map(|(_, name)| name);
    name.is_some_and(|name| ["generateContent", "streamGenerateContent", "countTokens"].contains(&name))
}

/// A path covers itself and what is below it; `{}` stands for one segment, `*` at the end for any rest. Calls of
/// Google's methods are covered by their own path or a `*` alone.
fn fits(pattern: &str, path: &str) -> bool {
    if let Some(start) = pattern.strip_suffix('*') {
        return !start.contains(['*', '{']) && path.starts_with(start);
    }
    let (mut wanted, mut found) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), found.next()) {
            (None, Some(next)) if is_method(next) || found.any(is_method) => return false,
            (None, _) => return pattern.starts_with('/') && pattern.len() > 1 || pattern == path,
            (Some(want), Some(have)) if want == have => {}
            (Some(want), Some(have)) if want.starts_with('{') && !have.is_empty() && !is_method(have) => {}
            (Some(_), _) => return false,
        }
    }
}

/// The patterns of a group; `None` if there is no such group.
fn group(name: &str) -> Option<&'static [&'static [&'static str]]> {
    Some(match name {
        "llm_api_routes" => &[OPENAI, ANTHROPIC, GOOGLE, PASS_THROUGH, NATIVE],
        "openai_routes" => &[OPENAI],
        "anthropic_routes" => &[ANTHROPIC],
        "google_routes" => &[GOOGLE],
        "mapped_pass_through_routes" | "passthrough_routes_wildcard" => &[PASS_THROUGH],
        "litellm_native_routes" => &[NATIVE],
        "info_routes" => &[INFO],
        "key_management_routes" => &[KEYS],
        "management_routes" => &[KEYS, MANAGEMENT],
        "spend_tracking_routes" => &[SPEND],
        "global_spend_tracking_routes" => &[GLOBAL_SPEND],
        "public_routes" => &[PUBLIC],
        _ => return None,
    })
}

const OPENAI: &[&str] = &[
    "/chat/completions",
    "/v1/chat/completions",
    "/queue/chat/completions",
    "/cursor/chat/completions",
    "/completions",
    "/v1/completions",
    "/embeddings",
    "/v1/embeddings",
    "/engines/*",
    "/openai/deployments/*",
    "/images",
    "/v1/images",
    "/audio",
    "/v1/audio",
    "/moderations",
    "/v1/moderations",
    "/models",
    "/v1/models",
    "/batches",
    "/v1/batches",
    "/files",
    "/v1/files",
    "/fine_tuning",
    "/v1/fine_tuning",
    "/assistants",
    "/v1/assistants",
    "/threads",
    "/v1/threads",
    "/responses",
    "/v1/responses",
    "/openai/v1/responses",
    "/realtime",
    "/v1/realtime",
    "/rerank",
    "/v1/rerank",
    "/v2/rerank",
    "/vector_stores",
    "/v1/vector_stores",
    "/search",
    "/v1/search",
    "/videos",
    "/v1/videos",
    "/utils/token_counter",
];
const ANTHROPIC: &[&str] = &["/v1/messages", "/anthropic/v1/messages", "/v1/skills"];
const GOOGLE: &[&str] = &["/v1beta/models/*", "/models/*", "/v1/models/*"];
const PASS_THROUGH: &[&str] = &[
    "/bedrock",
    "/vertex-ai",
    "/vertex_ai",
    "/cohere",
    "/gemini",
    "/anthropic",
    "/langfuse",
    "/azure",
    "/openai",
    "/assemblyai",
    "/eu.assemblyai",
    "/vllm",
    "/mistral",
];
const NATIVE: &[&str] = &["/rag", "/v1/rag", "/v1/memory"];
const INFO: &[&str] = &[
    "/key/info",
    "/v2/key/info",
    "/key/health",
    "/key/list",
    "/key/aliases",
    "/team/info",
    "/team/list",
    "/v2/team/list",
    "/team/available",
    "/user/info",
    "/v2/user/info",
    "/user/list",
    "/user/available_roles",
    "/organization/info",
    "/organization/list",
    "/model/info",
    "/v1/model/info",
    "/v2/model/info",
    "/model_group/info",
    "/health",
    "/models",
    "/v1/models",
];
const KEYS: &[&str] = &[
    "/key/generate",
    "/key/service-account/generate",
    "/key/update",
    "/key/bulk_update",
    "/key/delete",
    "/key/info",
    "/v2/key/info",
    "/key/health",
    "/key/list",
    "/key/aliases",
    "/key/block",
    "/key/unblock",
    "/key/regenerate",
    "/key/{key}/regenerate",
    "/key/{key}/reset_spend",
];
const MANAGEMENT: &[&str] = &[
    "/user/*",
    "/v2/user/*",
    "/team/*",
    "/v2/team/*",
    "/customer/*",
    "/end_user/*",
    "/budget/*",
    "/organization/*",
    "/project/*",
    "/tag/*",
    "/invitation/*",
    "/access_group/*",
    "/v1/access_group/*",
    "/credentials",
    "/model/*",
    "/v1/model/info",
    "/v2/model/info",
    "/model_group/*",
    "/models",
    "/v1/models",
];
const SPEND: &[&str] =
    &["/spend/keys", "/spend/users", "/spend/tags", "/spend/calculate", "/spend/logs", "/cost/estimate"];
const GLOBAL_SPEND: &[&str] = &["/global/spend", "/global/activity", "/global/predict/spend/logs"];
const PUBLIC: &[&str] =
    &["/health/liveliness", "/health/liveness", "/health/readiness", "/metrics", "/openapi.json", "/test"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::fixture;
    use std::sync::Arc;

    #[test]
    fn an_entry_covers_paths_patterns_and_groups() {
        for (allowed, path, expected) in [
            ("/v1/chat/completions", "/v1/chat/completions", true),
            ("/v1/models", "/v1/models/org/m", true),
            ("/v1/models", "/v1/modelsx", false),
            ("/v1/models", "/v1/models/m:generateContent", false),
            ("/v1/models", "/v1/models/org/m:streamGenerateContent", false),
            ("/v1/models", "/v1/models/m:countTokens/", false),
            ("/models/{id}", "/models/m:generateContent", false),
            ("/v1/models/m:generateContent", "/v1/models/m:generateContent", true),
            ("info_routes", "/models/m:generateContent", false),
            ("google_routes", "/v1/models/m:generateContent", true),
            ("/v1/*", "/v1/chat/completions", true),
            ("/v1/*", "/v1", false),
            ("/v1/*", "/v2/key/info", false),
            ("*", "/key/generate", true),
            ("", "/key/generate", false),
            ("/", "/key/generate", false),
            ("/", "/", true),
            ("key", "/key/generate", false),
            ("llm_api_routes", "/v1/chat/completions", true),
            ("llm_api_routes", "/openai/deployments/org/m/chat/completions", true),
            ("llm_api_routes", "/v1/messages/count_tokens", true),
            ("llm_api_routes", "/key/generate", false),
            ("llm_api_routes", "/key/info", false),
            ("llm_api_routes", "/global/spend", false),
            ("openai_routes", "/v1/messages", false),
            ("anthropic_routes", "/v1/messages", true),
            ("management_routes", "/key/generate", true),
            ("management_routes", "/key/sk-abc/regenerate", true),
            ("management_routes", "/team/new", true),
            ("management_routes", "/v1/chat/completions", false),
            ("info_routes", "/key/info", true),
            ("info_routes", "/key/generate", false),
            ("LLM_API_ROUTES", "/v1/chat/completions", false),
            ("/key/%", "/key/generate", false),
        ] {
            assert_eq!(covers(allowed, path), expected, "{allowed:?} {path:?}");
        }
    }

    #[test]
    fn a_key_without_a_list_is_not_held_by_one() {
        let mut key = fixture::key();
        assert!(route_allowed(&key, "/key/generate"));
        key.allowed_routes = vec![Arc::from("info_routes"), Arc::from("/v1/*")];
        assert!(route_allowed(&key, "/v1/chat/completions") && route_allowed(&key, "/key/info"));
        assert!(!route_allowed(&key, "/key/generate"));
    }

    #[test]
    fn an_entry_is_within_another_only_if_the_other_covers_all_of_it() {
        for (inner, outer, expected) in [
            ("/v1/models", "/v1/*", true),
            ("/v1/models/*", "/v1/models", false),
            ("/v1/models/m:generateContent", "/v1/models", false),
            ("/v1/models/m:generateContent", "google_routes", true),
            ("/v1/*", "/v1/models", false),
            ("/v1/chat/*", "/v1/*", true),
            ("/v1/*", "/v1/chat/*", false),
            ("*", "/v1/*", false),
            ("/v1/*", "*", true),
            ("openai_routes", "llm_api_routes", true),
            ("llm_api_routes", "openai_routes", false),
            ("key_management_routes", "management_routes", true),
            ("management_routes", "info_routes", false),
            ("info_routes", "*", true),
            ("/key/generate", "management_routes", true),
            ("/key/generate", "llm_api_routes", false),
            ("/key/{key}/regenerate", "/key/info", false),
            ("/v*", "/v1/*", false),
            ("*", "llm_api_routes", false),
            ("/{x}/generate", "/key/*", false),
            ("/key/{key}/regenerate", "/key/*", true),
            ("/v1/chat/*", "/v1/chat", true),
            ("/v1/chatty/*", "/v1/chat", false),
            ("/*", "/", false),
        ] {
            assert_eq!(within(inner, outer), expected, "{inner:?} in {outer:?}");
        }
    }
}
