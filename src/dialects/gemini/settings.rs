//! `generationConfig`, as clients write it.

use super::names::{camel, camels};
use super::schema;
use crate::dialects::hub::value::{boolean, count, invalid, list, object, text};
use crate::dialects::hub::{Effort, Format, Reasoning, Request, Schema};
use crate::dialects::openai::chat;
use crate::domain::ApiError;
use serde_json::{Map, Value};

const PLACE: &str = "generationConfig";

/// Reads it.
pub(super) fn read(request: &mut Request, value: Value) -> Result<(), ApiError> {
    let mut wanted = Format::Text;
    for (name, value) in object(value, PLACE)? {
        let place = format!("{PLACE}.{name}");
        match &*camel(&name) {
            _ if value.is_null() => {}
            "maxOutputTokens" => request.max_tokens = Some(count(&value, &place)?),
            "temperature" => chat::set(request, "temperature", value)?,
            "topP" => chat::set(request, "top_p", value)?,
            "topK" => {
                request.other.insert("top_k".to_owned(), value);
            }
            "stopSequences" => chat::set(request, "stop", value)?,
            "seed" => chat::set(request, "seed", value)?,
            "presencePenalty" => chat::set(request, "presence_penalty", value)?,
            "frequencyPenalty" => chat::set(request, "frequency_penalty", value)?,
            // One text is what everybody gives.
            "candidateCount" if value.as_u64() == Some(1) => {}
            "candidateCount" => chat::set(request, "n", value)?,
            "responseModalities" => modalities(request, value, &place)?,
            "responseMimeType" => match text(value, &place)?.as_str() {
                "" | "text/plain" => {}
                "application/json" if wanted == Format::Text => wanted = Format::Json,
                "application/json" => {}
                _ => return Err(invalid(&place, "expected text/plain or application/json")),
            },
            "responseSchema" => wanted = by_schema(schema::read(value)),
            "responseJsonSchema" => wanted = by_schema(value),
            "thinkingConfig" => request.reasoning = thinking(camels(object(value, &place)?), &place)?,
            "responseLogprobs" if !boolean(&value, &place)? => {}
            // Of pictures only Google says how closely to look.
            "mediaResolution" => {}
            _ => return Err(invalid(&place, "it means nothing to the model's provider")),
        }
    }
    request.format = wanted;
    Ok(())
}

fn by_schema(schema: Value) -> Format {
    Format::Schema(Schema { name: "response".to_owned(), description: None, schema, strict: None })
}

fn modalities(request: &mut Request, value: Value, place: &str) -> Result<(), ApiError> {
    let words = list(value, place)?.into_iter().map(|word| text(word, place));
    let words =
        words.map(|word| word.map(|word| word.to_ascii_lowercase())).collect::<Result<Vec<_>, _>>()?;
    if words.iter().all(|word| word == "text") {
        return Ok(());
    }
    chat::set(request, "modalities", words.into())
}

fn thinking(map: Map<String, Value>, place: &str) -> Result<Option<Reasoning>, ApiError> {
    if let Some(level) = map.get("thinkingLevel").and_then(Value::as_str) {
        let level = level.to_ascii_lowercase();
        let effort = Effort::of(&level).ok_or_else(|| {
            invalid(&format!("{place}.thinkingLevel"), "expected minimal, low, medium or high")
        })?;
        return Ok(Some(Reasoning::Effort(effort)));
    }
    Ok(match map.get("thinkingBudget").filter(|budget| !budget.is_null()) {
        None => None,
        Some(budget) => Some(match budget.as_i64() {
            Some(0) => Reasoning::Off,
            Some(-1) => Reasoning::Adaptive,
            _ => Reasoning::Budget(count(budget, &format!("{place}.thinkingBudget"))?),
        }),
    })
}
