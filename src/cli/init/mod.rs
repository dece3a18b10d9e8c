//! `tollgate init`: makes `.env`, and adds and removes upstream keys in it. No secret is ever shown.

mod arguments;
mod ask;
mod collect;
mod keys;
mod summary;
#[cfg(test)]
mod tests;
mod text;
mod values;
pub(super) mod write;

pub(super) use arguments::{Change, Init};
pub(super) use values::masked;
pub(super) use write::is_open_to_others;

use super::style::{Style, Tone};
use crate::config::Env;
use arguments::{AddKey, Make, RemoveKey};
use ask::{AtTerminal, Person};
use collect::{CollectError, Sources, VARIABLES, Values, collect};
use keys::KeysError;
use std::fs;
use std::io::{self, BufRead, IsTerminal};
use std::path::Path;
use std::process::ExitCode;
use text::Text;
use write::Lock;

/// More keys than this are not read from standard input.
const MOST_LINES: usize = 1000;

/// Why nothing was changed. No text holds a secret.
#[derive(Debug, thiserror::Error)]
enum InitError {
    #[error("{0}")]
    Collect(#[from] CollectError),
    #[error("{0}")]
    Keys(#[from] KeysError),
    #[error("{0}: {1}")]
    File(String, io::Error),
    #[error("standard input: {0}")]
    Input(io::Error),
    #[error("there is no terminal to ask at: use --auto or --ci, or give the upstream keys to --stdin")]
    NoTerminal,
    #[error(
        "{0} is there and stays as it is, but {1}; --force writes it anew, keeping its secrets and a copy"
    )]
    Incomplete(String, String),
    #[error("{0} is not there; make it with tollgate init")]
    Missing(String),
    #[error("no key was given")]
    NoKey,
}

pub(super) fn run(arguments: &Init) -> ExitCode {
    let done = match &arguments.command {
        None => make(&arguments.make),
        Some(Change::AddKey(add)) => add_key(add),
        Some(Change::RemoveKey(remove)) => remove_key(remove),
    };
    match done {
        Ok(text) => super::finish(&text, 0),
        Err(error) => {
            let style = Style::of_stderr();
            let lines = style.wrap(&error.to_string(), 7);
            super::complain(&format!("{} {}\n", style.paint(Tone::Bad, "error:"), lines.join("\n       ")));
            ExitCode::FAILURE
        }
    }
}

fn make(arguments: &Make) -> Result<String, InitError> {
    let file = &arguments.file;
    let old = read(file)?;
    if let Some(old) = old.as_ref().filter(|_| !arguments.force) {
        return keep(file, old);
    }
    let env = Env::of_process_alone();
    let input = if arguments.stdin { Some(lines_of_input()?) } else { None };
    let can_ask = io::stdin().is_terminal() && !arguments.ci && !arguments.stdin;
    if !can_ask && !arguments.ci && !arguments.auto && !arguments.stdin {
        return Err(InitError::NoTerminal);
    }
    let mut person = AtTerminal;
    if can_ask {
        let words = "This makes .env with all that the stack needs. What you type for a key or a password is not shown.";
        super::complain(&format!("{}\n\n", Style::of_stderr().wrap(words, 0).join("\n")));
    }
    let values = collect(Sources {
        env: &env,
        old: old.clone().unwrap_or_default(),
        input,
        person: if can_ask { Some(&mut person as &mut dyn Person) } else { None },
        asks_all: can_ask && !arguments.auto,
    })?;
    let text = fill(old.clone(), &values);
    let lock = Lock::beside(file).map_err(|error| fault(file, error))?;
    let copy = match old {
        Some(_) => Some(write::back_up(file, &lock).map_err(|error| fault(file, error))?),
        None => None,
    };
    write::replace(file, text.as_str(), &lock).map_err(|error| fault(file, error))?;
    Ok(summary::made(Style::of_stdout(), file, &values, copy.as_deref()))
}

/// A file that is there stays; whether that will do is told.
fn keep(file: &Path, old: &Text) -> Result<String, InitError> {
    let mut lacks = Vec::new();
    let values = old.values();
    for variable in VARIABLES.iter().take(3) {
        let value = values.filled(variable.name).unwrap_or_default();
        if let Err(unfit) = values::in_use(value) {
            lacks.push(format!("{}: {unfit}", variable.name));
        }
    }
    if keys::list(old).is_empty() {
        lacks.push("it has no HUAWEI_MAAS_API_KEY".to_owned());
    }
    if is_open_to_others(file).map_err(|error| fault(file, error))? {
        lacks.push("others can read it (chmod 600)".to_owned());
    }
    if lacks.is_empty() {
        let unset = VARIABLES.iter().map(|variable| variable.name);
        let unset: Vec<_> = unset.filter(|name| values.filled(name).is_none()).collect();
        return Ok(summary::kept(Style::of_stdout(), file, &keys::list(old), &unset));
    }
    Err(InitError::Incomplete(file.display().to_string(), lacks.join("; ")))
}

/// The new text: the old one with these values, or a new one.
fn fill(old: Option<Text>, values: &Values) -> Text {
    let mut text = old.unwrap_or_else(|| {
        let mut fresh = "# Secrets and settings of tollgate and its stack; for your eyes only.\n".to_owned();
        for (variable, (value, _)) in VARIABLES.iter().zip(&values.values) {
            fresh.push_str(&format!("\n# {}\n{}=\"{value}\"\n", variable.comment, variable.name));
        }
        Text::new(fresh)
    });
    for (variable, (value, _)) in VARIABLES.iter().zip(&values.values) {
        if text.values().get(variable.name) != Some(value) || !text.has(variable.name) {
            text.set(variable.name, value, "");
        }
    }
    keys::put(&mut text, &values.keys);
    text
}

fn add_key(arguments: &AddKey) -> Result<String, InitError> {
    let key = if io::stdin().is_terminal() {
        AtTerminal.answer("New MaaS key (not shown): ", true).map_err(InitError::Input)?
    } else {
        lines_of_input()?.into_iter().next().unwrap_or_default()
    };
    if key.trim().is_empty() {
        return Err(InitError::NoKey);
    }
    change(&arguments.file, |text| keys::add(text, &key).map(drop))
}

fn remove_key(arguments: &RemoveKey) -> Result<String, InitError> {
    change(&arguments.file, |text| keys::remove(text, arguments.number))
}

fn change(file: &Path, change: impl Fn(&mut Text) -> Result<(), KeysError>) -> Result<String, InitError> {
    let lock = Lock::beside(file).map_err(|error| fault(file, error))?;
    let mut text = read(file)?.ok_or_else(|| InitError::Missing(file.display().to_string()))?;
    change(&mut text)?;
    write::replace(file, text.as_str(), &lock).map_err(|error| fault(file, error))?;
    Ok(summary::changed(Style::of_stdout(), file, &keys::list(&text)))
}

fn read(file: &Path) -> Result<Option<Text>, InitError> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(Text::new(text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(fault(file, error)),
    }
}

fn lines_of_input() -> Result<Vec<String>, InitError> {
    let mut lines = Vec::new();
    for line in io::stdin().lock().lines().take(MOST_LINES) {
        let line = line.map_err(InitError::Input)?;
        if !line.trim().is_empty() {
            lines.push(line.trim().to_owned());
        }
    }
    Ok(lines)
}

fn fault(file: &Path, error: io::Error) -> InitError {
    InitError::File(file.display().to_string(), error)
}
