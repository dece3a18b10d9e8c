//! A batch made ready: rows, sums and counters, before the database is asked.

use super::alike::{Bases, Groups, Numbers};
use super::book::{Booked, Booking, CounterTotal, Progress, signed};
use super::bulk::{Bulk, Cell, Cells, Returned};
use super::counted::{self, Charged};
use super::limited::{LIMITED_DAYS, Limited};
use super::rollup::{Rollups, Sums, Tables, hour_of};
use super::tables::{self, ATTEMPTS, CALLS, DAYS, HOURS, PROGRESS, TAG_DAYS, USAGE};
use crate::domain::{CounterId, Money, Scope, UsageRecord};
use ahash::RandomState;
use rusqlite::Connection;
use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

/// One batch made ready.
pub(super) struct Prepared<'a> {
    pub(super) booking: &'a Booking<'a>,
    /// New records, in the order of their ids.
    pub(super) records: &'a [(&'a UsageRecord, &'a str)],
    groups: Groups<'a>,
    /// The group of each record.
    group_of: Vec<usize>,
    attempts: Cells<'a>,
    rollups: Tables<'a>,
    limited: Cells<'a>,
    counters: HashMap<&'a CounterId, Charged, RandomState>,
    /// The moment by which periods are over, in unix milliseconds.
    pub(super) now: i64,
    progress: Cells<'a>,
    pub(super) gone: Vec<i64>,
}

/// Addresses as text. To write one out takes as long as to book a tenth of a call.
#[derive(Default)]
struct Ips(HashMap<IpAddr, Arc<str>, RandomState>);

impl Ips {
    fn text(&mut self, record: &UsageRecord) -> Option<Arc<str>> {
        let ip = record.attribution.as_deref()?.ip?;
        Some(Arc::clone(self.0.entry(ip).or_insert_with(|| Arc::from(ip.to_string()))))
    }
}

/// The numbers of a batch's groups.
pub(super) struct Alikes<'a> {
    pub(super) numbers: Numbers,
    of_groups: Vec<Option<i64>>,
    bases: Bases<'a>,
    ips: Ips,
}

impl<'a> Alikes<'a> {
    pub(super) fn new(numbers: Numbers, prepared: &Prepared<'a>) -> Self {
        let of_groups = vec![None; prepared.groups.firsts.len()];
        Self { numbers, of_groups, bases: Bases::new(prepared.booking), ips: Ips::default() }
    }

    fn number(&mut self, group: usize, record: &'a UsageRecord, file: &Connection) -> rusqlite::Result<i64> {
        let known = self.of_groups.get_mut(group);
        if let Some(Some(number)) = known {
            return Ok(*number);
        }
        let number = self.numbers.of(record, self.bases.of(record), file)?;
        known.map(|known| known.insert(number));
        Ok(number)
    }
}

/// The sums of a group, by hour, and what its counters are charged.
#[derive(Default)]
struct Summed {
    hours: Vec<(i64, Sums)>,
    /// The cost; nothing if no record of the group cost anything.
    charged: Option<i64>,
}

impl Summed {
    fn add(&mut self, record: &UsageRecord) {
        let hour = hour_of(record);
        match self.hours.iter_mut().rev().find(|(known, _)| *known == hour) {
            Some((_, sums)) => sums.add(record),
            None => {
                let mut sums = Sums::default();
                sums.add(record);
                self.hours.push((hour, sums));
            }
        }
        if !record.cost.is_zero() {
            let charged = self.charged.unwrap_or_default();
            self.charged = Some(charged.saturating_add(record.cost.pico()));
        }
    }
}

impl<'a> Prepared<'a> {
    pub(super) fn of(records: &'a [(&'a UsageRecord, &'a str)], booking: &'a Booking<'a>) -> Self {
        let (mut rollups, mut limited) = (Rollups::default(), Limited::default());
        let mut prepared = Self {
            booking,
            records,
            groups: Groups::default(),
            group_of: Vec::with_capacity(records.len()),
            attempts: Cells::new(),
            rollups: Tables::default(),
            limited: Cells::new(),
            counters: HashMap::default(),
            now: counted::moment(records),
            progress: Cells::new(),
            gone: booking.gone.iter().copied().map(signed).collect(),
        };
        let mut progress = booking.progress.to_vec();
        progress.sort_by_key(|progress| progress.segment);
        for Progress { segment, booked } in progress {
            prepared.progress.extend([Cell::Int(signed(segment)), Cell::count(booked)]);
        }
        let mut summed: Vec<Summed> = Vec::new();
        for (record, id) in records {
            if booking.rows {
                tables::attempts(record, id, &mut prepared.attempts);
            }
            rollups.add_tags(record);
            limited.add(record);
            let group = prepared.groups.of(record);
            prepared.group_of.push(group);
            if summed.len() <= group {
                summed.resize_with(group + 1, Summed::default);
            }
            summed[group].add(record);
        }
        for (Summed { hours, charged }, first) in summed.into_iter().zip(prepared.groups.firsts.clone()) {
            hours.iter().for_each(|(hour, sums)| rollups.add(first, *hour, sums));
            if let Some(charged) = charged {
                prepared.charge(first, charged);
            }
        }
        prepared.rollups = rollups.tables();
        prepared.limited = limited.cells(booking.deployed);
        prepared
    }

    /// Rows for a server.
    pub(super) fn rows(&self) -> Cells<'a> {
        let mut cells = Cells::with_capacity(self.records.len() * USAGE.width());
        let (mut ips, mut bases) = (Ips::default(), Bases::new(self.booking));
        for (record, id) in self.records {
            tables::own(record, id, ips.text(record), &mut cells);
            tables::shared(record, bases.of(record), &mut cells);
        }
        cells
    }

    /// Rows for a file: those of some of the records.
    pub(super) fn calls(
        &self,
        some: Range<usize>,
        alikes: &mut Alikes<'a>,
        file: &Connection,
    ) -> rusqlite::Result<Cells<'a>> {
        let mut cells = Cells::with_capacity(some.len() * CALLS.width());
        let records = self.records.get(some.clone()).unwrap_or_default();
        for ((record, id), group) in records.iter().zip(self.group_of.get(some).unwrap_or_default()) {
            tables::own(record, id, alikes.ips.text(record), &mut cells);
            cells.push(Cell::Int(alikes.number(*group, record, file)?));
        }
        Ok(cells)
    }

    /// What is written besides the rows of calls and the counters, in the order in which all writers do.
    pub(super) fn tables(&self) -> [(&'static Bulk, &Cells<'a>); 6] {
        let Tables { hours, days, tags } = &self.rollups;
        [
            (&ATTEMPTS, &self.attempts),
            (&HOURS, hours),
            (&DAYS, days),
            (&TAG_DAYS, tags),
            (&LIMITED_DAYS, &self.limited),
            (&PROGRESS, &self.progress),
        ]
    }

    /// Adds what records cost to their counters; `first` is one of them.
    fn charge(&mut self, first: &'a UsageRecord, cost: i64) {
        let Some(own) = first.attribution.as_deref() else { return };
        for charge in &own.charges {
            let charged = self.counters.entry(&charge.counter);
            let charged = charged.or_insert_with(|| Charged::new(charge.period_end));
            charged.add(charge.period_end, cost, self.now);
        }
    }

    pub(super) fn counter_cells(&self) -> Cells<'a> {
        let mut cells = Cells::new();
        // Sorted, so that two writers lock them in the same order.
        let mut counters: Vec<_> = self.counters.iter().collect();
        counters.sort_unstable_by_key(|(counter, _)| **counter);
        for (counter, Charged { spent, booked }) in counters {
            cells.extend([
                Cell::text(counter.scope.as_str()),
                Cell::text(&counter.id),
                Cell::text(&counter.slot),
            ]);
            cells.extend([Cell::Int(spent.period), Cell::Int(spent.sum)]);
            let sum = if self.booking.rows { booked.sum } else { 0 };
            cells.extend([Cell::Int(booked.period), Cell::Int(sum)]);
        }
        cells
    }

    pub(super) fn totals(&self, rows: Vec<Returned>) -> Booked {
        let total = |(scope, id, slot, period_end, spent): Returned| {
            let counter =
                CounterId { scope: Scope::from_name(&scope)?, id: Arc::from(id), slot: Arc::from(slot) };
            let Charged { spent: own, .. } = self.counters.get(&counter)?;
            let amount = Money::from_pico(if own.period == period_end { own.sum } else { 0 });
            Some(CounterTotal { counter, total: Money::from_pico(spent), period_end, amount })
        };
        Booked { records: self.records.len(), counters: rows.into_iter().filter_map(total).collect() }
    }
}
