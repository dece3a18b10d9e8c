//! Which key gets which behaviour.

use super::Behaviour;
use std::collections::HashMap;
use std::sync::Arc;

/// Who gets what.
#[derive(Clone, Debug)]
pub struct Script {
    /// What keys get that are not in `keys`.
    pub default: Arc<Behaviour>,
    /// What each key gets.
    pub keys: HashMap<String, Arc<Behaviour>>,
    /// Whether keys that are not in `keys` are refused with 401.
    pub known_keys_only: bool,
    /// What `GET /v1/models` lists.
    pub models: Vec<String>,
    /// Requests kept for [`super::Simulator::seen`]; 0 keeps none.
    pub record: usize,
    /// Bytes kept of each body.
    pub record_body_bytes: usize,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            default: Arc::default(),
            keys: HashMap::new(),
            known_keys_only: false,
            models: vec!["sim-ok".to_owned(), "sim-gap=50".to_owned()],
            record: 10_000,
            record_body_bytes: 1 << 20,
        }
    }
}

impl Script {
    /// All keys get this.
    #[must_use]
    pub fn of(behaviour: Behaviour) -> Self {
        Self { default: Arc::new(behaviour), ..Self::default() }
    }

    /// This key gets this.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<String>, behaviour: Behaviour) -> Self {
        self.keys.insert(key.into(), Arc::new(behaviour));
        self
    }

    /// Keys that are not in the script are refused with 401.
    #[must_use]
    pub const fn known_keys_only(mut self) -> Self {
        self.known_keys_only = true;
        self
    }
}
