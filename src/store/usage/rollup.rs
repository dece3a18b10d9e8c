//! Sums of a batch by hour and day, so that a thousand calls of one key are one row to change.

use super::bulk::{Cell, Cells};
use super::tables::{self, TAG_DAYS};
use crate::domain::{Outcome, UsageRecord, unix_ms};
use ahash::RandomState;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What calls are told apart by: key, user, team, organization, customer, model, group, provider, route.
type Dimensions<'a> = [&'a str; 9];

/// Sums of tokens and money, in the order of the columns.
#[derive(Clone, Copy, Default)]
pub(super) struct Sums([i64; 9]);

impl Sums {
    pub(super) fn add(&mut self, record: &UsageRecord) {
        let success = tables::is_success(record);
        // What a call cost besides is no call of its own.
        let call = record.outcome != Outcome::Superseded;
        let usage = &record.usage;
        let count = |tokens: u64| i64::try_from(tokens).unwrap_or(i64::MAX).min(MOST_TOKENS);
        let more = [
            i64::from(call),
            i64::from(success),
            i64::from(call && !success),
            count(usage.prompt),
            count(usage.completion),
            count(usage.cached),
            count(usage.cache_write),
            count(usage.reasoning),
            record.cost.pico(),
        ];
        self.merge(&Self(more));
    }

    pub(super) fn merge(&mut self, more: &Self) {
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
    hours: HashMap<(i64, Dimensions<'a>), Sums, RandomState>,
    tags: HashMap<(i64, &'a str, Dimensions<'a>), Sums, RandomState>,
}

/// The rows of a batch's sums.
#[derive(Default)]
pub(super) struct Tables<'a> {
    pub(super) hours: Cells<'a>,
    pub(super) days: Cells<'a>,
    pub(super) tags: Cells<'a>,
}

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// The hour of a record, by its beginning in unix milliseconds.
pub(super) fn hour_of(record: &UsageRecord) -> i64 {
    unix_ms(record.arrived).div_euclid(HOUR) * HOUR
}

impl<'a> Rollups<'a> {
    /// Adds the sums of a group's records of an hour; `first` is one of them.
    pub(super) fn add(&mut self, first: &'a UsageRecord, hour: i64, sums: &Sums) {
        self.hours.entry((hour, dimensions(first))).or_default().merge(sums);
    }

    /// Adds a record to the sums of its labels.
    pub(super) fn add_tags(&mut self, record: &'a UsageRecord) {
        let tags = record.attribution.as_deref().map(|own| own.tags.as_slice()).unwrap_or_default();
        if tags.is_empty() {
            return;
        }
        let (dimensions, day) = (dimensions(record), unix_ms(record.arrived).div_euclid(DAY) * DAY);
        for (n, tag) in tags.iter().enumerate() {
            // One that stands twice counts once.
            if !tags[..n].contains(tag) {
                self.tags.entry((day, tag, dimensions)).or_default().add(record);
            }
        }
    }

    pub(super) fn tables(&self) -> Tables<'a> {
        let (mut hours, mut days) =
            (Vec::with_capacity(self.hours.len()), HashMap::with_hasher(RandomState::new()));
        let mut names = Names::default();
        for ((hour, dimensions), sums) in &self.hours {
            let day = hour.div_euclid(DAY) * DAY;
            let (digest, merged) = days
                .entry((day, dimensions))
                .or_insert_with(|| (Arc::from(digest(dimensions.iter().copied())), Sums::default()));
            merged.merge(sums);
            hours.push(Line::new(names.hour(*hour), digest, None, dimensions, *sums));
        }
        let days: Vec<_> = days
            .into_iter()
            .map(|((day, dimensions), (digest, sums))| {
                Line::new(names.day(day), &digest, None, dimensions, sums)
            })
            .collect();
        let tags: Vec<_> = self
            .tags
            .iter()
            .map(|((day, tag, dimensions), sums)| {
                let digest = digest(std::iter::once(*tag).chain(dimensions.iter().copied()));
                Line::new(names.day(*day), &digest, Some(tag), dimensions, *sums)
            })
            .collect();
        Tables { hours: cells(hours), days: cells(days), tags: cells(tags) }
    }
}

/// One row.
struct Line<'r, 'a> {
    id: String,
    bucket: Arc<str>,
    tag: Option<&'a str>,
    dimensions: &'r Dimensions<'a>,
    sums: Sums,
}

impl<'r, 'a> Line<'r, 'a> {
    fn new(
        bucket: Arc<str>,
        digest: &str,
        tag: Option<&'a str>,
        dimensions: &'r Dimensions<'a>,
        sums: Sums,
    ) -> Self {
        Self { id: [&bucket, ":", digest].concat(), bucket, tag, dimensions, sums }
    }
}

/// The names of moments; a batch has few, and each is costly to make.
#[derive(Default)]
struct Names {
    hours: BTreeMap<i64, Arc<str>>,
    days: BTreeMap<i64, Arc<str>>,
}

impl Names {
    fn hour(&mut self, hour: i64) -> Arc<str> {
        Arc::clone(self.hours.entry(hour).or_insert_with(|| bucket(hour, "%Y-%m-%dT%H")))
    }

    fn day(&mut self, day: i64) -> Arc<str> {
        Arc::clone(self.days.entry(day).or_insert_with(|| bucket(day, "%Y-%m-%d")))
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
fn bucket(ms: i64, format: &str) -> Arc<str> {
    let at = Timestamp::from_millisecond(ms).unwrap_or_default().to_zoned(TimeZone::UTC);
    Arc::from(at.strftime(format).to_string())
}

/// Rows sorted by id, so that two writers lock them in the same order.
fn cells<'a>(mut lines: Vec<Line<'_, 'a>>) -> Cells<'a> {
    lines.sort_unstable_by(|one, other| one.id.cmp(&other.id));
    let mut cells = Cells::with_capacity(lines.len() * TAG_DAYS.width());
    for Line { id, bucket, tag, dimensions, sums } in lines {
        cells.extend([Cell::Text(Cow::Owned(id)), Cell::Shared(bucket)]);
        cells.extend(tag.map(Cell::text));
        cells.extend(dimensions.iter().map(|text| Cell::text(text)));
        cells.extend(sums.0.map(Cell::Int));
    }
    cells
}

/// The day of a moment in unix milliseconds.
pub(super) fn day_of(ms: i64) -> Arc<str> {
    bucket(ms, "%Y-%m-%d")
}

/// What tells rows of one hour or day apart.
pub(in crate::store) fn digest<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    let mut hex = String::with_capacity(32);
    for byte in hash.finalize().iter().take(16) {
        let digit = |four: u8| char::from_digit(u32::from(four), 16).unwrap_or_default();
        hex.extend([digit(byte >> 4), digit(byte & 15)]);
    }
    hex
}
