//! Reads values of a document.

use crate::domain::{BudgetTerms, Money, Period, RateTerms};
use crate::store::Doc;
use jiff::Timestamp;
use serde_json::Value;
use std::sync::Arc;

/// Reads one value of a document; a wrong type is as if it were absent.
pub struct Facts<'a>(pub &'a Doc);

impl Facts<'_> {
    /// A text that is not empty.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<Arc<str>> {
        self.0.get(name)?.as_str().filter(|text| !text.is_empty()).map(Arc::from)
    }

    /// A list of texts.
    #[must_use]
    pub fn texts(&self, name: &str) -> Vec<Arc<str>> {
        let list = self.0.get(name).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).map(Arc::from).collect()
    }

    /// A truth; false if absent.
    #[must_use]
    pub fn truth(&self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or_default()
    }

    /// A whole number, also one written as a float.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    pub fn count(&self, name: &str) -> Option<u64> {
        let value = self.0.get(name)?;
        value.as_u64().or_else(|| value.as_f64().filter(|n| (0.0..1e15).contains(n)).map(|n| n as u64))
    }

    /// Dollars.
    #[must_use]
    pub fn money(&self, name: &str) -> Option<Money> {
        self.0.get(name)?.as_f64().and_then(Money::from_dollars)
    }

    /// A time in ISO form, in unix milliseconds.
    #[must_use]
    pub fn time(&self, name: &str) -> Option<i64> {
        self.0.get(name)?.as_str()?.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
    }

    /// An object.
    #[must_use]
    pub fn object(&self, name: &str) -> Option<&Doc> {
        self.0.get(name)?.as_object()
    }

    /// Limits on speed.
    #[must_use]
    pub fn rates(&self) -> RateTerms {
        RateTerms {
            rpm: self.count("rpm_limit"),
            tpm: self.count("tpm_limit"),
            parallel: self.count("max_parallel_requests"),
        }
    }

    /// The budget. `anchored` is for those whose periods run from their first day, not by the calendar.
    #[must_use]
    pub fn budget(&self, anchored: bool) -> BudgetTerms {
        let metadata = self.object("metadata").map(Facts);
        let increase = metadata
            .as_ref()
            .and_then(|own| Some((own.money("temp_budget_increase")?, own.time("temp_budget_expiry")?)));
        BudgetTerms {
            max: self.money("max_budget"),
            soft: self.money("soft_budget"),
            period: self.period("budget_duration"),
            anchor: if anchored { self.time("budget_reset_at") } else { None },
            increase,
        }
    }

    pub(super) fn period(&self, name: &str) -> Option<Period> {
        self.0.get(name)?.as_str()?.parse().ok()
    }

    /// Limits on speed for single models, kept as `model_rpm_limit` and its like here or in the metadata.
    #[must_use]
    pub fn model_rates(&self) -> Vec<(Arc<str>, RateTerms)> {
        let mut found: Vec<(Arc<str>, RateTerms)> = Vec::new();
        let places = [Some(self.0), self.object("metadata")];
        for place in places.into_iter().flatten() {
            for (name, set) in [
                ("model_rpm_limit", (|rates, n| rates.rpm = Some(n)) as fn(&mut RateTerms, u64)),
                ("model_tpm_limit", |rates, n| rates.tpm = Some(n)),
            ] {
                for (model, limit) in place.get(name).and_then(Value::as_object).into_iter().flatten() {
                    let Some(limit) = limit.as_u64() else { continue };
                    let at = found.iter().position(|(known, _)| **known == **model).unwrap_or_else(|| {
                        found.push((Arc::from(model.as_str()), RateTerms::default()));
                        found.len() - 1
                    });
                    set(&mut found[at].1, limit);
                }
            }
        }
        found
    }
}
