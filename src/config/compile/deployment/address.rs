//! Where a deployment is.

use super::Deployment;
use crate::config::compile::provider::Meaning;
use crate::config::field::{Field, Report};
use crate::config::tree::Value;
use crate::config::{Place, python};
use crate::domain::{HostPort, Scheme};
use crate::providers::Base;
use crate::providers::compatible::Row;
use crate::providers::site::Placed;
use crate::providers::vertex;

/// An origin, and what the paths there begin with.
pub(super) struct Address {
    pub(super) origin: HostPort,
    pub(super) path: String,
    pub(super) text: String,
}

impl Deployment<'_> {
    pub(super) fn base(&self) -> Option<Field<'_>> {
        let field = |key| self.params.field(key).filter(|field| !field.is_blank());
        field("api_base").or_else(|| field("base_url"))
    }

    /// Where the deployment is; if that cannot be told, `meaning` says why it is not served.
    pub(super) fn address(&self, meaning: &mut Meaning, report: &mut Report) -> Address {
        if meaning.unserved.is_some() {
            return nowhere();
        }
        if self.base_is_unset {
            meaning.unserved = Some("its api_base is a variable that is not set".to_owned());
            return nowhere();
        }
        let (text, place) = match (self.base(), meaning.row) {
            (Some(field), _) => (field.text(report), field.place()),
            (None, Some(row)) => match self.env.first_filled(row.base_env) {
                Some((name, value)) => (Some(value.to_owned()), Place::named(name)),
                None => (row.base.map(str::to_owned), self.place.clone()),
            },
            (None, None) => (None, self.place.clone()),
        };
        let Some(text) = text else {
            meaning.unserved = Some(format!("the provider \"{}\" needs an api_base", meaning.provider));
            return nowhere();
        };
        self.parsed(&text, place, meaning.row, report)
    }

    pub(super) fn parsed(
        &self,
        text: &str,
        place: Place,
        row: Option<&'static Row>,
        report: &mut Report,
    ) -> Address {
        match Base::parse(text) {
            Ok(base) => {
                Address { path: base_path(&base, row), origin: base.origin, text: text.trim().to_owned() }
            }
            Err(why) => {
                report.fault(place, why);
                nowhere()
            }
        }
    }

    /// Where it is, of a provider that finds out itself; if that fails, `meaning` says why it is not served.
    pub(super) fn placed(&self, meaning: &mut Meaning) -> Option<Placed> {
        let site = meaning.row?.site?;
        if self.base_is_unset {
            return None;
        }
        let own = |name: &str| {
            let field = self.params.field(name).filter(|field| !field.is_blank())?;
            Some(match &field.node().value {
                Value::Map(_) => field.node().to_json().to_string(),
                _ => python::str_of(field.node()),
            })
        };
        let param = |name: &str, env: &[&str]| {
            let given =
                own(name).or_else(|| env.iter().find_map(|name| self.env.filled(name)).map(str::to_owned));
            if name == vertex::CREDENTIALS { given.map(contents) } else { given }
        };
        match site.place(&meaning.model, &param) {
            Ok(placed) => {
                meaning.model.clone_from(&placed.model);
                Some(placed)
            }
            Err(why) => {
                meaning.unserved = Some(why);
                None
            }
        }
    }
}

/// Longest file of credentials, in bytes.
const LONGEST_FILE: u64 = 64 * 1024;

/// What a file holds, if a text is the path of one that can be read; else the text.
fn contents(text: String) -> String {
    let is_file = |facts: std::fs::Metadata| facts.is_file() && facts.len() <= LONGEST_FILE;
    if text.trim_start().starts_with('{') || !std::fs::metadata(text.trim()).is_ok_and(is_file) {
        return text;
    }
    std::fs::read_to_string(text.trim()).unwrap_or(text)
}

/// The path that the dialect's own are appended to. Bases are also written with the whole path of a chat.
fn base_path(base: &Base, row: Option<&'static Row>) -> String {
    let Some(row) = row else { return base.path.clone() };
    let mut base = base.clone();
    if let Some((_, chat)) = row.dialect.relays().first()
        && let Some(before) = base.path.strip_suffix(chat)
    {
        base.path = before.to_owned();
    }
    if let Some(before) = row.cut.iter().find_map(|end| base.path.strip_suffix(end)) {
        base.path = before.to_owned();
    }
    base.path_ending_in(row.suffix)
}

/// Where a deployment is that cannot be called; `.invalid` never resolves.
fn nowhere() -> Address {
    let origin = HostPort { scheme: Scheme::Https, host: "unserved.invalid".to_owned(), port: 443 };
    Address { origin, path: String::new(), text: String::new() }
}
