//! Pools of keys: one variable in the file that stands for several keys in the environment.
//!
//! `X_API_KEY` is a pool if `X_API_KEY_COUNT`, `X_API_KEY_0` or `X_EXTRA_API_KEYS` is set. It holds
//! `_0` to `_{COUNT-1}`, then the comma-separated extra ones, then the variable's own value, each
//! value once. An entry that uses the variable becomes one deployment for each.

use super::super::field::Report;
use super::super::{Env, Place};
use super::is_placeholder;

const MOST_KEYS: usize = 1000;

/// The keys of a pool; `None` if the variable is no pool, and no keys after a fault.
pub(super) fn keys(variable: &str, env: &Env, report: &mut Report) -> Option<Vec<String>> {
    let count_name = format!("{variable}_COUNT");
    let extra_name = variable.strip_suffix("_API_KEY").map(|stem| format!("{stem}_EXTRA_API_KEYS"));
    let extra = extra_name.as_deref().and_then(|name| env.filled(name));
    let count = env.filled(&count_name);
    if count.is_none() && extra.is_none() && env.filled(&format!("{variable}_0")).is_none() {
        return None;
    }
    let mut keys = Keys { values: Vec::new(), report };
    match count {
        Some(text) => keys.counted(variable, text, &count_name, env),
        None => keys.contiguous(variable, env),
    }
    let extras = extra.unwrap_or_default().split(',').map(str::trim).filter(|key| !key.is_empty());
    extras.for_each(|key| keys.add(extra_name.as_deref().unwrap_or_default(), key));
    if let Some(own) = env.filled(variable) {
        keys.add(variable, own);
    }
    if keys.values.is_empty() {
        keys.fault(variable, "a pool without any key");
    }
    Some(keys.values)
}

struct Keys<'a> {
    values: Vec<String>,
    report: &'a mut Report,
}

impl Keys<'_> {
    fn counted(&mut self, variable: &str, count: &str, count_name: &str, env: &Env) {
        let Some(count) = count.parse().ok().filter(|count| *count <= MOST_KEYS) else {
            self.fault(count_name, &format!("wants a whole number up to {MOST_KEYS}"));
            return;
        };
        for i in 0..count {
            let name = format!("{variable}_{i}");
            match env.filled(&name) {
                Some(key) => self.add(&name, key),
                None => self.fault(&name, &format!("not set, although {count_name} is {count}")),
            }
        }
    }

    fn contiguous(&mut self, variable: &str, env: &Env) {
        for i in 0..MOST_KEYS {
            let name = format!("{variable}_{i}");
            let Some(key) = env.filled(&name) else { break };
            self.add(&name, key);
        }
    }

    fn add(&mut self, name: &str, key: &str) {
        if is_placeholder(key) {
            self.fault(name, "still the placeholder of the documentation");
        } else if !self.values.iter().any(|known| known == key) {
            self.values.push(key.to_owned());
        }
    }

    fn fault(&mut self, name: &str, message: &str) {
        let known = self.report.errors.iter().any(|e| e.place.path == name && e.message == message);
        if !known {
            self.report.fault(Place::named(name), message);
        }
    }
}
