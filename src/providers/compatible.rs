//! Providers that are reached by OpenAI's format. One is a row here and nothing else.

/// A provider reached by OpenAI's format.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The prefix in `litellm_params.model`, without the slash.
    pub prefix: &'static str,
    /// Where it lives; `None` if only `api_base` can tell.
    pub base: Option<&'static str>,
    /// What the base's path must end in; added if it does not.
    pub suffix: &'static str,
    /// Variables that may hold the key, first match wins.
    pub key_env: &'static [&'static str],
    /// Variables that may hold the base, first match wins.
    pub base_env: &'static [&'static str],
    /// Whether this is a compatibility endpoint of a vendor with a dialect of its own.
    pub own_dialect: bool,
    /// Whether it takes `stream_options` (it answers 422 otherwise).
    pub takes_stream_options: bool,
}

const fn row(
    prefix: &'static str,
    base: Option<&'static str>,
    key_env: &'static [&'static str],
    base_env: &'static [&'static str],
) -> Row {
    Row { prefix, base, suffix: "", key_env, base_env, own_dialect: false, takes_stream_options: true }
}

const fn vendor(row: Row, suffix: &'static str) -> Row {
    Row { own_dialect: true, suffix, ..row }
}

const OPENAI: Row = row(
    "openai",
    Some("https://api.openai.com/v1"),
    &["OPENAI_API_KEY"],
    &["OPENAI_BASE_URL", "OPENAI_API_BASE"],
);

/// Every provider served in this way.
pub static ALL: &[Row] = &[
    OPENAI,
    Row { prefix: "text-completion-openai", ..OPENAI },
    row("hosted_vllm", None, &["HOSTED_VLLM_API_KEY"], &["HOSTED_VLLM_API_BASE"]),
    row("litellm_proxy", None, &["LITELLM_PROXY_API_KEY"], &["LITELLM_PROXY_API_BASE"]),
    row("lm_studio", None, &["LM_STUDIO_API_KEY"], &["LM_STUDIO_API_BASE"]),
    row("custom", None, &[], &[]),
    row("custom_openai", None, &["OPENAI_API_KEY"], &[]),
    row("deepseek", Some("https://api.deepseek.com"), &["DEEPSEEK_API_KEY"], &["DEEPSEEK_API_BASE"]),
    row("groq", Some("https://api.groq.com/openai/v1"), &["GROQ_API_KEY"], &["GROQ_API_BASE"]),
    Row {
        takes_stream_options: false,
        ..row(
            "mistral",
            Some("https://api.mistral.ai/v1"),
            &["MISTRAL_API_KEY"],
            &["MISTRAL_API_BASE", "MISTRAL_AZURE_API_BASE"],
        )
    },
    row(
        "together_ai",
        Some("https://api.together.xyz/v1"),
        &["TOGETHERAI_API_KEY", "TOGETHER_AI_API_KEY", "TOGETHER_API_KEY", "TOGETHER_AI_TOKEN"],
        &["TOGETHER_AI_API_BASE"],
    ),
    row(
        "fireworks_ai",
        Some("https://api.fireworks.ai/inference/v1"),
        &["FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY", "FIREWORKSAI_API_KEY", "FIREWORKS_AI_TOKEN"],
        &["FIREWORKS_API_BASE"],
    ),
    row(
        "openrouter",
        Some("https://openrouter.ai/api/v1"),
        &["OPENROUTER_API_KEY", "OR_API_KEY"],
        &["OPENROUTER_API_BASE"],
    ),
    row("xai", Some("https://api.x.ai/v1"), &["XAI_API_KEY"], &["XAI_API_BASE"]),
    row(
        "perplexity",
        Some("https://api.perplexity.ai"),
        &["PERPLEXITYAI_API_KEY", "PERPLEXITY_API_KEY"],
        &["PERPLEXITY_API_BASE"],
    ),
    vendor(
        row(
            "anthropic",
            Some("https://api.anthropic.com/v1"),
            &["ANTHROPIC_API_KEY"],
            &["ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL"],
        ),
        "/v1",
    ),
    vendor(
        row(
            "gemini",
            Some("https://generativelanguage.googleapis.com/v1beta/openai"),
            &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
            &["GEMINI_API_BASE"],
        ),
        "",
    ),
    vendor(cohere("cohere"), ""),
    vendor(cohere("cohere_chat"), ""),
    vendor(ollama("ollama"), "/v1"),
    vendor(ollama("ollama_chat"), "/v1"),
];

/// Prefixes whose APIs need a dialect or a signature that is not there yet, whatever `api_base` says.
pub static UNSERVED: &[&str] = &[
    "ai21",
    "aleph_alpha",
    "azure",
    "azure_ai",
    "azure_text",
    "bedrock",
    "bedrock_converse",
    "clarifai",
    "cloudflare",
    "databricks",
    "github_copilot",
    "huggingface",
    "nlp_cloud",
    "oci",
    "petals",
    "predibase",
    "replicate",
    "sagemaker",
    "sagemaker_chat",
    "snowflake",
    "triton",
    "vertex_ai",
    "vertex_ai_beta",
    "watsonx",
];

/// Other prefixes that LiteLLM cuts off; with an `api_base` they are taken for OpenAI-compatible.
pub static OTHERS: &[&str] = &[
    "aiml",
    "aiohttp_openai",
    "anyscale",
    "baseten",
    "cerebras",
    "codestral",
    "cometapi",
    "dashscope",
    "deepgram",
    "deepinfra",
    "docker_model_runner",
    "elevenlabs",
    "featherless_ai",
    "friendliai",
    "galadriel",
    "github",
    "gradient_ai",
    "heroku",
    "hyperbolic",
    "infinity",
    "jina_ai",
    "lambda_ai",
    "lemonade",
    "llamafile",
    "llama_api",
    "meta_llama",
    "minimax",
    "moonshot",
    "morph",
    "nebius",
    "novita",
    "nscale",
    "nvidia_nim",
    "oobabooga",
    "ovhcloud",
    "sambanova",
    "text-completion-codestral",
    "topaz",
    "v0",
    "vercel_ai_gateway",
    "vllm",
    "volcengine",
    "voyage",
    "wandb",
    "xinference",
    "zai",
];

/// The row of a prefix.
#[must_use]
pub fn find(prefix: &str) -> Option<&'static Row> {
    ALL.iter().find(|row| row.prefix == prefix)
}

const fn cohere(prefix: &'static str) -> Row {
    row(
        prefix,
        Some("https://api.cohere.ai/compatibility/v1"),
        &["COHERE_API_KEY", "CO_API_KEY"],
        &["COHERE_API_BASE"],
    )
}

const fn ollama(prefix: &'static str) -> Row {
    row(prefix, Some("http://localhost:11434"), &["OLLAMA_API_KEY"], &["OLLAMA_API_BASE"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::base::Base;

    #[test]
    fn every_row_is_usable_and_stands_once() {
        for row in ALL {
            assert_eq!(ALL.iter().filter(|other| other.prefix == row.prefix).count(), 1, "{}", row.prefix);
            assert!(!UNSERVED.contains(&row.prefix) && !OTHERS.contains(&row.prefix), "{}", row.prefix);
            if let Some(base) = row.base {
                assert!(Base::parse(base).is_ok(), "{base}");
            }
        }
    }
}
