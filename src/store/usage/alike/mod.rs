//! What most calls of a key share, which a file has once a day: a call's row names it by its number.
//!
//! A row is a third as long so, and it is bytes that a row costs: each is copied, summed and written several times.
//! Numbers are remembered, by what stands behind them, as long as the process lives; one that begins writes it all
//! once more, which is a row for some thousands of calls.

#[cfg(test)]
mod tests;

use super::book::Booking;
use super::bulk::{Bulk, Cell, Cells, Kind, sqlite};
use super::tables::{self, SHARED};
use crate::domain::{Outcome, TargetId, UsageRecord};
use ahash::RandomState;
use rusqlite::Connection;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// Numbers that are remembered at most; with more, all are forgotten and written anew.
const MOST: usize = 65_536;
/// Days are told by the id's time.
const DAY: u128 = 24 * 3_600_000;

pub(super) static ALIKE: Bulk = Bulk::new("tollgate_alike", &[("day", Kind::Int)], "").and(SHARED);

/// Follows a table of calls named `u`; rows of old name nothing.
pub(super) const JOIN: &str = " LEFT JOIN tollgate_alike a ON a.n = u.alike";

/// A column of the calls `u`, with [`JOIN`] in a file.
pub(super) fn column(name: &str, is_file: bool) -> String {
    if is_shared(name) && is_file { format!("COALESCE(a.{name}, u.{name})") } else { format!("u.{name}") }
}

pub(super) fn is_shared(name: &str) -> bool {
    SHARED.iter().any(|(shared, _)| *shared == name)
}

/// The numbers by what stands behind them.
#[derive(Debug, Default)]
pub(in crate::store) struct Numbers(HashMap<[u8; 16], i64, RandomState>);

/// The records of a batch in groups that are alike, told by where their texts are: one text is in one place throughout a
/// batch, nearly always.
#[derive(Default)]
pub(super) struct Groups<'a> {
    by_place: HashMap<Box<[usize]>, usize, RandomState>,
    /// The first record of each.
    pub(super) firsts: Vec<&'a UsageRecord>,
    place: Vec<usize>,
}

impl<'a> Groups<'a> {
    /// The group of a record, which may be a new one.
    pub(super) fn of(&mut self, record: &'a UsageRecord) -> usize {
        self.place.clear();
        put_place(record, &mut self.place);
        if let Some(group) = self.by_place.get(self.place.as_slice()) {
            return *group;
        }
        let group = self.firsts.len();
        self.firsts.push(record);
        self.by_place.insert(self.place.as_slice().into(), group);
        group
    }
}

/// The base URLs of a batch's deployments.
pub(super) struct Bases<'a> {
    known: HashMap<&'a TargetId, Option<Arc<str>>, RandomState>,
    booking: &'a Booking<'a>,
}

impl<'a> Bases<'a> {
    pub(super) fn new(booking: &'a Booking<'a>) -> Self {
        Self { known: HashMap::default(), booking }
    }

    /// That of the record's deployment.
    pub(super) fn of(&mut self, record: &'a UsageRecord) -> Option<Arc<str>> {
        let target = record.target.as_ref()?;
        let deployed = || Some((self.booking.deployed)(target)?.api_base);
        self.known.entry(target).or_insert_with(deployed).clone()
    }
}

impl Numbers {
    /// The number of what a record has in common with others; it is written if it is new.
    pub(super) fn of(
        &mut self,
        record: &UsageRecord,
        api_base: Option<Arc<str>>,
        file: &Connection,
    ) -> rusqlite::Result<i64> {
        let mut cells = vec![Cell::Int(day(record))];
        tables::shared(record, api_base, &mut cells);
        let digest = digest(&cells);
        if let Some(number) = self.0.get(&digest) {
            return Ok(*number);
        }
        if self.0.len() >= MOST {
            self.0.clear();
        }
        sqlite::execute(&ALIKE, &cells, file)?;
        let number = file.last_insert_rowid();
        self.0.insert(digest, number);
        Ok(number)
    }
}

/// The day of a record's id.
fn day(record: &UsageRecord) -> i64 {
    i64::try_from((record.id.bits() >> 80) / DAY).unwrap_or(i64::MAX)
}

/// What tells records apart that are not alike: the day, whatever [`tables::shared`] looks at, and the customer.
fn put_place(record: &UsageRecord, to: &mut Vec<usize>) {
    let text = |text: &str| text.as_ptr().addr();
    // Of texts in the program one may begin where another does.
    let word = |word: &str| word.as_ptr().addr() ^ word.len().rotate_right(8);
    let option = |option: &Option<Arc<str>>| option.as_deref().map_or(0, text);
    let own = record.attribution.as_deref();
    let of =
        |field: fn(&crate::domain::Attribution) -> &Option<Arc<str>>| own.map_or(0, |own| option(field(own)));
    let (outcome, class) = record.outcome.words();
    let class = class.unwrap_or_default();
    let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    to.extend([
        usize::try_from(day(record)).unwrap_or_default(),
        word(record.endpoint.call_type()),
        text(&record.route),
        option(&record.key_hash),
        of(|own| &own.key_alias),
        of(|own| &own.user_id),
        of(|own| &own.team_id),
        of(|own| &own.team_alias),
        of(|own| &own.organization_id),
        of(|own| &own.customer),
        text(&record.requested_model),
        option(&record.group),
        option(&record.upstream_model),
        record.target.as_ref().map_or(0, |target| text(target.as_str())),
        option(&record.provider),
    ]);
    to.extend([
        usize::from(record.outcome == Outcome::Completed),
        word(outcome),
        word(class),
        usize::from(record.status),
        usize::from(record.stream),
        record.attempts.len(),
        word(record.usage_source.as_str()),
        usize::from(record.price_version.is_some()),
        number(record.price_version.unwrap_or_default()),
        usize::from(record.priced),
    ]);
    for charge in own.map(|own| own.charges.as_slice()).unwrap_or_default() {
        let counter = &charge.counter;
        to.extend([word(counter.scope.as_str()), text(&counter.id), text(&counter.slot)]);
        to.push(number(charge.period_end.cast_unsigned()));
    }
}

fn digest(cells: &Cells<'_>) -> [u8; 16] {
    let mut hash = Sha256::new();
    for cell in cells {
        let (kind, text, number): (u8, Cow<'_, str>, i64) = match cell {
            Cell::Null => (0, Cow::Borrowed(""), 0),
            Cell::Int(number) => (1, Cow::Borrowed(""), *number),
            Cell::Text(text) => (2, Cow::Borrowed(text), 0),
            Cell::Shared(text) => (2, Cow::Borrowed(text), 0),
        };
        hash.update([kind]);
        hash.update(number.to_le_bytes());
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    }
    hash.finalize().first_chunk().copied().unwrap_or_default()
}
