//! The head of a part: its name, and whether it is a file.

use super::Fault;

/// What a part's head says.
pub(super) struct Named {
    pub(super) name: String,
    pub(super) is_file: bool,
}

/// Reads the head of a part, without the empty line that ends it.
pub(super) fn read(head: &[u8]) -> Result<Named, Fault> {
    let text = std::str::from_utf8(head).map_err(|_| Fault::Head)?;
    let mut found = None;
    for line in text.split("\r\n").filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or(Fault::Head)?;
        if name.trim().eq_ignore_ascii_case("content-disposition")
            && found.replace(disposition(value)?).is_some()
        {
            return Err(Fault::Head);
        }
    }
    found.ok_or(Fault::Head)
}

fn disposition(value: &str) -> Result<Named, Fault> {
    let (kind, rest) = value.split_once(';').ok_or(Fault::Head)?;
    if !kind.trim().eq_ignore_ascii_case("form-data") {
        return Err(Fault::Head);
    }
    let (mut name, mut is_file) = (None, false);
    for (key, value) in params(rest).ok_or(Fault::Head)? {
        match key.as_str() {
            "name" if name.is_none() => name = Some(value),
            "name" | "name*" => return Err(Fault::Head),
            "filename" | "filename*" => is_file = true,
            _ => {}
        }
    }
    Ok(Named { name: name.ok_or(Fault::Head)?, is_file })
}

/// `key=value; key="value"`, keys in lower case; `None` if it is not of that form.
pub(super) fn params(text: &str) -> Option<Vec<(String, String)>> {
    let mut params = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=')?;
        let key = key.trim().to_ascii_lowercase();
        if key.is_empty() || !key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_*".contains(&b)) {
            return None;
        }
        let (value, after) = value(after.trim_start())?;
        params.push((key, value));
        rest = after.trim_start();
        rest = match rest.strip_prefix(';') {
            Some(more) => more.trim_start(),
            None if rest.is_empty() => rest,
            None => return None,
        };
    }
    Some(params)
}

fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        let value = value.trim_end();
        return (!value.is_empty() && !value.contains('"')).then(|| (value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, quoted.get(at + 1..)?)),
            // Only these two are escaped; a path of Windows has backslashes of its own.
            '\\' => match letters.clone().next() {
                Some((_, next @ ('"' | '\\'))) => {
                    value.push(next);
                    letters.next();
                }
                _ => value.push('\\'),
            },
            other => value.push(other),
        }
    }
    None
}
