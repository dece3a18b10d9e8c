//! How budgets and limits of speed stand, asked for at each scrape rather than kept: a key that is gone is gone here too.

use super::family::{Budget, Builder, Family, Header};
use super::label::{Label as L, LabelSet, NONE};
use super::render;
use super::select::Selection;
use super::series::Level;
use crate::domain::{Money, Scope};
use prometheus::{Error, IntCounter};
use std::sync::Arc;
use std::time::Duration;

/// One thing that has a budget or limits.
#[derive(Clone, Debug)]
pub struct Balance {
    /// What kind of thing it is.
    pub scope: Scope,
    /// Which one; a key's digest in hex.
    pub id: Arc<str>,
    /// What people call it.
    pub alias: Option<Arc<str>>,
    /// Its budget; `None` is none.
    pub max: Option<Money>,
    /// What is spent of it in this period.
    pub spent: Money,
    /// How long the period still runs; `None` for one that never ends.
    pub resets_in: Option<Duration>,
    /// Its limits of speed.
    pub rates: Vec<Rate>,
}

/// One limit of speed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The model that alone is limited; `None` for all.
    pub model: Option<Arc<str>>,
    /// `requests`, `tokens` or `parallel`.
    pub kind: &'static str,
    /// The limit.
    pub limit: u64,
    /// What is used of it now.
    pub used: u64,
}

/// The label sets that all of them together may have at one scrape.
const MOST: usize = 20_000;

/// The families of one kind of thing: what remains, the budget, the time to its next period; and how they are labelled.
type Kind = (Scope, [&'static str; 3], &'static [L]);

const KINDS: [Kind; 6] = [
    (
        Scope::Key,
        [
            "litellm_remaining_api_key_budget_metric",
            "litellm_api_key_max_budget_metric",
            "litellm_api_key_budget_remaining_hours_metric",
        ],
        &[L::HashedApiKey, L::ApiKeyAlias],
    ),
    (
        Scope::Team,
        [
            "litellm_remaining_team_budget_metric",
            "litellm_team_max_budget_metric",
            "litellm_team_budget_remaining_hours_metric",
        ],
        &[L::Team, L::TeamAlias],
    ),
    (
        Scope::User,
        [
            "litellm_remaining_user_budget_metric",
            "litellm_user_max_budget_metric",
            "litellm_user_budget_remaining_hours_metric",
        ],
        &[L::User],
    ),
    (
        Scope::Organization,
        [
            "litellm_remaining_org_budget_metric",
            "litellm_org_max_budget_metric",
            "litellm_org_budget_remaining_hours_metric",
        ],
        &[L::OrgId, L::OrgAlias],
    ),
    (
        Scope::Customer,
        [
            "litellm_remaining_customer_budget_metric",
            "litellm_customer_max_budget_metric",
            "litellm_customer_budget_remaining_hours_metric",
        ],
        &[L::EndUser],
    ),
    (
        Scope::Provider,
        [
            "litellm_provider_remaining_budget_metric",
            "tollgate_provider_max_budget",
            "tollgate_provider_budget_remaining_seconds",
        ],
        &[L::ApiProvider],
    ),
];

const HELP: [&str; 3] = [
    "US dollars left of a budget; without one, infinitely many",
    "A budget in US dollars",
    "Time until a budget begins anew",
];

const PER_MODEL: &[L] = &[L::HashedApiKey, L::ApiKeyAlias, L::Model, L::ModelId];
const RATE: &[L] = &[L::Scope, L::Id, L::Model, L::Kind];

struct Families {
    kinds: Vec<(Scope, [Family<Level>; 3])>,
    requests_for_model: Family<Level>,
    tokens_for_model: Family<Level>,
    limit: Family<Level>,
    used: Family<Level>,
}

impl Families {
    fn register(to: &mut Builder) -> Result<Self, Error> {
        let mut kinds = Vec::with_capacity(KINDS.len());
        for (scope, names, labels) in KINDS {
            let [remaining, max, hours] = names;
            let [left, budget, until] = HELP;
            let families = [
                to.family(remaining, left, labels)?,
                to.family(max, budget, labels)?,
                to.family(hours, until, labels)?,
            ];
            kinds.push((scope, families));
        }
        Ok(Self {
            kinds,
            requests_for_model: to.family(
                "litellm_remaining_api_key_requests_for_model",
                "Requests that a key may still make of a model in this minute",
                PER_MODEL,
            )?,
            tokens_for_model: to.family(
                "litellm_remaining_api_key_tokens_for_model",
                "Tokens that a key may still use of a model in this minute",
                PER_MODEL,
            )?,
            limit: to.family("tollgate_rate_limit", "A limit of speed", RATE)?,
            used: to.family("tollgate_rate_used", "What is used of a limit of speed now", RATE)?,
        })
    }

    fn show(&self, balance: &Balance) {
        let alias = balance.alias.as_deref().unwrap_or_default();
        let labels = LabelSet::new()
            .with(L::Scope, balance.scope.as_str())
            .with(L::Id, &balance.id)
            .with(L::HashedApiKey, &balance.id)
            .with(L::ApiKeyAlias, alias)
            .with(L::Team, &balance.id)
            .with(L::TeamAlias, alias)
            .with(L::User, &balance.id)
            .with(L::OrgId, &balance.id)
            .with(L::OrgAlias, alias)
            .with(L::EndUser, &balance.id)
            .with(L::ApiProvider, &balance.id);
        // LiteLLM counts in hours; it has no such family for providers.
        let unit = if balance.scope == Scope::Provider { 1.0 } else { 3600.0 };
        if let Some((_, [remaining, max, hours])) =
            self.kinds.iter().find(|(scope, _)| *scope == balance.scope)
        {
            let left = balance.max.map(|max| max.dollars() - balance.spent.dollars());
            set(remaining, &labels, Some(left.unwrap_or(f64::INFINITY)));
            set(max, &labels, balance.max.map(Money::dollars));
            set(hours, &labels, balance.resets_in.map(|left| left.as_secs_f64() / unit));
        }
        for rate in &balance.rates {
            self.show_rate(balance, rate, &labels);
        }
    }

    fn show_rate(&self, balance: &Balance, rate: &Rate, labels: &LabelSet<'_>) {
        let labels =
            labels.clone().with(L::Kind, rate.kind).with(L::Model, rate.model.as_deref().unwrap_or(NONE));
        set(&self.limit, &labels, Some(count(rate.limit)));
        set(&self.used, &labels, Some(count(rate.used)));
        if balance.scope == Scope::Key && rate.model.is_some() {
            let left = Some(count(rate.limit.saturating_sub(rate.used)));
            match rate.kind {
                "requests" => set(&self.requests_for_model, &labels, left),
                "tokens" => set(&self.tokens_for_model, &labels, left),
                _ => {}
            }
        }
    }
}

fn set(family: &Family<Level>, labels: &LabelSet<'_>, value: Option<f64>) {
    if let Some(value) = value
        && let Some(gauge) = family.own(labels)
    {
        gauge.set(value);
    }
}

#[expect(clippy::cast_precision_loss, reason = "the format has floats only")]
const fn count(number: u64) -> f64 {
    number as f64
}

fn builder(selection: Selection) -> Result<(Builder, Families), Error> {
    let refused = IntCounter::new("refused", "Label sets without room at this scrape")?;
    let mut to = Builder::new(Budget::new(MOST, refused), selection);
    let families = Families::register(&mut to)?;
    Ok((to, families))
}

/// The families there are.
pub(super) fn headers() -> Vec<Header> {
    builder(Selection::default()).map(|(to, _)| to.headers).unwrap_or_default()
}

/// Writes them; those with budgets come first, for there may not be room for all.
pub(super) fn render(text: &mut String, balances: &[Balance], selection: &Selection) {
    // The names are constants that a test has seen registered.
    let Ok((to, families)) = builder(selection.clone()) else { return };
    balances.iter().filter(|balance| balance.max.is_some()).for_each(|balance| families.show(balance));
    balances.iter().filter(|balance| balance.max.is_none()).for_each(|balance| families.show(balance));
    text.push_str(&render::render(&to.registry.gather(), &to.headers));
}
