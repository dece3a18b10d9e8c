//! What an upstream says of what it keeps, with ids that clients can use, and what a finished batch cost.

use super::Errand;
use super::owner::deployment;
use crate::auth::receipt::{Receipt, Seal};
use crate::domain::{EndpointKind, RecordId, Usage};
use crate::endpoints::stored::Verb;
use crate::upstream::Deployment;
use bytes::Bytes;
use once_cell::sync::Lazy;
use quick_cache::sync::Cache;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Members that are ids.
const IDS: [&str; 7] =
    ["id", "input_file_id", "output_file_id", "error_file_id", "first_id", "last_id", "file_id"];
/// Batches whose cost this process has written down.
static BILLED: Lazy<Cache<u128, ()>> = Lazy::new(|| Cache::new(65_536));

/// The answer for the client, and the tokens that it is to be charged for: those of a batch that has come to its end,
/// the first time that this is seen. Its record has an id of its own, so that no replica and no restart charges twice.
pub(in crate::proxy) fn answer(
    errand: &mut Errand,
    target: &Deployment,
    seal: &Seal,
    whole: Bytes,
) -> (Bytes, Option<Usage>) {
    if errand.verb == Verb::Content {
        return (whole, None);
    }
    let Ok(mut value) = serde_json::from_slice::<Value>(&whole) else { return (whole, None) };
    let usage = match errand.kind {
        EndpointKind::Batches => bill(errand, target, &value),
        _ => None,
    };
    wrap(&mut value, errand, target, seal);
    (Bytes::from(value.to_string()), usage)
}

fn wrap(value: &mut Value, errand: &Errand, target: &Deployment, seal: &Seal) {
    let Some(members) = value.as_object_mut() else { return };
    for name in IDS {
        if let Some(Value::String(id)) = members.get_mut(name)
            && !id.is_empty()
        {
            let receipt = Receipt { deployment: deployment(target), owner: errand.owner, id: id.clone() };
            *id = seal.seal(&receipt);
        }
    }
    if let Some(Value::Array(list)) = members.get_mut("data") {
        list.iter_mut().for_each(|item| wrap(item, errand, target, seal));
    }
}

fn bill(errand: &mut Errand, target: &Deployment, batch: &Value) -> Option<Usage> {
    let is_over = matches!(batch["status"].as_str()?, "completed" | "cancelled" | "expired" | "failed");
    let told = &batch["usage"];
    let count = |name: &str| told[name].as_u64().unwrap_or_default();
    let usage = Usage {
        prompt: count("input_tokens"),
        completion: count("output_tokens"),
        cached: told["input_tokens_details"]["cached_tokens"].as_u64().unwrap_or_default(),
        reasoning: told["output_tokens_details"]["reasoning_tokens"].as_u64().unwrap_or_default(),
        ..Usage::default()
    };
    if !is_over || usage.total() == 0 {
        return None;
    }
    let record = record(target, batch["id"].as_str()?, batch["created_at"].as_u64().unwrap_or_default());
    if BILLED.get(&record.bits()).is_some() {
        return None;
    }
    BILLED.insert(record.bits(), ());
    errand.record = Some(record);
    Some(usage)
}

/// The same for the same batch, whoever asks for it.
fn record(target: &Deployment, id: &str, created: u64) -> RecordId {
    let whole = Sha256::new().chain_update(deployment(target)).chain_update(id).finalize();
    let random = whole.iter().take(10).fold(0, |bits: u128, byte| bits << 8 | u128::from(*byte));
    RecordId::new(created.saturating_mul(1000) & ((1 << 48) - 1), random)
}
