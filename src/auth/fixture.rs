//! Principals and keys for tests.

use super::{Principal, Role};
use crate::domain::{BudgetTerms, KeyDigest, KeyFacts, QueueTerms, RateTerms};
use std::sync::Arc;

/// A key without any limit.
pub(super) fn key() -> KeyFacts {
    KeyFacts {
        digest: KeyDigest::new([7; 32]),
        name: Arc::from("sk-...abcd"),
        alias: None,
        user_id: None,
        team_id: None,
        organization_id: None,
        models: Vec::new(),
        aliases: Vec::new(),
        expires: None,
        blocked: false,
        rates: RateTerms::default(),
        model_rates: Vec::new(),
        budget: BudgetTerms::default(),
        windows: Vec::new(),
        model_budgets: Vec::new(),
        allowed_routes: Vec::new(),
        reads_spend: false,
        allowed_ips: Vec::new(),
        tags: Vec::new(),
        queue: QueueTerms::default(),
        client_tags: false,
    }
}

/// Who presents this key.
pub(super) fn principal(role: Role, key: KeyFacts) -> Principal {
    Principal { key_hash: Arc::from(key.digest.to_hex()), role, key: Some(Arc::new(key)) }
}
