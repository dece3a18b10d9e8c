//! Daily totals: each row of LiteLLM's is a row of ours, which a later run sets to what it is then.

use super::batch::Import;
use super::convert;
use super::report::Line;
use super::sides::{self, Dialect};
use super::{ImportError, Source};
use crate::domain::Money;
use crate::store::db::{Store, StoreError, on};
use crate::store::table::Doc;
use crate::store::usage::digest;
use jiff::civil::Date;
use serde_json::{Value, json};
use sqlx::Row;
use std::collections::HashMap;

/// A table of daily totals.
pub(super) struct Days {
    /// LiteLLM's name of it.
    pub(super) table: &'static str,
    /// What its rows are called in a report.
    words: &'static str,
    /// Our table.
    to: &'static str,
    /// Whether it tells labels apart, rather than users.
    by_tag: bool,
}

/// Each call counts in one row of the first, and for each of its labels in one of the second.
pub(super) static ALL: [Days; 2] = [
    Days { table: "LiteLLM_DailyUserSpend", words: "daily totals", to: "tollgate_usage_day", by_tag: false },
    Days {
        table: "LiteLLM_DailyTagSpend",
        words: "daily totals of tags",
        to: "tollgate_usage_tag_day",
        by_tag: true,
    },
];

/// What LiteLLM tells rows apart by besides day and user or label, and we but for the tool.
const TOLD_APART: [&str; 6] =
    ["api_key", "model", "model_group", "custom_llm_provider", "mcp_namespaced_tool_name", "endpoint"];
/// LiteLLM's counts, and the columns they go to; `spend` comes last.
const COUNTS: [(&str, &str); 7] = [
    ("api_requests", "requests"),
    ("successful_requests", "successes"),
    ("failed_requests", "failures"),
    ("prompt_tokens", "prompt_tokens"),
    ("completion_tokens", "completion_tokens"),
    ("cache_read_input_tokens", "cached_tokens"),
    ("cache_creation_input_tokens", "cache_write_tokens"),
];

/// A row as it will be here.
struct Total {
    id: String,
    day: String,
    whose: String,
    /// As [`TOLD_APART`] has them.
    told_apart: [String; 6],
    /// [`COUNTS`], then pico-dollars.
    sums: [i64; 8],
}

impl Days {
    fn total(&self, row: &Doc) -> Result<Total, String> {
        let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let day = text("date");
        if day.len() != 10 || day.parse::<Date>().is_err() {
            return Err("its date cannot be read".to_owned());
        }
        let whose = text(if self.by_tag { "tag" } else { "user_id" });
        let told_apart = TOLD_APART.map(text);
        let mut sums = [0; 8];
        for ((name, _), sum) in COUNTS.iter().zip(&mut sums) {
            *sum = count(row.get(*name)).ok_or_else(|| format!("its {name} cannot be read"))?;
        }
        let spend = row.get("spend").unwrap_or(&Value::Null);
        sums[7] = convert::money(spend).ok_or("its spend cannot be read")?.max(Money::ZERO).pico();
        let names = std::iter::once(whose.as_str()).chain(told_apart.iter().map(String::as_str));
        Ok(Total { id: format!("{day}:i{}", digest(names)), day, whose, told_apart, sums })
    }
}

fn count(value: Option<&Value>) -> Option<i64> {
    match value {
        None | Some(Value::Null) => Some(0),
        Some(Value::Number(number)) => number.as_i64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(_) => None,
    }
    .filter(|count| *count >= 0)
}

/// The statements for one table and database.
pub(super) struct Statements {
    pub(super) known: String,
    pub(super) owners: String,
    pub(super) write: String,
}

impl Statements {
    pub(super) fn of(is_file: bool, days: &Days) -> Self {
        let Dialect { rows, text, number } = sides::dialect(is_file);
        let (ids, to) = (sides::ids(is_file), days.to);
        let sums: Vec<&str> = COUNTS.iter().map(|(_, column)| *column).chain(["cost"]).collect();
        let (tag, of_tag) =
            if days.by_tag { ("tag, ", format!("{}, ", text(2))) } else { ("", String::new()) };
        let values: Vec<String> = (11..19).map(number).collect();
        let set: Vec<String> = sums.iter().map(|column| format!("{column} = excluded.{column}")).collect();
        let texts: Vec<String> = (3..11).map(text).collect();
        Self {
            known: format!("SELECT id, {} FROM {to} WHERE id IN ({ids})", sums.join(", ")),
            owners: format!("SELECT id, team_id, organization_id FROM tollgate_key WHERE id IN ({ids})"),
            write: format!(
                "INSERT INTO {to} (id, day, {tag}user_id, team_id, organization_id, api_key, model, model_group, \
                 provider, route, customer, reasoning_tokens, {}) SELECT {}, {}, {of_tag}{}, '', 0, {} FROM {rows} \
                 WHERE true ON CONFLICT (id) DO UPDATE SET {}",
                sums.join(", "),
                text(0),
                text(1),
                texts.join(", "),
                values.join(", "),
                set.join(", ")
            ),
        }
    }
}

/// Team and organization of keys that are here, by digest.
type Owners = HashMap<String, (String, String)>;

/// Brings the rows of a table over.
pub(super) async fn take(run: &mut Import<'_>, days: &Days, source: &mut Source) -> Result<(), ImportError> {
    if !source.open(days.table, &["id"]).await? {
        return Ok(());
    }
    run.begin(days.words);
    while let Some(rows) = source.next().await? {
        let mut totals = Vec::with_capacity(rows.len());
        for row in &rows {
            match days.total(row) {
                Ok(total) => totals.push(total),
                Err(why) => run.refuse(days.words, &why, None),
            }
        }
        // Two rows that are one here are not taken for one.
        totals.sort_by(|one, other| one.id.cmp(&other.id));
        let before = totals.len();
        totals.dedup_by(|one, other| one.id == other.id);
        (totals.len()..before).for_each(|_| run.refuse(days.words, "it is there twice", None));
        let store = run.store_with(days.to).await?;
        let known = match store {
            Some(store) => known(store, days, &totals).await?,
            None => HashMap::new(),
        };
        run.line(|line| totals.iter().for_each(|total| tell(line, total, known.get(&total.id))));
        totals.retain(|total| known.get(&total.id) != Some(&total.sums));
        if let Some(store) = store.filter(|_| run.applies()) {
            write(store, days, &totals).await?;
        }
    }
    Ok(())
}

fn tell(line: &mut Line, total: &Total, known: Option<&[i64; 8]>) {
    match known {
        None => line.added += 1,
        Some(known) if *known == total.sums => line.same += 1,
        Some(_) => line.changed += 1,
    }
    let before = known.map_or(0, |known| known[7]);
    line.spent = line.spent.saturating_add(Money::from_pico(total.sums[7].saturating_sub(before)));
}

async fn known(
    store: &Store,
    days: &Days,
    totals: &[Total],
) -> Result<HashMap<String, [i64; 8]>, StoreError> {
    let sql = Statements::of(store.is_file(), days);
    let ids: Vec<&str> = totals.iter().map(|total| total.id.as_str()).collect();
    let mut found = HashMap::new();
    on!(&store.db, pool => {
        for row in sqlx::query(&sql.known).bind(json!(ids)).fetch_all(pool).await? {
            let mut sums = [0; 8];
            for (n, sum) in sums.iter_mut().enumerate() {
                *sum = row.try_get(n + 1)?;
            }
            found.insert(row.try_get(0)?, sums);
        }
    });
    Ok(found)
}

async fn write(store: &Store, days: &Days, totals: &[Total]) -> Result<(), StoreError> {
    if totals.is_empty() {
        return Ok(());
    }
    let sql = Statements::of(store.is_file(), days);
    let mut keys: Vec<&str> = totals.iter().map(|total| total.told_apart[0].as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    let mut owners = Owners::new();
    on!(&store.db, pool => {
        for row in sqlx::query(&sql.owners).bind(json!(keys)).fetch_all(pool).await? {
            let text = |n: usize| row.try_get::<Option<String>, _>(n).map(Option::unwrap_or_default);
            owners.insert(text(0)?, (text(1)?, text(2)?));
        }
        let rows: Vec<Value> = totals.iter().map(|total| total.row(days, &owners)).collect();
        sqlx::query(&sql.write).bind(Value::Array(rows)).execute(pool).await?;
    });
    Ok(())
}

impl Total {
    /// In the order in which [`Statements::write`] reads it.
    fn row(&self, days: &Days, owners: &Owners) -> Value {
        let [key, model, group, provider, _, endpoint] = &self.told_apart;
        let (team, organization) = owners.get(key).map_or(("", ""), |(team, own)| (team, own));
        let user = if days.by_tag { "" } else { &self.whose };
        let texts = [
            &*self.id,
            &*self.day,
            &*self.whose,
            user,
            team,
            organization,
            key,
            model,
            group,
            provider,
            endpoint,
        ];
        texts.into_iter().map(Value::from).chain(self.sums.map(Value::from)).collect()
    }
}
