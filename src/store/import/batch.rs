//! Some rows at a time: converted, compared with what is here, and written.

use super::convert::{self, Lookups, Taken, convert};
use super::kinds::{KEY_TABLE, Kind};
use super::report::{Line, Report};
use super::sides::{self, Here, Mark, Writes};
use super::{ImportError, Options};
use crate::domain::Money;
use crate::store::Facts;
use crate::store::changes::now_ms;
use crate::store::db::Store;
use crate::store::spend::Spent;
use crate::store::table::{CREDENTIALS, Doc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Other processes are told of so many rows one by one.
const TOLD: usize = 2000;

/// What is to become of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Add,
    Change,
    Same,
    /// It is as somebody wanted it here.
    Keep(&'static str),
}

/// An import under way.
pub(super) struct Import<'a> {
    store: Option<&'a Store>,
    options: &'a Options,
    lookups: Lookups,
    /// Digests of the aliases that keys have.
    aliases: HashSet<u64>,
    told: usize,
    now: i64,
    has_marks: bool,
    report: Report,
}

impl<'a> Import<'a> {
    pub(super) async fn new(
        store: Option<&'a Store>,
        options: &'a Options,
        lookups: Lookups,
    ) -> Result<Self, ImportError> {
        // A dry run changes nothing, so what it compares with may not be there yet.
        let store = match store {
            Some(store) if sides::has(store, "tollgate_key").await? => Some(store),
            _ => None,
        };
        let has_marks = match store {
            Some(store) => sides::has(store, "tollgate_import").await?,
            None => false,
        };
        let (aliases, report) = (HashSet::new(), Report::default());
        Ok(Self { store, options, lookups, aliases, told: 0, now: now_ms(), has_marks, report })
    }

    pub(super) fn begin(&mut self, words: &'static str) {
        self.report.lines.push(Line { words, ..Line::default() });
    }

    /// Whether anything is written.
    pub(super) const fn applies(&self) -> bool {
        self.options.apply
    }

    /// The database, if it has a table of this name: an older one that is only looked at may have none.
    pub(super) async fn store_with(&self, table: &str) -> Result<Option<&'a Store>, ImportError> {
        match self.store {
            Some(store) if self.options.apply || sides::has(store, table).await? => Ok(Some(store)),
            _ => Ok(None),
        }
    }

    /// Counts a row that cannot be taken, and says why.
    pub(super) fn refuse(&mut self, words: &'static str, why: &str, label: Option<String>) {
        self.line(|line| line.refused += 1);
        self.report.note(words, &format!("not taken: {why}"), label);
    }

    pub(super) fn end(self) -> Report {
        self.report
    }

    pub(super) fn line(&mut self, count: impl FnOnce(&mut Line)) {
        if let Some(line) = self.report.lines.last_mut() {
            count(line);
        }
    }

    /// Takes some rows of a kind.
    pub(super) async fn take(&mut self, kind: &Kind, rows: Vec<Doc>) -> Result<(), ImportError> {
        let mut taken = Vec::with_capacity(rows.len());
        let mut ids = HashSet::new();
        for row in rows {
            let label = convert::label(kind, &row);
            match convert(kind, row, &self.lookups).and_then(|one| self.opened(kind, one)) {
                Ok(one) if !ids.insert(one.id.clone()) => {
                    self.refuse(kind.words, "it is there twice", Some(label));
                }
                Ok(one) => {
                    convert::learn(kind, &one, &mut self.lookups);
                    taken.push((label, one));
                }
                Err(why) => self.refuse(kind.words, &why, Some(label)),
            }
        }
        let ids: Vec<String> = ids.into_iter().collect();
        let here = self.here(kind, &ids, &taken).await?;
        if kind.table == KEY_TABLE {
            taken.iter_mut().for_each(|(label, one)| self.name(kind, label, one, &here));
        }
        let mut writes = Writes::default();
        for (label, one) in &taken {
            self.decide(kind, label, one, &here, &mut writes);
        }
        self.seal(kind, &mut writes)?;
        self.write(kind, writes).await
    }

    /// Opens what LiteLLM encrypted, so that it can be compared: no two encryptions of a text are the same.
    fn opened(&self, kind: &Kind, mut one: Taken) -> Result<Taken, String> {
        let values = one.doc.as_mut().filter(|_| is_sealed(kind)).and_then(|doc| doc.get_mut(SEALED));
        if let Some(values) = values {
            let sealed = values.clone();
            self.options.vault.open_all(values).map_err(|error| error.to_string())?;
            if is_unopened(&sealed, values) {
                return Err("it was encrypted with another key: set LITELLM_SALT_KEY to LiteLLM's".to_owned());
            }
        }
        Ok(one)
    }

    fn seal(&self, kind: &Kind, writes: &mut Writes) -> Result<(), ImportError> {
        if !is_sealed(kind) || !self.options.apply {
            return Ok(());
        }
        for row in writes.added.iter_mut().chain(&mut writes.changed) {
            if let Some(values) = row.get_mut(1).and_then(|doc| doc.get_mut(SEALED)) {
                self.options.vault.seal_new(values)?;
            }
        }
        Ok(())
    }

    async fn here(
        &self,
        kind: &Kind,
        ids: &[String],
        taken: &[(String, Taken)],
    ) -> Result<Here, ImportError> {
        let table = format!("tollgate_{}", kind.to.kind);
        let Some(store) = self.store_with(&table).await? else { return Ok(Here::default()) };
        let named =
            |(_, one): &(String, Taken)| Some(Facts(one.doc.as_ref()?).text("key_alias")?.to_string());
        let is_key = kind.table == KEY_TABLE;
        let aliases: Vec<String> = taken.iter().filter(|_| is_key).filter_map(named).collect();
        let mut here = sides::here(store, kind.to, ids, &aliases).await?;
        if is_sealed(kind) {
            // What cannot be opened differs from whatever LiteLLM has.
            here.docs.values_mut().filter_map(|(doc, _)| doc.get_mut(SEALED)).for_each(|values| {
                let _ = self.options.vault.open_all(values);
            });
        }
        if self.has_marks {
            here.marks = sides::marks(store, kind.to.kind, ids).await?;
        }
        Ok(here)
    }

    /// Names are unique here and need not be there: the first key keeps its own, others get the beginning of theirs
    /// digest with it.
    fn name(&mut self, kind: &Kind, label: &str, one: &mut Taken, here: &Here) {
        let Some(alias) = one.doc.as_ref().and_then(|doc| Facts(doc).text("key_alias")) else { return };
        let elsewhere = here.aliases.get(&*alias).is_some_and(|id| *id != one.id);
        let mut hasher = DefaultHasher::new();
        alias.hash(&mut hasher);
        if self.aliases.insert(hasher.finish()) && !elsewhere {
            return;
        }
        let start = one.id.get(..8).unwrap_or_default();
        if let Some(doc) = &mut one.doc {
            doc.insert("key_alias".to_owned(), Value::from(format!("{alias}-{start}")));
        }
        self.report.note(
            kind.words,
            "their name is taken: they get the beginning of their digest with it",
            Some(label.to_owned()),
        );
    }

    fn decide(&mut self, kind: &Kind, label: &str, one: &Taken, here: &Here, writes: &mut Writes) {
        let mark = here.marks.get(&one.id);
        let mut digest = mark.map(|mark| mark.digest.clone()).unwrap_or_default();
        if let Some(doc) = &one.doc {
            let present = here.docs.get(&one.id);
            let fate = fate(doc, present.map(|(doc, _)| doc), mark, self.options.overwrite);
            let own = digest_of(doc);
            match fate {
                Fate::Add => writes.added.push(json!([one.id, doc])),
                Fate::Change => {
                    let version = present.map_or(0, |(_, version)| *version);
                    writes.changed.push(json!([one.id, doc, version]));
                }
                Fate::Same => {}
                Fate::Keep(why) => self.report.note(kind.words, why, Some(label.to_owned())),
            }
            if !matches!(fate, Fate::Keep(_)) {
                digest = own;
            }
            self.line(|line| match fate {
                Fate::Add => line.added += 1,
                Fate::Change => line.changed += 1,
                Fate::Same => line.same += 1,
                Fate::Keep(_) => line.kept += 1,
            });
            if fate == Fate::Keep(REMOVED) {
                return;
            }
        }
        let there = Spent { amount: one.spent, period_end: one.terms.ends.unwrap_or_default() };
        let more = more(there, mark.map(|mark| mark.spent));
        if let Some(scope) = one.scope.filter(|_| !more.is_zero()) {
            let ends = convert::ends(scope, one.terms, self.now, &self.options.zone);
            writes.counters.push(json!([scope.as_str(), one.id, ends, more.pico()]));
            self.line(|line| line.spent = line.spent.saturating_add(more));
        }
        let new = Mark { digest, spent: there };
        if mark != Some(&new) {
            writes.marks.push(json!([one.id, new.digest, there.amount.pico(), there.period_end]));
        }
    }

    async fn write(&mut self, kind: &Kind, writes: Writes) -> Result<(), ImportError> {
        let Some(store) = self.store.filter(|_| self.options.apply) else { return Ok(()) };
        let rows = writes.added.len() + writes.changed.len() + writes.counters.len();
        if rows == 0 && writes.marks.is_empty() {
            return Ok(());
        }
        self.told += rows;
        sides::write(store, kind.to.kind, writes, self.told <= TOLD).await?;
        Ok(())
    }
}

/// What is encrypted of a named credential.
const SEALED: &str = "credential_values";

fn is_sealed(kind: &Kind) -> bool {
    std::ptr::eq(kind.to, &CREDENTIALS)
}

/// Whether a text is the same as before it was decrypted.
fn is_unopened(sealed: &Value, opened: &Value) -> bool {
    match (sealed, opened) {
        (Value::String(sealed), Value::String(opened)) => sealed == opened && !sealed.is_empty(),
        (Value::Object(sealed), Value::Object(opened)) => {
            sealed.iter().any(|(name, value)| opened.get(name).is_some_and(|open| is_unopened(value, open)))
        }
        (Value::Array(sealed), Value::Array(opened)) => {
            sealed.iter().zip(opened).any(|(sealed, opened)| is_unopened(sealed, opened))
        }
        _ => false,
    }
}

const REMOVED: &str = "left alone: removed here since";
const CHANGED: &str = "left alone: made or changed here since";

/// What is to become of a row that is `doc` there, `present` here, and was brought over as `mark`.
pub(super) fn fate(doc: &Doc, present: Option<&Doc>, mark: Option<&Mark>, overwrite: bool) -> Fate {
    match (present, mark) {
        (None, Some(_)) if !overwrite => Fate::Keep(REMOVED),
        (None, _) => Fate::Add,
        (Some(present), _) if present == doc => Fate::Same,
        (Some(_), _) if overwrite => Fate::Change,
        (Some(present), Some(mark)) if mark.digest == digest_of(present) => Fate::Change,
        (Some(_), _) => Fate::Keep(CHANGED),
    }
}

/// What LiteLLM counted since the last time; less than nothing if it was set back there.
pub(super) fn more(there: Spent, last: Option<Spent>) -> Money {
    match last {
        Some(last) if last.period_end == there.period_end => {
            Money::from_pico(there.amount.pico().saturating_sub(last.amount.pico()))
        }
        _ => there.amount,
    }
}

/// A digest that does not depend on the order of members.
pub(super) fn digest_of(doc: &Doc) -> String {
    let mut text = String::new();
    canonical_members(doc, &mut text);
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(16).fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn canonical_members(members: &Doc, to: &mut String) {
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_unstable_by_key(|(name, _)| *name);
    to.push('{');
    for (name, value) in sorted {
        to.push_str(&Value::from(name.as_str()).to_string());
        to.push(':');
        canonical(value, to);
        to.push(',');
    }
    to.push('}');
}

fn canonical(value: &Value, to: &mut String) {
    match value {
        Value::Object(members) => canonical_members(members, to),
        Value::Array(items) => {
            to.push('[');
            for item in items {
                canonical(item, to);
                to.push(',');
            }
            to.push(']');
        }
        plain => to.push_str(&plain.to_string()),
    }
}
