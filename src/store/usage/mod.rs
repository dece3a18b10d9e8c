//! The books: a row for each call, sums by hour and day, and counters.
//!
//! Rows are appended in batches and never changed; whoever wants sums reads the roll-ups, which are small. No
//! question reads a whole table: each goes by an index, or by the time that a row's id begins with, and has a
//! bound on what it reads.

mod book;
mod bulk;
mod charges;
mod retention;
mod rollup;
mod tables;
#[cfg(test)]
pub(super) mod tests;

pub use book::{Booked, Booking, CounterTotal, Progress};

/// Statements that are known at build time.
#[cfg(test)]
pub(super) fn statements(is_file: bool) -> Vec<String> {
    let bulk = tables::ALL.iter().flat_map(|bulk| {
        let lists = (0..3).map(|step| bulk.list(step).to_owned());
        if is_file { lists.collect::<Vec<_>>() } else { vec![bulk.arrays().to_owned()] }
    });
    let fixed = [book::KNOWN[usize::from(is_file)], book::PROGRESS_OF, book::FORGET, book::TOUCH];
    let fixed = fixed.into_iter().chain(retention::statements(is_file)).map(str::to_owned);
    bulk.chain(fixed).collect()
}
