//! The books: a row for each call, sums by hour and day, and counters.
//!
//! Rows are appended in batches and never changed; whoever wants sums reads the roll-ups, which are small. No
//! question reads a whole table: each goes by an index, by what [`find`] keeps instead of one, or by the time that a row's
//! id begins with, and has a bound on what it reads.

mod alike;
mod book;
mod bulk;
mod calls;
mod charges;
mod counted;
mod find;
mod limited;
mod names;
mod prepared;
mod retention;
mod rollup;
mod searches;
mod sums;
mod tables;
#[cfg(test)]
pub(super) mod tests;
mod verify;

pub(super) use alike::Numbers;
pub use book::{Booked, Booking, CounterTotal, Deployed, Progress};
pub use calls::{CallColumn, CallOrder, CallQuery, CallRow, MOST_CALLS};
pub use limited::LimitedDay;
pub use names::KeyName;
pub(super) use rollup::digest;
pub use sums::{Dimension, Source, SumOrder, SumQuery, Sums};
pub use verify::Verified;

/// Statements that are known at build time.
#[cfg(test)]
pub(super) fn statements(is_file: bool) -> Vec<String> {
    let all = tables::ALL.into_iter().chain([&limited::LIMITED_DAYS]);
    let bulk = all.flat_map(|bulk| {
        let lists = (0..bulk::STEPS.len()).map(|step| bulk.list(step).to_owned());
        if is_file { lists.collect::<Vec<_>>() } else { vec![bulk.arrays().to_owned()] }
    });
    let fixed =
        [book::KNOWN[usize::from(is_file)], book::PROGRESS_OF, book::FORGET, book::TOUCH, limited::LIMITED];
    let fixed = fixed.into_iter().chain(retention::statements(is_file)).chain(names::statements(is_file));
    let fixed = fixed.chain(verify::statements(is_file)).map(str::to_owned);
    let finding = if is_file { &find::STATEMENTS[..] } else { &[] };
    let finding = finding.iter().copied().chain(is_file.then(|| find::FIND.list(0)));
    let fixed = fixed.chain(finding.map(str::to_owned));
    bulk.chain(fixed).chain(questions(is_file)).collect()
}

/// Statements that are put together, with all that can be in them.
#[cfg(test)]
fn questions(is_file: bool) -> Vec<String> {
    use Dimension::{
        ApiKey, Customer, Day, Model, ModelGroup, Organization, Provider, Route, Tag, Team, User,
    };
    let sources = [Source::Days, Source::Hours, Source::Tags];
    let sums = sources.into_iter().flat_map(|source| {
        let by =
            vec![Day, Tag, ApiKey, User, Team, Organization, Customer, Model, ModelGroup, Provider, Route];
        let only = vec![(ApiKey, vec![String::new(); 2]), (User, Vec::new())];
        let full = SumQuery {
            source,
            by,
            only,
            known: Some(Customer),
            order: SumOrder::Cost,
            ..SumQuery::default()
        };
        [sums::statement(&full).0, sums::statement(&SumQuery { source, ..SumQuery::default() }).0]
    });
    use CallColumn as C;
    let columns = [C::RequestId, C::ApiKey, C::KeyAlias, C::User, C::Team, C::Customer, C::Model, C::ModelId];
    let columns = columns.into_iter().chain([C::ModelGroup, C::Session, C::Status]);
    let full = CallQuery {
        only: columns.map(|column| (column, String::new())).collect(),
        from_ms: Some(0),
        to_ms: Some(1),
        min_cost: Some(0),
        max_cost: Some(1),
        ..CallQuery::default()
    };
    let orders = [CallOrder::Time, CallOrder::Cost, CallOrder::Tokens, CallOrder::Duration];
    let pages =
        orders.into_iter().map(|order| searches::page(&CallQuery { order, ..full.clone() }, is_file).sql);
    let counts = [searches::count(&full, is_file).sql, searches::count(&CallQuery::default(), is_file).sql];
    let pages: Vec<String> = pages.chain([searches::content("", is_file).sql]).collect();
    sums.chain(pages).chain(counts).collect()
}
