//! How the calls of a key or a team wait for scarce quota, as their metadata says.

use super::Facts;
use crate::domain::QueueTerms;
use serde_json::Value;
use std::time::Duration;

/// Beyond this a weight is held at it.
const MOST_WEIGHT: f64 = 1000.0;

impl Facts<'_> {
    /// `metadata.queue_weight`, `metadata.max_wait` (seconds) and `metadata.queue_priority`.
    pub(super) fn queue(&self) -> QueueTerms {
        let Some(own) = self.object("metadata") else { return QueueTerms::default() };
        let number = |name: &str| own.get(name).and_then(Value::as_f64).filter(|number| *number >= 0.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
        let thousandths = |weight: f64| ((weight.min(MOST_WEIGHT) * 1000.0).round() as u32).max(1);
        QueueTerms {
            weight: number("queue_weight").filter(|weight| *weight > 0.0).map(thousandths),
            max_wait: number("max_wait").and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            priority: own.get("queue_priority").and_then(Value::as_u64).and_then(|n| u8::try_from(n).ok()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_of_another_kind_says_nothing() {
        let read = |metadata: Value| {
            let doc = json!({ "metadata": metadata });
            Facts(doc.as_object().unwrap()).queue()
        };
        let terms = read(json!({"queue_weight": 2.5, "max_wait": 30, "queue_priority": 7}));
        assert_eq!(terms.weight, Some(2500));
        assert_eq!((terms.max_wait, terms.priority), (Some(Duration::from_secs(30)), Some(7)));
        let odd = json!({"queue_weight": -1, "max_wait": "long", "queue_priority": 300});
        assert_eq!(read(odd), QueueTerms::default());
        assert_eq!(read(json!({"queue_weight": 1e300, "max_wait": 1e300})).weight, Some(1_000_000));
        assert_eq!(read(Value::Null), QueueTerms::default());
    }
}
