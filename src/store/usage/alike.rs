//! What most calls of a key share, which a file has once a day: a call's row names it by its number.
//!
//! A row is a third as long so, and it is bytes that a row costs: each is copied, summed and written several times.
//! Numbers are remembered, by what stands behind them, as long as the process lives; one that begins writes it all
//! once more, which is a row for some thousands of calls.

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

/// The numbers of a batch, by where its texts are: one text is in one place throughout a batch, nearly always.
pub(super) struct Alikes<'a> {
    numbers: Numbers,
    places: HashMap<Box<[usize]>, i64, RandomState>,
    place: Vec<usize>,
    bases: HashMap<&'a TargetId, Option<Arc<str>>, RandomState>,
    booking: &'a Booking<'a>,
}

impl<'a> Alikes<'a> {
    pub(super) fn new(numbers: Numbers, booking: &'a Booking<'a>) -> Self {
        Self { numbers, places: HashMap::default(), place: Vec::new(), bases: HashMap::default(), booking }
    }

    /// What holds once the batch is committed.
    pub(super) fn numbers(self) -> Numbers {
        self.numbers
    }

    /// The base URL of the record's deployment.
    pub(super) fn base(&mut self, record: &'a UsageRecord) -> Option<Arc<str>> {
        let target = record.target.as_ref()?;
        let deployed = || Some((self.booking.deployed)(target)?.api_base);
        self.bases.entry(target).or_insert_with(deployed).clone()
    }

    /// The number of what the record has in common with others; it is written if it is new.
    pub(super) fn number(&mut self, record: &'a UsageRecord, file: &Connection) -> rusqlite::Result<i64> {
        self.place.clear();
        let day = record.id.bits() >> 80;
        let day = i64::try_from(day / DAY).unwrap_or(i64::MAX);
        put_place(record, day, &mut self.place);
        if let Some(number) = self.places.get(self.place.as_slice()) {
            return Ok(*number);
        }
        let base = self.base(record);
        let mut cells = vec![Cell::Int(day)];
        tables::shared(record, base, &mut cells);
        let number = self.find(&cells, file)?;
        self.places.insert(self.place.as_slice().into(), number);
        Ok(number)
    }

    fn find(&mut self, cells: &Cells<'_>, file: &Connection) -> rusqlite::Result<i64> {
        let digest = digest(cells);
        let known = &mut self.numbers.0;
        if let Some(number) = known.get(&digest) {
            return Ok(*number);
        }
        if known.len() >= MOST {
            known.clear();
        }
        sqlite::execute(&ALIKE, cells, file)?;
        let number = file.last_insert_rowid();
        known.insert(digest, number);
        Ok(number)
    }
}

/// What tells records apart that are not alike: whatever [`tables::shared`] looks at, and the day.
fn put_place(record: &UsageRecord, day: i64, to: &mut Vec<usize>) {
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
        usize::try_from(day).unwrap_or_default(),
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
