//! Reading typed values out of a tree: each reader says what it wanted and where, and goes on.

use super::resolve::joined;
use super::tree::{Entry, Node, Value};
use super::{ConfigError, Place, Warning, python, scalar};
use std::collections::HashSet;
use std::time::Duration;

/// Everything that was found wrong or odd so far.
#[derive(Default)]
pub(super) struct Report {
    pub(super) errors: Vec<ConfigError>,
    pub(super) warnings: Vec<Warning>,
    /// The deployments of a pool share their entry's warnings.
    seen: HashSet<Warning>,
}

/// A mapping, or nothing, and its path.
pub(super) struct Section<'a> {
    node: Option<&'a Node>,
    path: String,
}

/// One member that is set.
pub(super) struct Field<'a> {
    entry: &'a Entry,
    path: String,
}

/// Longest time that is taken, in seconds: some thirty years.
const MAX_SECONDS: f64 = 1e9;

impl Report {
    pub(super) fn fault(&mut self, place: Place, message: impl Into<String>) {
        self.errors.push(ConfigError::new(place, message));
    }

    pub(super) fn warn(&mut self, place: Place, message: impl Into<String>) {
        let warning = Warning { place, message: message.into() };
        if self.seen.insert(warning.clone()) {
            self.warnings.push(warning);
        }
    }

    /// Runs a reader whose faults only mean that the value is left out.
    pub(super) fn lenient<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.errors.len();
        let value = read(self);
        for fault in self.errors.split_off(before) {
            self.warn(fault.place, format!("{}; it is left out", fault.message));
        }
        value
    }
}

impl<'a> Section<'a> {
    /// The section `key` below `parent`; a fault if it is set and no mapping.
    pub(super) fn of(parent: &'a Node, path: &str, key: &str, report: &mut Report) -> Self {
        let path = joined(path, key);
        let node = parent.get(key).and_then(|entry| match entry.node.value {
            Value::Map(_) => Some(&entry.node),
            _ => {
                let message = format!("wants a mapping, not {}", entry.node.kind());
                report.fault(entry.mark.place(&path), message);
                None
            }
        });
        Self { node, path }
    }

    /// A mapping that is known to be one.
    pub(super) const fn new(node: &'a Node, path: String) -> Self {
        Self { node: Some(node), path }
    }

    /// The member `key`, if it is set and not null.
    pub(super) fn field(&self, key: &str) -> Option<Field<'a>> {
        let entry = self.node?.get(key)?;
        Some(Field { entry, path: joined(&self.path, key) })
    }

    /// Every member that is set and not null.
    pub(super) fn fields(&self) -> impl Iterator<Item = Field<'a>> {
        let entries = self.node.map(Node::entries).unwrap_or_default();
        entries
            .iter()
            .filter(|entry| entry.node.value != Value::Null)
            .map(|entry| Field { entry, path: joined(&self.path, &entry.key) })
    }

    /// The mapping itself, if it is there.
    pub(super) const fn node(&self) -> Option<&'a Node> {
        self.node
    }
}

impl<'a> Field<'a> {
    pub(super) fn place(&self) -> Place {
        self.entry.mark.place(&self.path)
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn key(&self) -> &'a str {
        &self.entry.key
    }

    pub(super) const fn node(&self) -> &'a Node {
        &self.entry.node
    }

    /// Whether this is a text of nothing but blanks.
    pub(super) fn is_blank(&self) -> bool {
        self.node().text().is_some_and(|text| text.trim().is_empty())
    }

    /// Text, or a number or boolean as text.
    pub(super) fn text(&self, report: &mut Report) -> Option<String> {
        match self.node().value {
            Value::List(_) | Value::Map(_) => self.refuse("text", report),
            _ => Some(python::str_of(self.node())),
        }
    }

    /// A boolean in any spelling, quoted or not.
    pub(super) fn bool(&self, report: &mut Report) -> Option<bool> {
        let found = match &self.node().value {
            Value::Bool(b) => Some(*b),
            Value::Int(n @ (0 | 1)) => Some(*n == 1),
            Value::Text(text) => match text.trim() {
                "1" => Some(true),
                "0" => Some(false),
                word => scalar::boolean(word),
            },
            _ => None,
        };
        found.or_else(|| self.refuse("true or false", report))
    }

    /// A finite number, quoted or not.
    pub(super) fn number(&self, report: &mut Report) -> Option<f64> {
        number_of(self.node()).or_else(|| self.refuse("a number", report))
    }

    /// A whole number from 0 that fits `T`, quoted or not.
    pub(super) fn count<T: TryFrom<u64>>(&self, report: &mut Report) -> Option<T> {
        whole_of(self.node())
            .and_then(|n| T::try_from(n).ok())
            .or_else(|| self.refuse("a whole number from 0", report))
    }

    /// A time in seconds from 0.
    pub(super) fn seconds(&self, report: &mut Report) -> Option<Duration> {
        let fits = number_of(self.node()).filter(|s| (0.0..=MAX_SECONDS).contains(s));
        let time = fits.and_then(|s| Duration::try_from_secs_f64(s).ok());
        time.or_else(|| self.refuse("a number of seconds from 0", report))
    }

    /// A time in seconds; 0 means that it is not set, as for LiteLLM.
    pub(super) fn timeout(&self, report: &mut Report) -> Option<Duration> {
        let time = self.seconds(report)?;
        if time.is_zero() {
            report.warn(self.place(), "0 is no timeout; as if it were not set");
            return None;
        }
        Some(time)
    }

    /// A list of texts, or one text.
    pub(super) fn texts(&self, report: &mut Report) -> Vec<String> {
        let one = |node: &Node| match node.value {
            Value::List(_) | Value::Map(_) => None,
            _ => Some(python::str_of(node)),
        };
        let found = match &self.node().value {
            Value::List(items) => items.iter().map(one).collect(),
            _ => one(self.node()).map(|text| vec![text]),
        };
        found.or_else(|| self.refuse("a list of texts", report)).unwrap_or_default()
    }

    /// A mapping.
    pub(super) fn map(&self, report: &mut Report) -> Option<Section<'a>> {
        match self.node().value {
            Value::Map(_) => Some(Section::new(self.node(), self.path.clone())),
            _ => self.refuse("a mapping", report),
        }
    }

    fn refuse<T>(&self, wanted: &str, report: &mut Report) -> Option<T> {
        let message = format!("wants {wanted}, not {}", described(self.node()));
        report.fault(self.place(), message);
        None
    }
}

/// The kind of a value, never the value: it may be a secret in the wrong place.
fn described(node: &Node) -> &'static str {
    match &node.value {
        Value::Int(n) if *n < 0 => "a negative number",
        Value::Float(n) if *n < 0.0 => "a negative number",
        _ => node.kind(),
    }
}

fn number_of(node: &Node) -> Option<f64> {
    let n = match &node.value {
        #[expect(clippy::cast_precision_loss, reason = "no setting needs more than 53 bits")]
        Value::Int(n) => *n as f64,
        Value::Float(n) => *n,
        Value::Text(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    n.is_finite().then_some(n)
}

fn whole_of(node: &Node) -> Option<u64> {
    match &node.value {
        Value::Int(n) => u64::try_from(*n).ok(),
        Value::Text(text) => text.trim().parse().ok(),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
        Value::Float(n) if n.fract() == 0.0 && (0.0..9e15).contains(n) => Some(*n as u64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::yaml;

    #[test]
    fn what_pyyaml_users_write_is_understood() {
        let root =
            yaml::parse("s: {port: \"6379\", t: '0.5', b: 'True', o: on, n: 1e3, f: 3.0, l: x}\n", "t")
                .unwrap();
        let mut report = Report::default();
        let r = &mut report;
        let s = Section::of(&root, "", "s", r);
        assert_eq!(s.field("port").unwrap().count::<u16>(r), Some(6379));
        assert_eq!(s.field("t").unwrap().seconds(r), Some(Duration::from_millis(500)));
        assert_eq!((s.field("b").unwrap().bool(r), s.field("o").unwrap().bool(r)), (Some(true), Some(true)));
        assert_eq!(s.field("n").unwrap().number(r), Some(1000.0));
        assert_eq!(s.field("f").unwrap().count::<u32>(r), Some(3));
        assert_eq!(s.field("l").unwrap().texts(r), ["x"]);
        assert!(report.errors.is_empty());
    }

    #[test]
    fn a_wrong_kind_is_a_fault_that_does_not_quote_the_value() {
        let root = yaml::parse("s: {a: sk-canary, b: [1], c: -1, d: 70000}\n", "t").unwrap();
        let mut report = Report::default();
        let r = &mut report;
        let s = Section::of(&root, "", "s", r);
        assert_eq!(s.field("a").unwrap().count::<u16>(r), None);
        assert_eq!(s.field("b").unwrap().text(r), None);
        assert_eq!(s.field("c").unwrap().seconds(r), None);
        assert_eq!(s.field("d").unwrap().count::<u16>(r), None);
        let all: Vec<String> = report.errors.iter().map(ToString::to_string).collect();
        assert_eq!(all.len(), 4);
        assert!(all.iter().all(|line| !line.contains("canary")), "{all:?}");
        assert_eq!(all[1], "t:1:19: s.b: wants text, not a list");
    }
}
