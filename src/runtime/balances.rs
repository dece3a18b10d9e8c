//! How everybody who is known stands with their budgets and limits, for the metrics.

use super::directory::{Directory, now_ms};
use super::house::House;
use super::known::Known;
use crate::domain::{Money, Scope};
use crate::limits::Gate;
use crate::telemetry::{Balance, Rate};
use std::sync::Arc;
use std::time::Duration;

/// Of each kind so many are shown.
const MOST: usize = 5000;

impl Directory {
    /// How keys, teams, users, organizations and customers stand that called lately, and the house.
    #[must_use]
    pub fn balances(&self, house: &House) -> Vec<Balance> {
        let now = now_ms();
        let mut all: Vec<Balance> = Vec::new();
        let keys = self.keys.all().take(MOST);
        all.extend(keys.map(|key| known(Scope::Key, &key, key.alias.clone(), now)));
        let teams = self.teams.all().take(MOST);
        all.extend(teams.map(|team| known(Scope::Team, &team, team.alias.clone(), now)));
        all.extend(self.users.all().take(MOST).map(|user| known(Scope::User, &user, None, now)));
        let organizations = self.organizations.all().take(MOST);
        all.extend(organizations.map(|one| known(Scope::Organization, &one, one.alias.clone(), now)));
        all.extend(
            self.customers.all().take(MOST).map(|customer| known(Scope::Customer, &customer, None, now)),
        );
        all.extend(house.gates().map(|(scope, gate)| balance(scope, gate, now)));
        all
    }
}

fn known<F>(scope: Scope, known: &Known<F>, alias: Option<Arc<str>>, now: i64) -> Balance {
    let mut balance = Balance { alias, ..balance(scope, &known.gate, now) };
    for (model, gate) in &known.by_model {
        balance.rates.extend(rates(gate, Some(model), now));
    }
    balance
}

fn balance(scope: Scope, gate: &Gate, now: i64) -> Balance {
    let purse = gate.purses().first();
    let ends = purse.map_or(0, |purse| purse.period_end(now));
    let left = u64::try_from(ends.saturating_sub(now)).ok().filter(|left| *left > 0);
    Balance {
        scope,
        id: Arc::clone(gate.id()),
        alias: None,
        max: purse.and_then(|purse| purse.terms().max),
        spent: purse.map_or(Money::ZERO, |purse| purse.account().balance(now, ends).spent()),
        resets_in: left.map(Duration::from_millis),
        rates: rates(gate, None, now),
    }
}

fn rates(gate: &Gate, model: Option<&Arc<str>>, now: i64) -> Vec<Rate> {
    let Some((window, terms)) = gate.rates() else { return Vec::new() };
    let load = window.load(now);
    let limits = [
        ("requests", terms.rpm, load.requests),
        ("tokens", terms.tpm, load.tokens),
        ("parallel", terms.parallel, load.parallel),
    ];
    let rate =
        |(kind, limit, used)| Option::map(limit, |limit| Rate { model: model.cloned(), kind, limit, used });
    limits.into_iter().filter_map(rate).collect()
}
