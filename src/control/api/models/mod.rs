//! `/v1/models`: what clients may ask for.

pub(in crate::control) mod list;
pub(in crate::control) mod retrieve;

use serde_json::{Value, json};

/// LiteLLM's constant moment of creation.
const CREATED: u64 = 1_677_610_602;

/// One model in OpenAI's list shape.
fn model(name: &str) -> Value {
    json!({ "id": name, "object": "model", "created": CREATED, "owned_by": "openai" })
}
