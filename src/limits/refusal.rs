//! Why a request was not let through, and LiteLLM's words for it.

use super::{Descriptor, Gate, Overspent, Purse, RateKind, TooFast, TooMuch};
use crate::domain::{ApiError, CounterId, ErrorKind, Money, Scope};
use jiff::Timestamp;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Why a request was not let through. Its `Display` is the message that LiteLLM's clients know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It came too fast.
    Rate {
        /// Whose limit it is.
        descriptor: Descriptor,
        /// Which one of these.
        id: Arc<str>,
        /// What there was too much of.
        kind: RateKind,
        /// The limit.
        limit: u64,
        /// What is left of it.
        remaining: u64,
        /// Milliseconds until the window ends.
        resets_in_ms: i64,
        /// When the window ends, in unix milliseconds.
        resets_at_ms: i64,
    },
    /// There is no money left for it.
    Budget {
        /// The counter whose budget it is.
        counter: CounterId,
        /// What it belongs to, as it is shown.
        id: Arc<str>,
        /// What was spent in the period.
        spent: Money,
        /// What is promised to calls under way.
        reserved: Money,
        /// The budget.
        max: Money,
    },
    /// What other processes have taken is to be asked first.
    Unknown,
    /// What other processes have taken cannot be asked, and nobody with limits is let through until it can.
    Closed,
}

impl Refusal {
    pub(super) fn rate(gate: &Gate, why: TooMuch<TooFast>, now: i64) -> Self {
        match why {
            TooMuch::Reached(why) => Self::Rate {
                descriptor: gate.descriptor(),
                id: Arc::clone(gate.id()),
                kind: why.kind,
                limit: why.limit,
                remaining: why.remaining,
                resets_in_ms: why.resets_at.saturating_sub(now).max(0),
                resets_at_ms: why.resets_at,
            },
            TooMuch::Unknown => Self::Unknown,
            TooMuch::Closed => Self::Closed,
        }
    }

    pub(super) fn money(gate: &Gate, purse: &Purse, why: TooMuch<Overspent>) -> Self {
        match why {
            TooMuch::Reached(why) => Self::Budget {
                counter: purse.account().counter().clone(),
                id: Arc::clone(gate.id()),
                spent: why.spent,
                reserved: why.reserved,
                max: why.max,
            },
            TooMuch::Unknown => Self::Unknown,
            TooMuch::Closed => Self::Closed,
        }
    }

    /// What the client is told.
    #[must_use]
    pub fn to_error(&self) -> ApiError {
        let words = self.to_string();
        match self {
            Self::Rate { resets_in_ms, .. } => {
                let wait = Duration::from_millis(u64::try_from(*resets_in_ms).unwrap_or_default());
                ApiError::new(ErrorKind::RateLimited, words).with_retry_after(Some(wait))
            }
            Self::Budget { .. } => ApiError::new(ErrorKind::BudgetExceeded, words),
            Self::Unknown | Self::Closed => ApiError::new(ErrorKind::SharedAway, words),
        }
    }

    /// Whether the money is not spent but promised to calls under way: a later try may pass.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Rate { .. } | Self::Unknown | Self::Closed => true,
            Self::Budget { spent, max, .. } => spent < max,
        }
    }

    /// Whole seconds until the window ends, rounded up; `None` for a budget.
    #[must_use]
    pub const fn retry_after_secs(&self) -> Option<i64> {
        match self {
            Self::Rate { resets_in_ms, .. } => Some(seconds(*resets_in_ms)),
            Self::Budget { .. } | Self::Unknown | Self::Closed => None,
        }
    }

    /// When the window ends, as in the header `reset_at` (`2026-11-21 01:52:45 UTC`), rounded up to the second;
    /// `None` for a budget.
    #[must_use]
    pub fn reset_at(&self) -> Option<String> {
        match self {
            Self::Rate { resets_at_ms, .. } => Some(Moment(*resets_at_ms).to_string()),
            Self::Budget { .. } | Self::Unknown | Self::Closed => None,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate { descriptor, id, kind, limit, remaining, resets_at_ms, .. } => write!(
                f,
                "Rate limit exceeded for {descriptor}: {id}. Limit type: {kind}. Current limit: {limit}, \
                 Remaining: {remaining}. Limit resets at: {}",
                Moment(*resets_at_ms)
            ),
            Self::Budget { counter, id, spent, reserved, max } => {
                let spent = if spent < max { spent.saturating_add(*reserved) } else { *spent };
                over_budget(f, counter, id, spent, *max)
            }
            Self::Unknown | Self::Closed => f.write_str(
                "What is left of your limits is not known: the counters that all gateways share cannot be reached.",
            ),
        }
    }
}

fn over_budget(
    f: &mut fmt::Formatter<'_>,
    counter: &CounterId,
    id: &str,
    spent: Money,
    max: Money,
) -> fmt::Result {
    let exceeded = "Budget has been exceeded!";
    let cost = format_args!("Current cost: {spent}, Max budget: {max}");
    if let Some(model) = counter.slot.strip_prefix("model:") {
        return write!(f, "LiteLLM Virtual Key: {id}, exceeded budget for model={model}");
    }
    match counter.scope {
        Scope::Key if !counter.slot.is_empty() => {
            write!(f, "ExceededBudget: Key over {} budget. Spend={spent}, Budget={max}", counter.slot)
        }
        Scope::User => write!(f, "ExceededBudget: User={id} over budget. Spend={spent}, Budget={max}"),
        Scope::Customer => {
            write!(f, "ExceededBudget: End User={id} over budget. Spend={spent}, Budget={max}")
        }
        Scope::Team => write!(f, "{exceeded} Team={id} {cost}"),
        Scope::Organization => write!(f, "{exceeded} Organization={id} {cost}"),
        Scope::Member => {
            let (user, team) = counter.id.split_once('\n').unwrap_or((id, ""));
            write!(f, "{exceeded} User={user} in Team={team} {cost}")
        }
        Scope::Key | Scope::Provider | Scope::Global => write!(f, "{exceeded} {cost}"),
    }
}

const fn seconds(milliseconds: i64) -> i64 {
    milliseconds.div_euclid(1000) + (milliseconds.rem_euclid(1000) > 0) as i64
}

/// Unix milliseconds, shown as LiteLLM shows a moment.
struct Moment(i64);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_second(seconds(self.0)) {
            Ok(moment) => write!(f, "{}", moment.strftime("%Y-%m-%d %H:%M:%S UTC")),
            Err(_) => f.write_str("never"),
        }
    }
}
