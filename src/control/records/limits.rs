//! Limits that several kinds of rows have, and the budget rows they may stand in.

use super::stamp::{new_id, stamp, text, touch};
use super::{add, change, lay_over, remove};
use crate::control::Control;
use crate::control::calendar::after;
use crate::control::input::{Field, Kind, Refusal, want};
use crate::domain::Period;
use crate::store::{BUDGETS, Doc};
use jiff::Timestamp;
use serde_json::Value;

/// Limits on speed.
pub(in crate::control) const RATES: &[Field] = &[
    want("tpm_limit", Kind::Count),
    want("rpm_limit", Kind::Count),
    want("max_parallel_requests", Kind::Count),
];

/// Limits on money.
pub(in crate::control) const BUDGET: &[Field] = &[
    want("max_budget", Kind::Money),
    want("soft_budget", Kind::Money),
    want("budget_duration", Kind::Period),
    want("model_max_budget", Kind::Budgets),
];

/// Marks a budget row that belongs to one other row.
const OWN: &str = "own";

/// Members of a budget row.
const OF_BUDGET: [&str; 8] = [
    "max_budget",
    "soft_budget",
    "max_parallel_requests",
    "tpm_limit",
    "rpm_limit",
    "model_max_budget",
    "budget_duration",
    "allowed_models",
];

/// Puts the budget row's end where LiteLLM has it: one duration from now.
pub(in crate::control) fn set_budget(terms: &mut Doc) {
    let Some(duration) = terms.get("budget_duration") else { return };
    let period = duration.as_str().and_then(|text| text.parse::<Period>().ok());
    let end = period.and_then(|period| after(period, Timestamp::now()));
    terms.insert("budget_reset_at".to_owned(), Value::from(end.map(text)));
}

/// Moves limits out of `doc` into a budget row and names it there. A row of `doc`'s own is changed; one that others
/// may share is copied first.
pub(in crate::control) async fn keep_limits(
    control: &Control,
    doc: &mut Doc,
    present: Option<&str>,
    by: &str,
) -> Result<(), Refusal> {
    let names = OF_BUDGET.iter().filter_map(|name| Some(((*name).to_owned(), doc.remove(*name)?)));
    let mut terms: Doc = names.collect();
    if let Some(id) = budget_row(control, &mut terms, present, by).await? {
        doc.insert("budget_id".to_owned(), Value::from(id));
    }
    Ok(())
}

/// Writes terms into a budget row; answers with its id, or `None` if nothing was there and nothing is said.
pub(in crate::control) async fn budget_row(
    control: &Control,
    terms: &mut Doc,
    present: Option<&str>,
    by: &str,
) -> Result<Option<String>, Refusal> {
    if terms.is_empty() || (present.is_none() && terms.values().all(Value::is_null)) {
        return Ok(present.map(str::to_owned));
    }
    set_budget(terms);
    let row = match present {
        Some(id) => control.store.get(&BUDGETS, id).await?.map(|row| (id, row)),
        None => None,
    };
    let shared = match row {
        Some((id, row)) if row.get(OWN).is_some() => {
            let changed = change(control, &BUDGETS, id, |row| {
                lay_over(row, terms);
                touch(row, by);
                Ok::<_, Refusal>(())
            });
            changed.await?;
            return Ok(Some(id.to_owned()));
        }
        Some((_, row)) => row,
        None => Doc::new(),
    };
    let (id, mut own) = (new_id(), shared);
    lay_over(&mut own, terms);
    own.insert(OWN.to_owned(), Value::Bool(true));
    stamp(&mut own, by);
    add(control, &BUDGETS, &id, own).await?;
    Ok(Some(id))
}

/// Removes the budget row that a removed row had for itself.
pub(in crate::control) async fn forget_limits(
    control: &Control,
    budget: Option<&str>,
) -> Result<(), Refusal> {
    let Some(id) = budget else { return Ok(()) };
    let own = control.store.get(&BUDGETS, id).await?.is_some_and(|row| row.get(OWN).is_some());
    if own {
        remove(control, &BUDGETS, id).await?;
    }
    Ok(())
}
