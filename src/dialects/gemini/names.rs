//! Names of members: Google takes each in two spellings.

use serde_json::{Map, Value};
use std::borrow::Cow;

/// `generation_config` as `generationConfig`.
pub(super) fn camel(name: &str) -> Cow<'_, str> {
    if !name.contains('_') {
        return Cow::Borrowed(name);
    }
    let mut out = String::with_capacity(name.len());
    let mut raise = false;
    for letter in name.trim_start_matches('_').chars() {
        match letter {
            '_' => raise = true,
            letter if std::mem::take(&mut raise) => out.push(letter.to_ascii_uppercase()),
            letter => out.push(letter),
        }
    }
    Cow::Owned(out)
}

/// An object whose own names are all of the first spelling; what is in its members stays as it is.
pub(super) fn camels(map: Map<String, Value>) -> Map<String, Value> {
    if map.keys().all(|name| !name.contains('_')) {
        return map;
    }
    map.into_iter().map(|(name, value)| (camel(&name).into_owned(), value)).collect()
}
