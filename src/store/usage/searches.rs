//! The statements of searches for calls.

use super::calls::{CallColumn, CallOrder, CallQuery, MOST_CALLS, SELECTED};
use super::{alike, find};
use crate::domain::RecordId;

/// A statement, and its values in the order they are bound: texts, then numbers.
pub(super) struct Asked {
    pub(super) sql: String,
    pub(super) texts: Vec<String>,
    pub(super) numbers: Vec<i64>,
}

/// What tells whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// The id, which begins with the time.
    Id,
    /// A hash, by the place of the one that is looked for; only in a file.
    Hash(usize),
    /// The row itself.
    Row,
}

/// That a column compares so with a value, by its place.
struct Condition {
    column: &'static str,
    comparison: &'static str,
    place: usize,
    told: Told,
}

/// The conditions of a search, with the values for their places.
struct Conditions {
    is_file: bool,
    all: Vec<Condition>,
    texts: Vec<String>,
    numbers: Vec<i64>,
}

impl Conditions {
    fn of(query: &CallQuery, is_file: bool) -> Self {
        let (mut all, mut texts, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
        for (comparison, ms) in [(">=", query.from_ms), ("<", query.to_ms)] {
            let Some(ms) = ms else { continue };
            texts.push(RecordId::new(ms, 0).to_string());
            all.push(Condition { column: "id", comparison, place: texts.len(), told: Told::Id });
        }
        for (column, value) in &query.only {
            texts.push(value.clone());
            all.push(Condition {
                column: column.name(),
                comparison: "=",
                place: texts.len(),
                told: Told::Row,
            });
        }
        for (comparison, cost) in [(">=", query.min_cost), ("<=", query.max_cost)] {
            let Some(cost) = cost else { continue };
            numbers.push(cost);
            let place = texts.len() + numbers.len();
            all.push(Condition { column: "cost", comparison, place, told: Told::Row });
        }
        // The one that finds the fewest calls comes first.
        for (column, mark) in find::COLUMNS.iter().filter(|_| is_file) {
            let Some((_, value)) = query.only.iter().find(|(only, _)| only == column) else { continue };
            numbers.push(find::hash(*mark, value));
            let told = Told::Hash(texts.len() + numbers.len());
            let same =
                |one: &&mut Condition| one.column == column.name() && texts.get(one.place - 1) == Some(value);
            all.iter_mut().filter(same).for_each(|one| one.told = told);
        }
        Self { is_file, all, texts, numbers }
    }

    /// Those of `which`, on the calls `u`, each with ` AND` before it.
    fn on(&self, which: impl Fn(Told) -> bool) -> String {
        let chosen = self.all.iter().filter(|condition| which(condition.told));
        chosen
            .map(|Condition { column, comparison, place, .. }| {
                format!(" AND {} {comparison} ${place}", alike::column(column, self.is_file))
            })
            .collect()
    }

    /// All of them on the calls `u`.
    fn whole(&self) -> String {
        self.on(|_| true)
    }

    /// The calls `u`.
    const fn calls(&self) -> &'static str {
        calls(self.is_file)
    }

    /// The places of hashes, in the order in which they are looked up.
    fn hashes(&self) -> Vec<usize> {
        let mut places: Vec<usize> = self
            .all
            .iter()
            .filter_map(|condition| if let Told::Hash(place) = condition.told { Some(place) } else { None })
            .collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    /// The ids of a file's calls in its spans, and of those that are in none yet: at most so many of each, the last
    /// ones in that direction among them. `None` if no hash tells anything.
    fn ids(&self, most: u32, direction: &str) -> Option<String> {
        let hashes = self.hashes();
        let (first, others) = hashes.split_first()?;
        let all = self.whole();
        let open = find::OPEN;
        let since =
            self.all.iter().find(|condition| condition.comparison == ">=" && condition.column == "id");
        let since = since.map(|since| format!(" AND s.next > ${}", since.place)).unwrap_or_default();
        let others: String = others.iter().map(|place| has(*place)).collect();
        let rest = self.on(|told| told == Told::Row);
        let rows = if rest.is_empty() {
            String::new()
        } else {
            format!(" CROSS JOIN tollgate_usage u ON u.id = e.value{}", alike::JOIN)
        };
        let times = self.all.iter().filter(|condition| condition.told == Told::Id);
        let time: String = times
            .map(|Condition { comparison, place, .. }| format!(" AND e.value {comparison} ${place}"))
            .collect();
        let (calls, list) = (self.calls(), find::IDS);
        // Rows go oldest first, and their span when the last of them has gone.
        Some(format!(
            "SELECT id FROM (SELECT u.id FROM {calls} WHERE u.id >= ({open}){all} \
             ORDER BY u.id{direction} LIMIT {most}) UNION ALL SELECT id FROM (SELECT e.value AS id \
             FROM tollgate_seek_span s CROSS JOIN tollgate_seek f ON f.span = s.span AND f.hash = ${first} \
             CROSS JOIN json_each({list}) e{rows} \
             WHERE e.value >= (SELECT MIN(id) FROM tollgate_usage){since}{time}{others}{rest} \
             ORDER BY s.span{direction}, e.value{direction} LIMIT {most})"
        ))
    }

    /// What is true of the rows `u` that are found: where there are spans, of so many at most.
    fn rows(&self, most: u32) -> String {
        let all = self.whole();
        match self.ids(most, " DESC") {
            Some(ids) => format!(" WHERE u.id IN (SELECT id FROM ({ids})){all}"),
            None => format!(" WHERE 1 = 1{all}"),
        }
    }

    fn asked(self, sql: String) -> Asked {
        Asked { sql, texts: self.texts, numbers: self.numbers }
    }
}

/// That the call `e.value` of the span `s` has the hash of that place too: as an entry of its own, or in the list that begins
/// before it.
fn has(place: usize) -> String {
    let same = format!("o.span = s.span AND o.hash = ${place}");
    format!(
        " AND (EXISTS (SELECT 1 FROM tollgate_seek o WHERE {same} AND o.id = e.value) \
         OR 0 < (SELECT INSTR(o.more, e.value) FROM tollgate_seek o WHERE {same} AND o.id < e.value \
         AND o.more IS NOT NULL ORDER BY o.id DESC LIMIT 1))"
    )
}

/// The calls `u`, with what they share.
const fn calls(is_file: bool) -> &'static str {
    if is_file { CALLS } else { "tollgate_usage u" }
}

/// [`calls`] in a file: the table, and [`alike::JOIN`].
const CALLS: &str = "tollgate_usage u LEFT JOIN tollgate_alike a ON a.n = u.alike";

/// The columns of a call.
fn selected(is_file: bool) -> String {
    let names = SELECTED.split(", ").map(str::trim);
    let column = |name| match is_file && alike::is_shared(name) {
        true => format!("{} AS {name}", alike::column(name, true)),
        false => format!("u.{name}"),
    };
    names.map(column).collect::<Vec<_>>().join(", ")
}

/// Only the ids of a page are found and sorted; what is skipped is not read.
pub(super) fn page(query: &CallQuery, is_file: bool) -> Asked {
    let conditions = Conditions::of(query, is_file);
    let direction = if query.ascending { "" } else { " DESC" };
    let (limit, offset) = (query.limit.min(MOST_CALLS), query.offset.min(MOST_CALLS));
    let next = conditions.texts.len() + conditions.numbers.len();
    let part = format!("LIMIT ${} OFFSET ${}", next + 1, next + 2);
    let all = conditions.whole();
    let (calls, selected) = (conditions.calls(), selected(is_file));
    let sql = match (query.order, conditions.ids(limit + offset, direction)) {
        (CallOrder::Time, Some(ids)) => format!(
            "SELECT {selected} FROM {calls} WHERE u.id IN \
             (SELECT id FROM ({ids}) ORDER BY id{direction} {part}){all} ORDER BY u.id{direction}"
        ),
        (CallOrder::Time, None) => {
            format!("SELECT {selected} FROM {calls} WHERE 1 = 1{all} ORDER BY u.id{direction} {part}")
        }
        (order, _) => {
            let (rows, weight) = (conditions.rows(MOST_CALLS), order.expression());
            let join = if is_file { alike::JOIN } else { "" };
            format!(
                "SELECT {selected} FROM (SELECT chosen FROM (SELECT u.id AS chosen, {weight} AS weight \
                 FROM {calls}{rows} ORDER BY u.id DESC LIMIT {MOST_CALLS}) newest \
                 ORDER BY weight{direction}, chosen{direction} {part}) page \
                 JOIN tollgate_usage u ON u.id = page.chosen{join} ORDER BY {weight}{direction}, u.id{direction}"
            )
        }
    };
    let mut asked = conditions.asked(sql);
    asked.numbers.extend([limit, offset].map(i64::from));
    asked
}

pub(super) fn count(query: &CallQuery, is_file: bool) -> Asked {
    let conditions = Conditions::of(query, is_file);
    let found = match conditions.ids(MOST_CALLS, " DESC") {
        Some(ids) => ids,
        None => format!("SELECT 1 FROM {}{}", conditions.calls(), conditions.rows(MOST_CALLS)),
    };
    let sql = format!("SELECT COUNT(*) FROM (SELECT 1 FROM ({found}) found LIMIT {MOST_CALLS}) newest");
    conditions.asked(sql)
}

pub(super) fn content(request_id: &str, is_file: bool) -> Asked {
    let only = vec![(CallColumn::RequestId, request_id.to_owned())];
    let conditions = Conditions::of(&CallQuery { only, ..CallQuery::default() }, is_file);
    let (calls, rows) = (conditions.calls(), conditions.rows(1));
    let sql = format!("SELECT u.request, u.response FROM {calls}{rows} ORDER BY u.id DESC LIMIT 1");
    conditions.asked(sql)
}
