//! The limits of the gateway itself: what every call passes whoever makes it.

use super::directory::Directory;
use super::{Estimate, GateList, Standing};
use crate::config::Config;
use crate::domain::{ApiError, BudgetTerms, Charge, ErrorKind, Money, RateTerms, Scope};
use crate::limits::{Descriptor, Expected, Gate, Manner, Purse, Unpriced};
use std::net::IpAddr;
use std::sync::Arc;

/// The house's rules, made anew with each configuration; its counters stay.
pub struct House {
    /// Counts what the master key, or anybody when there is none, spends.
    pub bare: Arc<Gate>,
    /// What all calls pass together, if anything limits them.
    pub global: Option<Arc<Gate>>,
    /// What becomes of calls whose price nobody knows.
    pub unpriced: Unpriced,
    /// Whether each call must name its end user.
    pub needs_customer: bool,
    providers: Vec<(String, Gate)>,
    allowed_ips: Vec<IpAddr>,
    blocked_ips: Vec<IpAddr>,
    /// Whether the address before the last proxy counts.
    pub forwarded_for: bool,
}

impl House {
    /// Reads the counters; while the database is away they stay what they are, and begin at zero.
    pub async fn prepare(config: &Config, directory: &Directory, master: &Arc<str>) -> Self {
        let spending = &config.spending;
        let gates = directory.gates();
        let nobody = Arc::from("");
        let counters = directory.counters(Scope::Key, master).await;
        let bare = gates.bare(
            (Descriptor::ApiKey, Scope::Key, master),
            RateTerms::default(),
            BudgetTerms::default(),
            counters,
        );
        let limited = spending.rates != RateTerms::default() || spending.budget.max.is_some();
        let global = if limited {
            let counters = directory.counters(Scope::Global, "").await;
            let global = (Descriptor::Global, Scope::Global, &nobody);
            Some(Arc::new(gates.bare(global, spending.rates, spending.budget, counters)))
        } else {
            None
        };
        let mut providers = Vec::new();
        for (name, terms) in &spending.provider_budgets {
            let id = Arc::from(name.as_str());
            let counters = directory.counters(Scope::Provider, name).await;
            let place = (Descriptor::Global, Scope::Provider, &id);
            providers.push((name.clone(), gates.bare(place, RateTerms::default(), *terms, counters)));
        }
        Self {
            bare: Arc::new(bare),
            global,
            unpriced: spending.unpriced,
            needs_customer: spending.needs_customer,
            providers,
            allowed_ips: spending.allowed_ips.clone(),
            blocked_ips: spending.blocked_ips.clone(),
            forwarded_for: spending.forwarded_for,
        }
    }

    /// One without any rule.
    #[cfg(test)]
    pub(super) fn empty() -> Self {
        Self {
            bare: Arc::new(Gate::new(Descriptor::Global, Arc::from(""))),
            global: None,
            unpriced: Unpriced::AllowAndFlag,
            needs_customer: false,
            providers: Vec::new(),
            allowed_ips: Vec::new(),
            blocked_ips: Vec::new(),
            forwarded_for: false,
        }
    }

    /// Whether a call may come from there.
    ///
    /// # Errors
    /// The address is blocked, or not among those that are allowed.
    pub fn lets_in(&self, ip: Option<IpAddr>) -> Result<(), ApiError> {
        let named = |list: &[IpAddr]| ip.is_some_and(|ip| list.contains(&ip));
        if named(&self.blocked_ips) || !(self.allowed_ips.is_empty() || named(&self.allowed_ips)) {
            return Err(ApiError::new(ErrorKind::Forbidden, "Access forbidden: IP address not allowed."));
        }
        Ok(())
    }

    /// Refuses a call whose price nobody knows to whoever has a budget, if that is how it is to be.
    ///
    /// # Errors
    /// The price is unknown, and a budget applies.
    pub fn check_priced(
        &self,
        estimate: &Estimate,
        gates: &GateList<'_>,
        requested: &str,
    ) -> Result<(), ApiError> {
        if !estimate.unpriced || self.unpriced != Unpriced::Deny || !Standing::has_budget(gates) {
            return Ok(());
        }
        let words = format!(
            "The price of model {requested} is unknown, and a budget applies. Set its prices, or \
             tollgate.unpriced_models: allow."
        );
        Err(ApiError::new(ErrorKind::InvalidRequest, words).with_param("model"))
    }

    /// Whether a provider's budget is used up at `now` (unix milliseconds).
    #[must_use]
    pub fn is_exhausted(&self, provider: &str, now: i64) -> bool {
        self.purse(provider).is_some_and(|purse| {
            let spent = purse.account().balance(now, purse.period_end(now)).spent();
            purse.terms().max.is_some_and(|max| spent >= max)
        })
    }

    /// The gates of the whole gateway and of the providers that have budgets.
    pub fn gates(&self) -> impl Iterator<Item = (Scope, &Gate)> {
        let global = self.global.iter().map(|gate| (Scope::Global, &**gate));
        global.chain(self.providers.iter().map(|(_, gate)| (Scope::Provider, gate)))
    }

    /// Whether any provider has a budget.
    #[must_use]
    pub const fn limits_providers(&self) -> bool {
        !self.providers.is_empty()
    }

    /// Charges a call to its provider's budget, if that has one.
    #[must_use]
    pub fn charge(&self, provider: &str, cost: Money, now: i64) -> Option<Charge> {
        let purse = self.purse(provider)?;
        let (account, ends) = (purse.account(), purse.period_end(now));
        let hold = account
            .reserve(now, ends, purse.terms(), purse.refuses(), (Expected::Free, Manner::Decides))
            .ok()?;
        let charge = Charge { counter: account.counter().clone(), period_end: hold.period_end() };
        account.settle(hold, cost, None);
        Some(charge)
    }

    fn purse(&self, provider: &str) -> Option<&Purse> {
        let found = self.providers.iter().find(|(name, _)| name == provider);
        found.and_then(|(_, gate)| gate.purses().first())
    }
}
