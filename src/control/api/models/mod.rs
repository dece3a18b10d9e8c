//! `/v1/models`: what clients may ask for; `/model/*`: the deployments behind it.

pub(in crate::control) mod delete;
pub(in crate::control) mod group_info;
pub(in crate::control) mod info;
pub(in crate::control) mod list;
pub(in crate::control) mod new;
pub(in crate::control) mod retrieve;
mod stored;
pub(in crate::control) mod update;
mod visible;

use crate::auth::{self, Principal};
use crate::runtime::{Group, Snapshot};
use crate::store::{Doc, SealError, Vault};
use serde_json::{Value, json};

/// Encrypts a stored deployment's credentials with the present key.
pub(super) fn seal_row(vault: &Vault, doc: &mut Doc) -> Result<(), SealError> {
    let params = doc.get_mut("litellm_params").and_then(Value::as_object_mut);
    params.map_or(Ok(()), |params| stored::seal_again(vault, params))
}

/// LiteLLM's constant moment of creation.
const CREATED: u64 = 1_677_610_602;

/// Whether the lists of a key let it call this model.
fn may_see(snapshot: &Snapshot, principal: &Principal, name: &str) -> bool {
    let Some(key) = &principal.key else { return true };
    let resolution = snapshot.resolve(name);
    let group = resolution.as_ref().map(|resolution| &*resolution.group);
    auth::lets_through(&key.models, &Group::asked(name, group))
}

/// One model in OpenAI's list shape.
fn model(name: &str) -> Value {
    json!({ "id": name, "object": "model", "created": CREATED, "owned_by": "openai" })
}
