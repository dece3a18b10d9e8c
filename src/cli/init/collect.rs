//! The values of a new `.env`: from the environment, from a file that is there, asked for, or made.

use super::ask::{Person, ask};
use super::keys;
use super::text::Text;
use super::values::{Kind, Unfit, in_use, random};
use crate::config::Env;
use std::io;

/// A variable of `.env`.
pub(super) struct Variable {
    pub(super) name: &'static str,
    /// What a person is asked, if anything.
    question: Option<&'static str>,
    kind: Kind,
    without: Without,
    /// What the file says above it.
    pub(super) comment: &'static str,
}

/// What a variable gets if nobody gives it a value.
#[derive(Clone, Copy)]
enum Without {
    Default(&'static str),
    Random,
    /// As `Random`, with `sk-` before it.
    RandomKey,
}

/// Everything but the upstream keys, in file order.
pub(super) const VARIABLES: &[Variable] = &[
    Variable {
        name: "LITELLM_MASTER_KEY",
        question: Some("Admin key, sk-… (Enter makes one): "),
        kind: Kind::MasterKey,
        without: Without::RandomKey,
        comment: "The admin's key. Clients get virtual keys made with it, never this one.",
    },
    Variable {
        name: "LITELLM_SALT_KEY",
        question: Some("Salt key (Enter makes one): "),
        kind: Kind::Password,
        without: Without::Random,
        comment: "Encrypts credentials in the database. docker/README.md says how to change it.",
    },
    Variable {
        name: "DB_PASSWORD",
        question: Some("Password of the database (Enter makes one): "),
        kind: Kind::Password,
        without: Without::Random,
        comment: "PostgreSQL's password in docker/compose.yaml. It is set when the volume is made.",
    },
    Variable {
        name: "GRAFANA_PASSWORD",
        question: Some("Password of Grafana's admin (Enter makes one): "),
        kind: Kind::Password,
        without: Without::Random,
        comment: "Grafana's admin.",
    },
    Variable {
        name: "PROMETHEUS_RETENTION",
        question: Some("How long Prometheus keeps metrics (Enter: 15d): "),
        kind: Kind::Duration,
        without: Without::Default("15d"),
        comment: "How long Prometheus keeps metrics.",
    },
    Variable {
        name: "COMPOSE_FILE",
        question: None,
        kind: Kind::File,
        without: Without::Default("docker/compose.yaml"),
        comment: "What `docker compose` starts; docker/compose.redis.yaml is three gateways with Redis.",
    },
    Variable {
        name: "HUAWEI_MAAS_API_BASE",
        question: Some("Address of MaaS (Enter: ap-southeast-1): "),
        kind: Kind::Url,
        without: Without::Default("https://api-ap-southeast-1.modelarts-maas.com/openai/v1"),
        comment: "Huawei ModelArts MaaS: where, and the keys. `tollgate init add-key` and `remove-key` renumber them.",
    },
];

/// Where a value is from, for the summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    Environment,
    Kept,
    Typed,
    Made,
    Default,
    Input,
}

/// What goes into the file.
#[derive(Debug)]
pub(super) struct Values {
    /// One for each of [`VARIABLES`].
    pub(super) values: Vec<(String, From)>,
    /// The upstream keys, the main one first.
    pub(super) keys: Vec<String>,
    pub(super) keys_from: From,
}

/// Why there are no values. No text holds one.
#[derive(Debug, thiserror::Error)]
pub(super) enum CollectError {
    #[error("{0} cannot be used: {1}")]
    Unfit(&'static str, Unfit),
    #[error("HUAWEI_MAAS_API_KEY is not set; set it, give keys to --stdin, or leave --ci out to be asked")]
    NoKey,
    #[error("upstream key number {0} cannot be used: {1}")]
    UnfitKey(usize, Unfit),
    #[error("cannot ask: {0}")]
    Ask(#[from] io::Error),
    #[error("the system has no randomness to give: {0}")]
    Random(getrandom::Error),
}

/// What to take values from.
pub(super) struct Sources<'a> {
    /// The process's environment.
    pub(super) env: &'a Env,
    /// The file that will be written over.
    pub(super) old: Text,
    /// Upstream keys from standard input, if they were to be read.
    pub(super) input: Option<Vec<String>>,
    /// Who can be asked for the upstream keys.
    pub(super) person: Option<&'a mut dyn Person>,
    /// Whether the person is asked for everything else too.
    pub(super) asks_all: bool,
}

pub(super) fn collect(mut sources: Sources<'_>) -> Result<Values, CollectError> {
    let (keys, keys_from) = upstream_keys(&mut sources)?;
    let mut values = Vec::new();
    for variable in VARIABLES {
        values.push(value(variable, &mut sources)?);
    }
    Ok(Values { values, keys, keys_from })
}

fn value(variable: &Variable, sources: &mut Sources<'_>) -> Result<(String, From), CollectError> {
    if let Some(given) = sources.env.filled(variable.name).filter(|_| sources.env.is_set(variable.name)) {
        let checked = variable.kind.check(given);
        return Ok((checked.map_err(|unfit| CollectError::Unfit(variable.name, unfit))?, From::Environment));
    }
    let held = sources.old.values();
    let held = held.filled(variable.name).filter(|_| sources.old.has(variable.name));
    if let Some(kept) = held.and_then(|value| in_use(value).ok()) {
        return Ok((kept, From::Kept));
    }
    if let Some(person) = sources.person.as_mut().filter(|_| sources.asks_all) {
        let is_secret = matches!(variable.without, Without::Random | Without::RandomKey);
        let typed = variable.question.map(|question| ask(*person, question, variable.kind, is_secret));
        if let Some(typed) = typed.transpose()?.flatten() {
            return Ok((typed, From::Typed));
        }
    }
    Ok(match variable.without {
        Without::Default(value) => (value.to_owned(), From::Default),
        Without::Random => (made()?, From::Made),
        Without::RandomKey => (format!("sk-{}", made()?), From::Made),
    })
}

fn upstream_keys(sources: &mut Sources<'_>) -> Result<(Vec<String>, From), CollectError> {
    if let Some(given) = sources.input.take() {
        return Ok((checked(&given)?, From::Input));
    }
    let in_environment = keys::of(sources.env);
    if !in_environment.is_empty() {
        return Ok((checked(&in_environment)?, From::Environment));
    }
    let kept = keys::list(&sources.old);
    if !kept.is_empty() {
        return Ok((kept, From::Kept));
    }
    let Some(person) = sources.person.as_mut() else { return Err(CollectError::NoKey) };
    Ok((ask_for_keys(*person, sources.asks_all)?, From::Typed))
}

fn ask_for_keys(person: &mut dyn Person, asks_all: bool) -> io::Result<Vec<String>> {
    let first = loop {
        match ask(person, "Huawei MaaS API key (not shown): ", Kind::UpstreamKey, true)? {
            Some(key) => break key,
            None => person.tell("One key is needed; the ModelArts console has it.")?,
        }
    };
    let mut keys = vec![first];
    while let Some(key) = if asks_all {
        ask(person, "One more MaaS key, for more speed (Enter: no more): ", Kind::UpstreamKey, true)?
    } else {
        None
    } {
        if keys.contains(&key) {
            person.tell("That one is there already.")?;
        } else {
            keys.push(key);
        }
    }
    Ok(keys)
}

fn checked(keys: &[String]) -> Result<Vec<String>, CollectError> {
    let mut out: Vec<String> = Vec::new();
    for (n, key) in keys.iter().enumerate() {
        let key = Kind::UpstreamKey.check(key).map_err(|unfit| CollectError::UnfitKey(n, unfit))?;
        if !out.contains(&key) {
            out.push(key);
        }
    }
    if out.is_empty() { Err(CollectError::NoKey) } else { Ok(out) }
}

fn made() -> Result<String, CollectError> {
    random().map_err(CollectError::Random)
}
