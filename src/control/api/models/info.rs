//! `GET /model/info`, `GET /v1/model/info` and `GET /v2/model/info`: each deployment with what it is and costs.

use super::visible::visible;
use crate::control::Control;
use crate::control::input::{Answer, Caller, Params};
use crate::domain::{Prices, TokenPrice};
use crate::providers::Target;
use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// What LiteLLM's list of models would say, and nobody has said here.
pub(super) const SUPPORTS: [&str; 15] = [
    "supports_system_messages",
    "supports_response_schema",
    "supports_vision",
    "supports_function_calling",
    "supports_tool_choice",
    "supports_assistant_prefill",
    "supports_prompt_caching",
    "supports_audio_input",
    "supports_audio_output",
    "supports_pdf_input",
    "supports_embedding_image_input",
    "supports_native_streaming",
    "supports_web_search",
    "supports_reasoning",
    "supports_computer_use",
];
/// Parameters of OpenAI's API that are passed on.
pub(super) const PARAMS: [&str; 27] = [
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "max_tokens",
    "max_completion_tokens",
    "modalities",
    "prediction",
    "n",
    "presence_penalty",
    "seed",
    "stop",
    "stream",
    "stream_options",
    "temperature",
    "top_p",
    "tools",
    "tool_choice",
    "function_call",
    "functions",
    "extra_headers",
    "parallel_tool_calls",
    "audio",
    "web_search_options",
    "service_tier",
    "response_format",
    "user",
];

/// `GET /model/info`
pub(in crate::control) async fn run(
    State(control): State<Control>,
    caller: Caller,
    params: Params,
) -> Answer {
    let rows = rows(&control, &caller, &params).await?;
    Ok(Json(json!({ "data": rows })))
}

/// `GET /v2/model/info`: by page.
pub(in crate::control) async fn paged(
    State(control): State<Control>,
    caller: Caller,
    params: Params,
) -> Answer {
    let page = params.count("page", 1, 1_000_000)?;
    let size = params.count("size", 50, 1000)?;
    let rows = rows(&control, &caller, &params).await?;
    let total = rows.len();
    let pages = total.div_ceil(size as usize);
    let skipped = (page as usize - 1).saturating_mul(size as usize);
    let data: Vec<Value> = rows.into_iter().skip(skipped).take(size as usize).collect();
    Ok(Json(json!({
        "data": data, "total_count": total, "current_page": page, "total_pages": pages, "size": size,
    })))
}

async fn rows(
    control: &Control,
    caller: &Caller,
    params: &Params,
) -> Result<Vec<Value>, crate::control::input::Refusal> {
    let snapshot = control.runtime.load();
    let id = params.text("litellm_model_id").or_else(|| params.text("modelId"));
    let model = params.text("model");
    let search = params.text("search").map(str::to_lowercase);
    let wanted = |target: &Arc<Target>| {
        id.is_none_or(|id| id == target.id.as_str())
            && model.is_none_or(|model| model == target.group)
            && search.as_ref().is_none_or(|text| target.group.to_lowercase().contains(text))
    };
    let seen = visible(control, &snapshot, caller.principal()).await?;
    Ok(seen.iter().filter(|target| wanted(target)).map(|target| row(target)).collect())
}

fn row(target: &Target) -> Value {
    let info = info(target);
    let (input, output) =
        (info.get("input_cost_per_token").cloned(), info.get("output_cost_per_token").cloned());
    json!({
        "model_name": target.group,
        "litellm_params": params(target),
        "model_info": info,
        "input_cost_per_token": input,
        "output_cost_per_token": output,
    })
}

/// The parameters without any credential, with those that LiteLLM shows even when nobody set them.
pub(super) fn params(target: &Target) -> Map<String, Value> {
    let mut params = target.info.params.clone();
    for name in ["use_in_pass_through", "use_litellm_proxy", "merge_reasoning_content_in_choices"] {
        params.entry(name).or_insert(Value::Bool(false));
    }
    params
}

fn info(target: &Target) -> Map<String, Value> {
    let own = &target.info;
    let mut info = Map::new();
    info.insert("id".to_owned(), json!(target.id.as_str()));
    info.insert("db_model".to_owned(), json!(own.is_stored));
    info.insert("key".to_owned(), json!(target.model));
    info.insert("max_tokens".to_owned(), json!(own.max_tokens));
    info.insert("max_input_tokens".to_owned(), json!(own.max_input_tokens));
    info.insert("max_output_tokens".to_owned(), json!(own.max_output_tokens));
    prices(own.prices.as_ref(), &mut info);
    info.insert("litellm_provider".to_owned(), json!(target.provider));
    info.insert("mode".to_owned(), json!(own.mode));
    for name in SUPPORTS {
        info.insert(name.to_owned(), Value::Null);
    }
    info.insert("tpm".to_owned(), json!(target.weights.tpm));
    info.insert("rpm".to_owned(), json!(target.weights.rpm));
    info.insert("supported_openai_params".to_owned(), json!(PARAMS));
    for (name, value) in own.raw.iter().filter(|(name, _)| !matches!(name.as_str(), "id" | "db_model")) {
        // What was read as a number is shown as one, however it was written.
        if info.get(name).is_none_or(Value::is_null) {
            info.insert(name.clone(), value.clone());
        }
    }
    info
}

fn units(prices: Option<&Prices>, info: &mut Map<String, Value>) {
    let Some(units) = prices.map(|prices| prices.units) else { return };
    for (name, price) in [
        ("input_cost_per_character", units.character),
        ("input_cost_per_second", units.second),
        ("output_cost_per_second", units.spoken_second),
        ("output_cost_per_image", units.image),
        ("input_cost_per_query", units.query),
    ] {
        if let Some(price) = price {
            info.insert(name.to_owned(), price.dollars().into());
        }
    }
}

fn prices(prices: Option<&Prices>, info: &mut Map<String, Value>) {
    let dollars = |price: Option<TokenPrice>| json!(price.map(TokenPrice::dollars));
    let read = |of: fn(&Prices) -> Option<TokenPrice>| dollars(prices.and_then(of));
    info.insert("input_cost_per_token".to_owned(), read(|prices| Some(prices.input)));
    info.insert("cache_creation_input_token_cost".to_owned(), read(|prices| prices.cache_write));
    info.insert("cache_read_input_token_cost".to_owned(), read(|prices| prices.cache_read));
    info.insert("input_cost_per_audio_token".to_owned(), read(|prices| prices.audio_input));
    info.insert("output_cost_per_token".to_owned(), read(|prices| Some(prices.output)));
    info.insert("output_cost_per_audio_token".to_owned(), read(|prices| prices.audio_output));
    info.insert("output_cost_per_reasoning_token".to_owned(), read(|prices| prices.reasoning));
    units(prices, info);
}
