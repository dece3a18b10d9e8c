//! The table: a row for each provider.

use super::Row;
use crate::dialects::Dialect;
use crate::dialects::anthropic::Anthropic;
use crate::dialects::cohere::Cohere;
use crate::dialects::converse::Converse;
use crate::dialects::gemini::{Gemini, OnVertex};
use crate::dialects::ollama::Ollama;
use crate::dialects::openai::OpenAi;
use crate::providers::azure::{Azure, Foundry};
use crate::providers::bedrock::Bedrock;
use crate::providers::site::Site;
use crate::providers::vertex::Vertex;

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
    answering(row("groq", Some("https://api.groq.com/openai/v1"), &["GROQ_API_KEY"], &["GROQ_API_BASE"])),
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
    answering(row(
        "fireworks_ai",
        Some("https://api.fireworks.ai/inference/v1"),
        &["FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY", "FIREWORKSAI_API_KEY", "FIREWORKS_AI_TOKEN"],
        &["FIREWORKS_API_BASE"],
    )),
    answering(row(
        "openrouter",
        Some("https://openrouter.ai/api/v1"),
        &["OPENROUTER_API_KEY", "OR_API_KEY"],
        &["OPENROUTER_API_BASE"],
    )),
    answering(row("xai", Some("https://api.x.ai/v1"), &["XAI_API_KEY"], &["XAI_API_BASE"])),
    row(
        "perplexity",
        Some("https://api.perplexity.ai"),
        &["PERPLEXITYAI_API_KEY", "PERPLEXITY_API_KEY"],
        &["PERPLEXITY_API_BASE"],
    ),
    // Vendors in the cloud, by prefix; each base is the one its documentation gives.
    cloud(
        "abliteration",
        "https://api.abliteration.ai/v1",
        &["ABLITERATION_API_KEY"],
        &["ABLITERATION_API_BASE"],
    ),
    cloud("ai21", "https://api.ai21.com/studio/v1", &["AI21_API_KEY"], &["AI21_API_BASE"]),
    cloud("ai21_chat", "https://api.ai21.com/studio/v1", &["AI21_API_KEY"], &["AI21_API_BASE"]),
    cloud("aihubmix", "https://aihubmix.com/v1", &["AIHUBMIX_API_KEY"], &["AIHUBMIX_API_BASE"]),
    cloud("aiml", "https://api.aimlapi.com/v1", &["AIML_API_KEY", "AIMLAPI_KEY"], &["AIML_API_BASE"]),
    cloud(
        "amazon_nova",
        "https://api.nova.amazon.com/v1",
        &["AMAZON_NOVA_API_KEY"],
        &["AMAZON_NOVA_API_BASE"],
    ),
    cloud("apertis", "https://api.stima.tech/v1", &["STIMA_API_KEY"], &["APERTIS_API_BASE"]),
    cloud(
        "assemblyai",
        "https://llm-gateway.assemblyai.com/v1",
        &["ASSEMBLYAI_API_KEY"],
        &["ASSEMBLYAI_API_BASE"],
    ),
    cloud("baseten", "https://inference.baseten.co/v1", &["BASETEN_API_KEY"], &["BASETEN_API_BASE"]),
    cloud("cerebras", "https://api.cerebras.ai/v1", &["CEREBRAS_API_KEY"], &["CEREBRAS_API_BASE"]),
    cloud("chutes", "https://llm.chutes.ai/v1", &["CHUTES_API_KEY"], &["CHUTES_API_BASE"]),
    cloud(
        "clarifai",
        "https://api.clarifai.com/v2/ext/openai/v1",
        &["CLARIFAI_API_KEY", "CLARIFAI_PAT"],
        &["CLARIFAI_API_BASE"],
    ),
    Row {
        takes_stream_options: false,
        ..cloud(
            "codestral",
            "https://codestral.mistral.ai/v1",
            &["CODESTRAL_API_KEY"],
            &["CODESTRAL_API_BASE"],
        )
    },
    cloud(
        "cometapi",
        "https://api.cometapi.com/v1",
        &["COMETAPI_API_KEY", "COMETAPI_KEY"],
        &["COMETAPI_API_BASE"],
    ),
    cloud("compactifai", "https://api.compactif.ai/v1", &["COMPACTIFAI_API_KEY"], &["COMPACTIFAI_API_BASE"]),
    cloud(
        "crusoe",
        "https://managed-inference-api-proxy.crusoecloud.com/v1",
        &["CRUSOE_API_KEY"],
        &["CRUSOE_API_BASE"],
    ),
    cloud(
        "dashscope",
        "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        &["DASHSCOPE_API_KEY"],
        &["DASHSCOPE_API_BASE"],
    ),
    cloud(
        "deepinfra",
        "https://api.deepinfra.com/v1/openai",
        &["DEEPINFRA_API_KEY"],
        &["DEEPINFRA_API_BASE"],
    ),
    cloud("empower", "https://app.empower.dev/api/v1", &["EMPOWER_API_KEY"], &["EMPOWER_API_BASE"]),
    cloud(
        "featherless_ai",
        "https://api.featherless.ai/v1",
        &["FEATHERLESS_AI_API_KEY", "FEATHERLESS_API_KEY"],
        &["FEATHERLESS_AI_API_BASE"],
    ),
    cloud(
        "friendliai",
        "https://api.friendli.ai/serverless/v1",
        &["FRIENDLIAI_API_KEY", "FRIENDLI_TOKEN"],
        &["FRIENDLI_API_BASE"],
    ),
    cloud("galadriel", "https://api.galadriel.com/v1", &["GALADRIEL_API_KEY"], &["GALADRIEL_API_BASE"]),
    cloud("github", "https://models.github.ai/inference", &["GITHUB_API_KEY"], &["GITHUB_API_BASE"]),
    cloud("gmi", "https://api.gmi-serving.com/v1", &["GMI_API_KEY"], &["GMI_API_BASE"]),
    cloud(
        "gradient_ai",
        "https://inference.do-ai.run/v1",
        &["GRADIENT_AI_API_KEY"],
        &["GRADIENT_AI_ENDPOINT"],
    ),
    cloud("helicone", "https://ai-gateway.helicone.ai", &["HELICONE_API_KEY"], &["HELICONE_API_BASE"]),
    answering(cloud(
        "huggingface",
        "https://router.huggingface.co/v1",
        &["HF_TOKEN", "HUGGINGFACE_API_KEY"],
        &["HF_API_BASE"],
    )),
    cloud("hyperbolic", "https://api.hyperbolic.xyz/v1", &["HYPERBOLIC_API_KEY"], &["HYPERBOLIC_API_BASE"]),
    cloud("jina_ai", "https://api.jina.ai/v1", &["JINA_AI_API_KEY", "JINA_AI_TOKEN"], &["JINA_AI_API_BASE"]),
    cloud("lambda_ai", "https://api.lambda.ai/v1", &["LAMBDA_API_KEY"], &["LAMBDA_API_BASE"]),
    cloud("llamagate", "https://api.llamagate.dev/v1", &["LLAMAGATE_API_KEY"], &["LLAMAGATE_API_BASE"]),
    cloud("meta_llama", "https://api.llama.com/compat/v1", &["LLAMA_API_KEY"], &["LLAMA_API_BASE"]),
    cloud("minimax", "https://api.minimax.io/v1", &["MINIMAX_API_KEY"], &["MINIMAX_API_BASE"]),
    cloud("moonshot", "https://api.moonshot.ai/v1", &["MOONSHOT_API_KEY"], &["MOONSHOT_API_BASE"]),
    cloud("morph", "https://api.morphllm.com/v1", &["MORPH_API_KEY"], &["MORPH_API_BASE"]),
    cloud("nano-gpt", "https://nano-gpt.com/api/v1", &["NANOGPT_API_KEY"], &["NANOGPT_API_BASE"]),
    cloud("nebius", "https://api.tokenfactory.nebius.com/v1", &["NEBIUS_API_KEY"], &["NEBIUS_API_BASE"]),
    cloud("novita", "https://api.novita.ai/openai", &["NOVITA_API_KEY"], &["NOVITA_API_BASE"]),
    cloud("nscale", "https://inference.api.nscale.com/v1", &["NSCALE_API_KEY"], &["NSCALE_API_BASE"]),
    cloud(
        "nvidia_nim",
        "https://integrate.api.nvidia.com/v1",
        &["NVIDIA_NIM_API_KEY"],
        &["NVIDIA_NIM_API_BASE"],
    ),
    cloud(
        "ovhcloud",
        "https://oai.endpoints.kepler.ai.cloud.ovh.net/v1",
        &["OVHCLOUD_API_KEY"],
        &["OVHCLOUD_API_BASE"],
    ),
    cloud("poe", "https://api.poe.com/v1", &["POE_API_KEY"], &["POE_API_BASE"]),
    cloud("publicai", "https://api.publicai.co/v1", &["PUBLICAI_API_KEY"], &["PUBLICAI_API_BASE"]),
    cloud("sambanova", "https://api.sambanova.ai/v1", &["SAMBANOVA_API_KEY"], &["SAMBANOVA_API_BASE"]),
    cloud("scaleway", "https://api.scaleway.ai/v1", &["SCW_SECRET_KEY"], &["SCALEWAY_API_BASE"]),
    cloud(
        "synthetic",
        "https://api.synthetic.new/openai/v1",
        &["SYNTHETIC_API_KEY"],
        &["SYNTHETIC_API_BASE"],
    ),
    cloud("v0", "https://api.v0.dev/v1", &["V0_API_KEY"], &["V0_API_BASE"]),
    cloud("veniceai", "https://api.venice.ai/api/v1", &["VENICE_AI_API_KEY"], &["VENICE_AI_API_BASE"]),
    cloud(
        "vercel_ai_gateway",
        "https://ai-gateway.vercel.sh/v1",
        &["VERCEL_AI_GATEWAY_API_KEY", "VERCEL_OIDC_TOKEN"],
        &["VERCEL_AI_GATEWAY_API_BASE"],
    ),
    answering(cloud(
        "volcengine",
        "https://ark.cn-beijing.volces.com/api/v3",
        &["VOLCENGINE_API_KEY"],
        &["VOLCENGINE_API_BASE"],
    )),
    cloud(
        "voyage",
        "https://api.voyageai.com/v1",
        &["VOYAGE_API_KEY", "VOYAGE_AI_API_KEY", "VOYAGE_AI_TOKEN"],
        &["VOYAGE_API_BASE"],
    ),
    cloud("wandb", "https://api.inference.wandb.ai/v1", &["WANDB_API_KEY"], &["WANDB_API_BASE"]),
    cloud(
        "xiaomi_mimo",
        "https://api.xiaomimimo.com/v1",
        &["XIAOMI_MIMO_API_KEY"],
        &["XIAOMI_MIMO_API_BASE"],
    ),
    cloud("zai", "https://api.z.ai/api/paas/v4", &["ZAI_API_KEY"], &["ZAI_API_BASE"]),
    row(
        "huawei_maas",
        Some("https://api-ap-southeast-1.modelarts-maas.com/openai/v1"),
        &["HUAWEI_MAAS_API_KEY"],
        &["HUAWEI_MAAS_API_BASE"],
    ),
    // Vendors whose address holds the customer's own name.
    row("cloudflare", None, &["CLOUDFLARE_API_KEY"], &["CLOUDFLARE_API_BASE"]),
    row("databricks", None, &["DATABRICKS_API_KEY"], &["DATABRICKS_API_BASE"]),
    row("heroku", None, &["HEROKU_API_KEY"], &["HEROKU_API_BASE"]),
    // Servers of one's own.
    local(
        "docker_model_runner",
        Some("http://localhost:12434/engines/v1"),
        &["DOCKER_MODEL_RUNNER_API_BASE"],
    ),
    local("infinity", None, &["INFINITY_API_BASE"]),
    local("lemonade", Some("http://localhost:8000/api/v1"), &["LEMONADE_API_BASE"]),
    local("llama_cpp", Some("http://localhost:8080/v1"), &["LLAMA_CPP_API_BASE"]),
    local("llamafile", Some("http://127.0.0.1:8080/v1"), &["LLAMAFILE_API_BASE"]),
    local("localai", Some("http://localhost:8080/v1"), &["LOCALAI_API_BASE"]),
    local("oobabooga", None, &["OOBABOOGA_API_BASE"]),
    local("sglang", Some("http://localhost:30000/v1"), &["SGLANG_API_BASE"]),
    local("tgi", None, &["TGI_API_BASE"]),
    local("vllm", None, &["VLLM_API_BASE"]),
    local("xinference", Some("http://127.0.0.1:9997/v1"), &["XINFERENCE_API_BASE"]),
    Row {
        suffix: "/v1",
        dialect: &Anthropic,
        ..row(
            "anthropic",
            Some("https://api.anthropic.com"),
            &["ANTHROPIC_API_KEY"],
            &["ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL"],
        )
    },
    Row {
        cut: &["/openai"],
        dialect: &Gemini,
        ..row(
            "gemini",
            Some("https://generativelanguage.googleapis.com/v1beta"),
            &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
            &["GEMINI_API_BASE"],
        )
    },
    cohere("cohere"),
    cohere("cohere_chat"),
    ollama("ollama"),
    ollama("ollama_chat"),
    placed("azure", &OpenAi, &Azure),
    placed("azure_ai", &OpenAi, &Foundry),
    placed("bedrock", &Converse, &Bedrock),
    placed("bedrock_converse", &Converse, &Bedrock),
    placed("vertex_ai", &OnVertex, &Vertex),
    placed("vertex_ai_beta", &OnVertex, &Vertex),
];

/// Prefixes whose APIs need a dialect or a signature that is not there yet, whatever `api_base` says.
pub static UNSERVED: &[&str] = &[
    "aleph_alpha",
    "azure_text",
    "github_copilot",
    "nlp_cloud",
    "oci",
    "petals",
    "predibase",
    "replicate",
    "sagemaker",
    "sagemaker_chat",
    "snowflake",
    "triton",
    "watsonx",
];

/// Other prefixes that LiteLLM cuts off; with an `api_base` they are taken for OpenAI-compatible.
pub static OTHERS: &[&str] = &[
    "aiohttp_openai",
    "anyscale",
    "deepgram",
    "elevenlabs",
    "llama_api",
    "text-completion-codestral",
    "topaz",
];

const fn row(
    prefix: &'static str,
    base: Option<&'static str>,
    key_env: &'static [&'static str],
    base_env: &'static [&'static str],
) -> Row {
    Row {
        prefix,
        base,
        suffix: "",
        key_env,
        base_env,
        cut: &[],
        takes_stream_options: true,
        has_responses: false,
        dialect: &OpenAi,
        site: None,
    }
}

const fn cloud(
    prefix: &'static str,
    base: &'static str,
    key_env: &'static [&'static str],
    base_env: &'static [&'static str],
) -> Row {
    row(prefix, Some(base), key_env, base_env)
}

/// A server that wants no key unless one is configured.
const fn local(prefix: &'static str, base: Option<&'static str>, base_env: &'static [&'static str]) -> Row {
    row(prefix, base, &[], base_env)
}

/// With OpenAI's responses.
const fn answering(row: Row) -> Row {
    Row { has_responses: true, ..row }
}

const OPENAI: Row = answering(row(
    "openai",
    Some("https://api.openai.com/v1"),
    &["OPENAI_API_KEY"],
    &["OPENAI_BASE_URL", "OPENAI_API_BASE"],
));

const fn placed(prefix: &'static str, dialect: &'static dyn Dialect, site: &'static dyn Site) -> Row {
    Row { dialect, site: Some(site), ..row(prefix, None, &[], &[]) }
}

const fn cohere(prefix: &'static str) -> Row {
    Row {
        cut: &["/compatibility/v1", "/v2/chat", "/v2"],
        dialect: &Cohere,
        ..row(prefix, Some("https://api.cohere.ai"), &["COHERE_API_KEY", "CO_API_KEY"], &["COHERE_API_BASE"])
    }
}

const fn ollama(prefix: &'static str) -> Row {
    Row {
        cut: &["/v1", "/api/chat", "/api"],
        dialect: &Ollama,
        ..row(prefix, Some("http://localhost:11434"), &["OLLAMA_API_KEY"], &["OLLAMA_API_BASE"])
    }
}
