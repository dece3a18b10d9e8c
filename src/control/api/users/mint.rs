//! Makes the first virtual key of a new user.

use crate::control::Control;
use crate::control::api::keys;
use crate::control::input::{Caller, Refusal};
use crate::store::Doc;
use serde_json::{Map, Value};

/// Stores a new key with these members; answers as `/key/generate` does.
pub(super) async fn mint(
    control: &Control,
    caller: &Caller,
    key: Doc,
) -> Result<Map<String, Value>, Refusal> {
    match keys::generate::for_user(control, caller.principal(), key).await? {
        Value::Object(answer) => Ok(answer),
        _ => Ok(Map::new()),
    }
}
