//! Whether one key is within another.

use crate::auth::within;
use crate::domain::{BudgetTerms, KeyFacts, Period, PeriodUnit, RateTerms, TeamFacts};
use std::sync::Arc;

/// The first respect in which `new` goes beyond `bound`. `team` is the team of `new`, `organization` one that
/// `new` may have instead of none.
pub(super) fn beyond(
    new: &KeyFacts,
    bound: &KeyFacts,
    team: Option<&TeamFacts>,
    organization: Option<&str>,
) -> Option<&'static str> {
    // The models of a team are those of a key in that team only.
    let team = team.filter(|team| bound.team_id.as_deref() == Some(&*team.id));
    let same = new.team_id == bound.team_id;
    let inherited = new.organization_id.as_deref().is_some_and(|id| Some(id) == organization);
    [
        ("team_id", bound.team_id.is_some() && new.team_id != bound.team_id),
        (
            "organization_id",
            new.organization_id != bound.organization_id && !(bound.organization_id.is_none() && inherited),
        ),
        ("models", models_beyond(&new.models, &bound.models, team, same)),
        ("aliases", aliases_beyond(new, bound, team, same)),
        ("expires", bound.expires.is_some_and(|bound| new.expires.is_none_or(|new| new > bound))),
        ("rate limits", rates_beyond(&new.rates, &bound.rates)),
        ("model_rpm_limit", each_beyond(&new.model_rates, &bound.model_rates, rates_beyond)),
        ("max_budget", budget_beyond(&new.budget, &bound.budget)),
        ("budget_limits", each_beyond(&new.windows, &bound.windows, budget_beyond)),
        ("model_max_budget", each_beyond(&new.model_budgets, &bound.model_budgets, budget_beyond)),
        ("allowed_routes", routes_beyond(&new.allowed_routes, &bound.allowed_routes)),
        ("permissions", new.reads_spend && !bound.reads_spend),
        ("allowed_ips", ips_beyond(new, bound)),
    ]
    .into_iter()
    .find_map(|(field, is_beyond)| is_beyond.then_some(field))
}

/// Stands for every model.
const EVERY: [&str; 2] = ["*", "all-proxy-models"];
/// Stands for the models of the key's team.
pub(super) const OF_TEAM: &str = "all-team-models";
/// Stands for no model.
const NONE: &str = "no-default-models";

/// An empty list is every model. `same` is whether both keys have the same team, or none.
pub(super) fn models_beyond(
    new: &[Arc<str>],
    bound: &[Arc<str>],
    team: Option<&TeamFacts>,
    same: bool,
) -> bool {
    let has = |name: &str| bound.iter().any(|held| **held == *name);
    if bound.is_empty() || EVERY.into_iter().any(has) {
        return false;
    }
    let by_team = |model: &str| {
        let Some(team) = team.filter(|_| has(OF_TEAM)) else { return false };
        team.models.is_empty() || team.models.iter().any(|held| model_within(model, held))
    };
    let by_name =
        |model: &str| (same || model != OF_TEAM) && bound.iter().any(|held| model_within(model, held));
    new.is_empty() || new.iter().any(|model| **model != *NONE && !by_team(model) && !by_name(model))
}

fn model_within(model: &str, held: &str) -> bool {
    if model == held || EVERY.contains(&held) {
        return true;
    }
    let is_group = EVERY.contains(&model) || model == OF_TEAM;
    let start = held.strip_suffix('*').filter(|start| !start.contains('*'));
    // Of a pattern only what stands before its first star is sure.
    let sure = model.split('*').next().unwrap_or_default();
    !is_group && start.is_some_and(|start| sure.starts_with(start))
}

/// A name of its own may stand only for what the key could call without it.
fn aliases_beyond(new: &KeyFacts, bound: &KeyFacts, team: Option<&TeamFacts>, same: bool) -> bool {
    new.aliases.iter().any(|alias| {
        !bound.aliases.contains(alias)
            && models_beyond(std::slice::from_ref(&alias.1), &bound.models, team, same)
    })
}

fn limit_beyond(new: Option<u64>, bound: Option<u64>) -> bool {
    bound.is_some_and(|bound| new.is_none_or(|new| new > bound))
}

fn rates_beyond(new: &RateTerms, bound: &RateTerms) -> bool {
    limit_beyond(new.rpm, bound.rpm)
        || limit_beyond(new.tpm, bound.tpm)
        || limit_beyond(new.parallel, bound.parallel)
}

fn budget_beyond(new: &BudgetTerms, bound: &BudgetTerms) -> bool {
    let Some(most) = bound.max else { return false };
    let raised = new.increase.is_some_and(|(amount, until)| {
        bound.increase.is_none_or(|(most, latest)| amount > most || until > latest)
    });
    new.max.is_none_or(|max| max > most) || raised || !comes_no_sooner(new.period, bound.period)
}

/// Whether a budget that begins anew at `new` gives no more than one that does so at `bound`.
fn comes_no_sooner(new: Option<Period>, bound: Option<Period>) -> bool {
    match (new, bound) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(new), Some(bound)) => new == bound || seconds(new, 28) >= seconds(bound, 31),
    }
}

fn seconds(period: Period, days_of_month: u64) -> u64 {
    let unit = match period.unit {
        PeriodUnit::Second => 1,
        PeriodUnit::Minute => 60,
        PeriodUnit::Hour => 3_600,
        PeriodUnit::Day => 86_400,
        PeriodUnit::Week => 604_800,
        PeriodUnit::Month => days_of_month * 86_400,
    };
    unit * u64::from(period.count)
}

/// Each bound must be there again, at least as narrow; more of them narrow further.
fn each_beyond<T>(
    new: &[(Arc<str>, T)],
    bound: &[(Arc<str>, T)],
    is_beyond: impl Fn(&T, &T) -> bool,
) -> bool {
    bound.iter().any(|(name, bound)| {
        let held = new.iter().find(|(held, _)| held == name);
        held.is_none_or(|(_, new)| is_beyond(new, bound))
    })
}

fn routes_beyond(new: &[Arc<str>], bound: &[Arc<str>]) -> bool {
    let covered = |route: &Arc<str>| bound.iter().any(|held| within(route, held));
    !bound.is_empty() && (new.is_empty() || !new.iter().all(covered))
}

fn ips_beyond(new: &KeyFacts, bound: &KeyFacts) -> bool {
    let known = |ip| bound.allowed_ips.contains(ip);
    !bound.allowed_ips.is_empty() && (new.allowed_ips.is_empty() || !new.allowed_ips.iter().all(known))
}
