use super::{counter, pico};
use crate::domain::Scope;
use crate::limits::{Descriptor, RateKind, Refusal};

#[test]
fn rates_are_refused_in_litellms_words() {
    let refusal = Refusal::Rate {
        descriptor: Descriptor::ApiKey,
        id: "abc".into(),
        kind: RateKind::Requests,
        limit: 1,
        remaining: 0,
        resets_in_ms: 12_001,
        resets_at_ms: 1_795_225_964_500,
    };
    assert_eq!(
        refusal.to_string(),
        "Rate limit exceeded for api_key: abc. Limit type: requests. Current limit: 1, Remaining: 0. \
         Limit resets at: 2026-11-21 01:52:45 UTC"
    );
    assert_eq!(refusal.reset_at().as_deref(), Some("2026-11-21 01:52:45 UTC"));
    assert_eq!(refusal.retry_after_secs(), Some(13));
    assert!(refusal.is_passing());
}

#[test]
fn budgets_are_refused_in_litellms_words() {
    for (scope, id, slot, expected) in [
        (Scope::Key, "k", "", "Budget has been exceeded! Current cost: 3.3964e-05, Max budget: 1e-08"),
        (Scope::Key, "k", "7d", "ExceededBudget: Key over 7d budget. Spend=3.3964e-05, Budget=1e-08"),
        (Scope::Key, "k", "model:gpt", "LiteLLM Virtual Key: k, exceeded budget for model=gpt"),
        (
            Scope::Team,
            "t",
            "",
            "Budget has been exceeded! Team=t Current cost: 3.3964e-05, Max budget: 1e-08",
        ),
        (Scope::User, "u1", "", "ExceededBudget: User=u1 over budget. Spend=3.3964e-05, Budget=1e-08"),
        (Scope::Customer, "c", "", "ExceededBudget: End User=c over budget. Spend=3.3964e-05, Budget=1e-08"),
        (
            Scope::Member,
            "u\nt",
            "",
            "Budget has been exceeded! User=u in Team=t Current cost: 3.3964e-05, Max budget: 1e-08",
        ),
        (Scope::Global, "", "", "Budget has been exceeded! Current cost: 3.3964e-05, Max budget: 1e-08"),
    ] {
        let refusal = Refusal::Budget {
            counter: counter(scope, id, slot),
            id: id.into(),
            spent: pico(33_964_000),
            reserved: pico(5),
            max: pico(10_000),
        };
        assert_eq!(refusal.to_string(), expected);
        assert!(!refusal.is_passing() && refusal.reset_at().is_none());
    }
}

#[test]
fn a_budget_that_is_promised_away_says_so() {
    let refusal = Refusal::Budget {
        counter: counter(Scope::Key, "k", ""),
        id: "k".into(),
        spent: pico(1_000_000_000_000),
        reserved: pico(4_000_000_000_000),
        max: pico(5_000_000_000_000),
    };
    assert_eq!(refusal.to_string(), "Budget has been exceeded! Current cost: 5.0, Max budget: 5.0");
    assert!(refusal.is_passing());
    let used_up = Refusal::Budget {
        counter: counter(Scope::Key, "k", ""),
        id: "k".into(),
        spent: pico(5),
        reserved: pico(4),
        max: pico(5),
    };
    assert_eq!(used_up.to_string(), "Budget has been exceeded! Current cost: 5e-12, Max budget: 5e-12");
}
