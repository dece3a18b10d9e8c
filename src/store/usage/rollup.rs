//! Sums of a batch by hour and day, so that a thousand calls of one key are one row to change.

use super::bulk::{Cell, Cells};
use super::tables;
use crate::domain::{UsageRecord, unix_ms};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// What calls are told apart by: key, user, team, organization, customer, model, group, provider, route.
type Dimensions<'a> = [&'a str; 9];

/// Sums of tokens and money, in the order of the columns.
#[derive(Clone, Copy, Default)]
struct Sums([i64; 9]);

impl Sums {
    fn add(&mut self, record: &UsageRecord) {
        let success = tables::is_success(record);
        let usage = &record.usage;
        let count = |tokens: u64| i64::try_from(tokens).unwrap_or(i64::MAX).min(MOST_TOKENS);
        let more = [
            1,
            i64::from(success),
            i64::from(!success),
            count(usage.prompt),
            count(usage.completion),
            count(usage.cached),
            count(usage.cache_write),
            count(usage.reasoning),
            record.cost.pico(),
        ];
        self.merge(&Self(more));
    }

    fn merge(&mut self, more: &Self) {
        for (sum, more) in self.0.iter_mut().zip(more.0) {
            *sum = sum.saturating_add(more);
        }
    }
}

/// No call has more; a nonsensical count must not overflow a sum of years.
const MOST_TOKENS: i64 = 1_000_000_000;

/// The sums of a batch; those of days are made of those of hours.
#[derive(Default)]
pub(super) struct Rollups<'a> {
    hours: HashMap<(i64, Dimensions<'a>), Sums>,
    tags: HashMap<(i64, &'a str, Dimensions<'a>), Sums>,
}

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

impl<'a> Rollups<'a> {
    pub(super) fn add(&mut self, record: &'a UsageRecord) {
        let dimensions = dimensions(record);
        let at = unix_ms(record.arrived);
        let (hour, day) = (at.div_euclid(HOUR) * HOUR, at.div_euclid(DAY) * DAY);
        self.hours.entry((hour, dimensions)).or_default().add(record);
        let tags = record.attribution.as_deref().map(|own| own.tags.as_slice()).unwrap_or_default();
        for (n, tag) in tags.iter().enumerate() {
            // One that stands twice counts once.
            if !tags[..n].contains(tag) {
                self.tags.entry((day, tag, dimensions)).or_default().add(record);
            }
        }
    }

    pub(super) fn hours(&self) -> Cells<'a> {
        let rows = self
            .hours
            .iter()
            .map(|((hour, dimensions), sums)| (bucket(*hour, "%Y-%m-%dT%H"), None, dimensions, sums));
        cells(rows)
    }

    pub(super) fn days(&self) -> Cells<'a> {
        let mut days: HashMap<(i64, &Dimensions<'a>), Sums> = HashMap::new();
        for ((hour, dimensions), sums) in &self.hours {
            days.entry((hour.div_euclid(DAY) * DAY, dimensions)).or_default().merge(sums);
        }
        cells(
            days.iter().map(|((day, dimensions), sums)| (bucket(*day, "%Y-%m-%d"), None, *dimensions, sums)),
        )
    }

    pub(super) fn tags(&self) -> Cells<'a> {
        cells(
            self.tags.iter().map(|((day, tag, dimensions), sums)| {
                (bucket(*day, "%Y-%m-%d"), Some(*tag), dimensions, sums)
            }),
        )
    }
}

fn dimensions(record: &UsageRecord) -> Dimensions<'_> {
    fn text(text: &Option<Arc<str>>) -> &str {
        text.as_deref().unwrap_or_default()
    }
    let own = record.attribution.as_deref();
    [
        text(&record.key_hash),
        own.map_or("", |own| text(&own.user_id)),
        own.map_or("", |own| text(&own.team_id)),
        own.map_or("", |own| text(&own.organization_id)),
        own.map_or("", |own| text(&own.customer)),
        text(&record.upstream_model),
        text(&record.group),
        text(&record.provider),
        tables::path(record),
    ]
}

/// A moment's name. What is beyond the calendar is the first day.
fn bucket(ms: i64, format: &str) -> String {
    let at = Timestamp::from_millisecond(ms).unwrap_or_default().to_zoned(TimeZone::UTC);
    at.strftime(format).to_string()
}

/// Rows sorted by id, so that two writers lock them in the same order.
fn cells<'r, 'a: 'r>(
    rows: impl Iterator<Item = (String, Option<&'a str>, &'r Dimensions<'a>, &'r Sums)>,
) -> Cells<'a> {
    let mut rows: Vec<_> = rows
        .map(|(bucket, tag, dimensions, sums)| (id(&bucket, tag, dimensions), bucket, tag, dimensions, sums))
        .collect();
    rows.sort_by(|one, other| one.0.cmp(&other.0));
    let mut cells = Cells::new();
    for (id, bucket, tag, dimensions, sums) in rows {
        cells.extend([Cell::Text(Cow::Owned(id)), Cell::Text(Cow::Owned(bucket))]);
        cells.extend(tag.map(Cell::text));
        cells.extend(dimensions.iter().map(|text| Cell::text(text)));
        cells.extend(sums.0.map(Cell::Int));
    }
    cells
}

fn id(bucket: &str, tag: Option<&str>, dimensions: &Dimensions<'_>) -> String {
    let mut hash = Sha256::new();
    for text in tag.iter().chain(dimensions) {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    let mut id = format!("{bucket}:");
    for byte in hash.finalize().iter().take(16) {
        // Writing to a String cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    id
}
