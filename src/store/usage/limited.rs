//! How often deployments answered that they are asked too much, by day.

use super::book::Deployed;
use super::bulk::{Bulk, Cell, Cells, Kind};
use super::rollup::{day_of, digest};
use crate::domain::{TargetId, UsageRecord, unix_ms};
use crate::store::db::{Store, StoreError, on};
use sqlx::Row;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The status that is counted.
const TOO_MANY: u16 = 429;

pub(super) static LIMITED_DAYS: Bulk = Bulk::new(
    "tollgate_limited_day",
    &[
        ("id", Kind::Text),
        ("day", Kind::Text),
        ("model_group", Kind::Text),
        ("model_id", Kind::Text),
        ("api_base", Kind::Text),
        ("attempts", Kind::Int),
    ],
    "ON CONFLICT (id) DO UPDATE SET attempts = tollgate_limited_day.attempts + excluded.attempts",
);

pub(super) const LIMITED: &str = "SELECT day, model_id, api_base, attempts FROM tollgate_limited_day \
    WHERE model_group = $1 AND day >= $2 AND day <= $3 ORDER BY day, model_id LIMIT 50000";

/// A deployment's day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitedDay {
    /// The day, `2026-11-21`.
    pub day: String,
    /// The deployment.
    pub model_id: String,
    /// Its base URL; empty if it was gone when the calls were booked.
    pub api_base: String,
    /// Attempts that were answered with 429.
    pub attempts: i64,
}

/// A deployment on a day.
type OnDay<'a> = (Arc<str>, &'a TargetId);

/// What a batch has of it. Nearly all have nothing.
#[derive(Default)]
pub(super) struct Limited<'a> {
    /// How often, and the group that was called at last.
    attempts: BTreeMap<OnDay<'a>, (i64, Option<&'a Arc<str>>)>,
}

impl<'a> Limited<'a> {
    pub(super) fn add(&mut self, record: &'a UsageRecord) {
        for attempt in record.attempts.iter().filter(|attempt| attempt.status == TOO_MANY) {
            let day = day_of(unix_ms(record.arrived));
            let (sum, _) = self.attempts.entry((day, &attempt.target)).or_insert((0, record.group.as_ref()));
            *sum += 1;
        }
    }

    /// The rows, sorted by id. A deployment that is gone counts for the group that was called at last.
    pub(super) fn cells(&self, deployed: &dyn Fn(&TargetId) -> Option<Deployed>) -> Cells<'a> {
        let mut rows: Vec<(String, [Cell<'a>; 5])> = Vec::with_capacity(self.attempts.len());
        for ((day, target), (sum, called)) in &self.attempts {
            let found = deployed(target);
            let group = found.as_ref().map(|found| &found.group).or(*called).cloned().unwrap_or_default();
            let base = found.map(|found| found.api_base).unwrap_or_default();
            let id = format!("{day}:{}", digest([&*group, target.as_str(), &*base]));
            let cells = [
                Cell::Shared(Arc::clone(day)),
                Cell::Shared(group),
                Cell::text(target.as_str()),
                Cell::Shared(base),
                Cell::Int(*sum),
            ];
            rows.push((id, cells));
        }
        rows.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        rows.into_iter()
            .flat_map(|(id, cells)| std::iter::once(Cell::Text(Cow::Owned(id))).chain(cells))
            .collect()
    }
}

impl Store {
    /// How often the deployments of a group answered with 429, from one day to another (`2026-11-21`), both included.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn limited_days(
        &self,
        group: &str,
        from: &str,
        to: &str,
    ) -> Result<Vec<LimitedDay>, StoreError> {
        on!(&self.db, pool => {
            let rows = sqlx::query(LIMITED).bind(group).bind(from).bind(to).fetch_all(pool).await?;
            let read = |row: &_| {
                Ok(LimitedDay {
                    day: Row::try_get(row, 0)?,
                    model_id: Row::try_get(row, 1)?,
                    api_base: Row::try_get(row, 2)?,
                    attempts: Row::try_get(row, 3)?,
                })
            };
            rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(StoreError::from)
        })
    }
}
