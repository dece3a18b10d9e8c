//! What is known of one key, user or team: its facts, and the gate that its calls pass.

use super::directory::CustomerTerms;
use crate::domain::{
    BudgetTerms, CounterId, CustomerFacts, KeyFacts, MemberFacts, Money, OrganizationFacts, RateTerms, Scope,
    TeamFacts, UserFacts,
};
use crate::limits::{Descriptor, Gate, Meters, Purse, Refuses, Zone};
use crate::store::Spent;
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

/// Facts with the counters that belong to them.
#[derive(Debug)]
pub struct Known<F> {
    facts: F,
    /// What every call passes.
    pub gate: Arc<Gate>,
    /// What calls of one model pass besides.
    pub by_model: Vec<(Arc<str>, Arc<Gate>)>,
    /// What calls pass that a team pays: counted, and not compared with the budget.
    in_team: Option<Arc<Gate>>,
}

impl<F> Known<F> {
    /// The gate of an owner whose key belongs to a team.
    pub fn team_gate(&self) -> &Arc<Gate> {
        self.in_team.as_ref().unwrap_or(&self.gate)
    }
}

impl<F> Deref for Known<F> {
    type Target = F;

    fn deref(&self) -> &F {
        &self.facts
    }
}

/// What the database had of each counter, by slot.
pub(super) type Counters = HashMap<Arc<str>, Spent>;

/// Makes gates: finds each counter, and tells it what the database has.
#[derive(Clone)]
pub(super) struct Gates {
    pub(super) meters: Arc<Meters>,
    pub(super) zone: Zone,
    /// What end users have who have no row.
    pub(super) customers: Arc<CustomerTerms>,
    /// Unix milliseconds.
    pub(super) now: i64,
}

/// The gates of one thing under construction.
struct Maker<'a> {
    gates: &'a Gates,
    scope: Scope,
    id: Arc<str>,
    counters: Option<Counters>,
    refuses: Refuses,
}

impl Gates {
    pub(super) fn key(&self, facts: KeyFacts, counters: Counters) -> Known<KeyFacts> {
        let make = self.maker(Scope::Key, Arc::from(facts.digest.to_hex()), Some(counters), Refuses::AtMax);
        let mut gate = make.gate(Descriptor::ApiKey, facts.rates, facts.budget);
        for (slot, terms) in &facts.windows {
            gate = gate.charged(make.purse(slot, *terms));
        }
        let models = make.models(Descriptor::ModelPerKey, &facts.model_rates, &facts.model_budgets);
        Known { gate: Arc::new(gate), by_model: models, in_team: None, facts }
    }

    /// A key's owner. What its keys in teams spend is the teams' money.
    pub(super) fn user(&self, facts: UserFacts, counters: Counters) -> Known<UserFacts> {
        let make = self.maker(Scope::User, Arc::clone(&facts.id), Some(counters), Refuses::AtMax);
        let counted = BudgetTerms { max: None, soft: None, ..facts.budget };
        let in_team = Some(Arc::new(make.gate(Descriptor::User, facts.rates, counted)));
        let gate = Arc::new(make.gate(Descriptor::User, facts.rates, facts.budget));
        Known { gate, by_model: Vec::new(), in_team, facts }
    }

    pub(super) fn team(&self, facts: TeamFacts, counters: Counters) -> Known<TeamFacts> {
        let make = self.maker(Scope::Team, Arc::clone(&facts.id), Some(counters), Refuses::AboveMax);
        let gate = Arc::new(make.gate(Descriptor::Team, facts.rates, facts.budget));
        let models = make.models(Descriptor::ModelPerTeam, &facts.model_rates, &[]);
        Known { gate, by_model: models, in_team: None, facts }
    }

    pub(super) fn member(&self, id: &Arc<str>, facts: MemberFacts, counters: Counters) -> Known<MemberFacts> {
        let make = self.maker(Scope::Member, Arc::clone(id), Some(counters), Refuses::AboveMax);
        let gate = Arc::new(make.gate(Descriptor::TeamMember, facts.rates, facts.budget));
        Known { gate, by_model: Vec::new(), in_team: None, facts }
    }

    pub(super) fn customer(&self, facts: CustomerFacts, counters: Counters) -> Known<CustomerFacts> {
        let make = self.maker(Scope::Customer, Arc::clone(&facts.id), Some(counters), Refuses::AboveMax);
        let gate = Arc::new(make.gate(Descriptor::EndUser, facts.rates, facts.budget));
        Known { gate, by_model: Vec::new(), in_team: None, facts }
    }

    pub(super) fn organization(
        &self,
        facts: OrganizationFacts,
        counters: Counters,
    ) -> Known<OrganizationFacts> {
        let make = self.maker(Scope::Organization, Arc::clone(&facts.id), Some(counters), Refuses::AtMax);
        let gate = Arc::new(make.gate(Descriptor::Organization, facts.rates, facts.budget));
        Known { gate, by_model: Vec::new(), in_team: None, facts }
    }

    /// A gate that belongs to no row: the master key's, or the whole gateway's. Nothing is learned of its counters
    /// where the database did not tell.
    pub(super) fn bare(
        &self,
        (descriptor, scope, id): (Descriptor, Scope, &Arc<str>),
        rates: RateTerms,
        budget: BudgetTerms,
        counters: Option<Counters>,
    ) -> Gate {
        self.maker(scope, Arc::clone(id), counters, Refuses::AboveMax).gate(descriptor, rates, budget)
    }

    fn maker(&self, scope: Scope, id: Arc<str>, counters: Option<Counters>, refuses: Refuses) -> Maker<'_> {
        Maker { gates: self, scope, id, counters, refuses }
    }
}

impl Maker<'_> {
    fn counter(&self, slot: &str) -> CounterId {
        CounterId { scope: self.scope, id: Arc::clone(&self.id), slot: Arc::from(slot) }
    }

    fn gate(&self, descriptor: Descriptor, rates: RateTerms, budget: BudgetTerms) -> Gate {
        let window = self.gates.meters.window(&self.counter(""), self.gates.now);
        Gate::new(descriptor, Arc::clone(&self.id)).limited(window, rates).charged(self.purse("", budget))
    }

    fn purse(&self, slot: &str, terms: BudgetTerms) -> Purse {
        let account = self.gates.meters.account(&self.counter(slot), self.gates.now);
        if let Some(counters) = &self.counters {
            let (now, spent) = (self.gates.now, counters.get(slot).copied().unwrap_or_default());
            if account.is_loaded() {
                account.written(now, spent.amount, spent.period_end, Money::ZERO);
            } else {
                account.load(now, spent.amount, spent.period_end);
            }
        }
        Purse::new(account, terms, self.refuses, self.gates.zone.clone())
    }

    fn models(
        &self,
        descriptor: Descriptor,
        rates: &[(Arc<str>, RateTerms)],
        budgets: &[(Arc<str>, BudgetTerms)],
    ) -> Vec<(Arc<str>, Arc<Gate>)> {
        let mut names: Vec<&Arc<str>> = rates.iter().map(|(name, _)| name).collect();
        names.extend(
            budgets.iter().map(|(name, _)| name).filter(|name| !rates.iter().any(|(n, _)| n == *name)),
        );
        let make = |name: &Arc<str>| {
            let mut gate = Gate::new(descriptor, Arc::clone(&self.id));
            if let Some((_, terms)) = rates.iter().find(|(model, _)| model == name) {
                gate = gate.limited(self.gates.meters.window(&self.counter(name), self.gates.now), *terms);
            }
            if let Some((_, terms)) = budgets.iter().find(|(model, _)| model == name) {
                gate = gate.charged(self.purse(&format!("model:{name}"), *terms));
            }
            (Arc::clone(name), Arc::new(gate))
        };
        names.into_iter().map(make).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_database_does_not_tell_is_not_forgotten() {
        let gates = Gates {
            meters: Arc::new(Meters::new(60_000, 100)),
            zone: Zone::UTC,
            customers: Arc::default(),
            now: 0,
        };
        let spent = |counters| {
            let (rates, budget) = (RateTerms::default(), BudgetTerms::default());
            let gate =
                gates.bare((Descriptor::Global, Scope::Global, &Arc::from("")), rates, budget, counters);
            gate.purses().first().unwrap().spent(0).pico()
        };
        let known = |pico| {
            let spent = Spent { amount: Money::from_pico(pico), period_end: 0 };
            Some(Counters::from([(Arc::from(""), spent)]))
        };
        assert_eq!(spent(None), 0);
        assert_eq!(spent(known(7)), 7);
        assert_eq!(spent(None), 7, "a configuration is read again while the database is away");
        assert_eq!(spent(Some(Counters::new())), 0, "somebody set it back");
    }
}
