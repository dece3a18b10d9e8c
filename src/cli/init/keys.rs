//! The pool of MaaS keys in a `.env` text: the main key, the numbered ones, and their count.

use super::text::Text;
use super::values::{Kind, Unfit};
use crate::config::Env;

const MAIN: &str = "HUAWEI_MAAS_API_KEY";
const COUNT: &str = "HUAWEI_MAAS_API_KEY_COUNT";
const EXTRA: &str = "HUAWEI_MAAS_EXTRA_API_KEYS";
const MOST: usize = 1000;

/// Why the keys stay as they are. No text holds a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeysError {
    #[error("this key is not taken: {0}")]
    Unfit(#[from] Unfit),
    #[error("this key is there already, as number {0}")]
    Known(usize),
    #[error("there is no key number {0}; the last one is {1}")]
    None(usize, usize),
    #[error("this is the only key; add another one first")]
    Last,
    #[error("there are 1000 keys, which is as many as can be")]
    Full,
}

/// All keys of the file, by number; placeholders are none.
pub(super) fn list(text: &Text) -> Vec<String> {
    let is_placeholder = |key: &String| Kind::UpstreamKey.check(key) == Err(Unfit::Placeholder);
    of(&text.values()).into_iter().filter(|key| !is_placeholder(key)).collect()
}

/// All keys of an environment, each once.
pub(super) fn of(values: &Env) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    let mut add = |key: &str| {
        if !keys.iter().any(|known| known == key) {
            keys.push(key.to_owned());
        }
    };
    for n in 0..MOST {
        let Some(key) = values.filled(&numbered(n)) else { break };
        add(key);
    }
    values.filled(MAIN).into_iter().for_each(&mut add);
    let extra = values.filled(EXTRA).unwrap_or_default();
    extra.split(',').map(str::trim).filter(|key| !key.is_empty()).for_each(&mut add);
    keys
}

/// Adds a key behind all others; its number.
pub(super) fn add(text: &mut Text, key: &str) -> Result<usize, KeysError> {
    let key = Kind::UpstreamKey.check(key)?;
    let mut keys = list(text);
    if let Some(number) = keys.iter().position(|known| *known == key) {
        return Err(KeysError::Known(number));
    }
    if keys.len() >= MOST {
        return Err(KeysError::Full);
    }
    keys.push(key);
    put(text, &keys);
    Ok(keys.len() - 1)
}

/// Removes a key; those behind it move up by one.
pub(super) fn remove(text: &mut Text, number: usize) -> Result<(), KeysError> {
    let mut keys = list(text);
    if number >= keys.len() {
        return Err(KeysError::None(number, keys.len().saturating_sub(1)));
    }
    if keys.len() == 1 {
        return Err(KeysError::Last);
    }
    keys.remove(number);
    put(text, &keys);
    Ok(())
}

/// Writes just these keys, the first as the main one.
pub(super) fn put(text: &mut Text, keys: &[String]) {
    let Some(main) = keys.first() else { return };
    text.set(MAIN, main, "");
    text.set(COUNT, &keys.len().to_string(), MAIN);
    for (n, key) in keys.iter().enumerate() {
        let beside = if n == 0 { COUNT.to_owned() } else { numbered(n - 1) };
        text.set(&numbered(n), key, &beside);
    }
    for n in keys.len()..MOST {
        if text.has(&numbered(n)) {
            text.remove(&numbered(n));
        }
    }
    text.remove(EXTRA);
}

fn numbered(n: usize) -> String {
    format!("{MAIN}_{n}")
}
