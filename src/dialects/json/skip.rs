//! Where values end.

use super::{CHARACTER, END, Fault, MAX_DEPTH, syntax, words};
use memchr::memchr2;

/// Where the white space that begins at `at` ends.
#[must_use]
pub fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(at) {
        at += 1;
    }
    at
}

/// Where the string that begins at `at` (with its quote) ends. Only its end is looked for.
///
/// # Errors
/// If it has no end.
pub fn skip_string(bytes: &[u8], at: usize) -> Result<usize, Fault> {
    let mut at = at + 1;
    loop {
        at = match words::first(bytes, at, NEAR_WORDS, |w| words::equal(w, b'"') | words::equal(w, b'\\')) {
            Ok(found) => found,
            Err(far) => match bytes.get(far..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
                Some(found) => far + found,
                None => return Err(syntax(END, bytes.len())),
            },
        };
        if bytes.get(at) == Some(&b'"') {
            return Ok(at + 1);
        }
        at += 2;
    }
}

pub(super) fn skip_strict_string(bytes: &[u8], at: usize) -> Result<(usize, bool), Fault> {
    let mut at = at + 1;
    let mut escaped = false;
    let mark = |w| words::equal(w, b'"') | words::equal(w, b'\\') | words::below(w, 0x20);
    // Most strings are short: the call of a search would cost more than the search.
    match words::first(bytes, at, NEAR_WORDS, mark) {
        Ok(end) if bytes.get(end) == Some(&b'"') => return Ok((end + 1, false)),
        Ok(found) | Err(found) => at = found,
    }
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let plain = memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
        // A fold, not `any`: without the early exit it is vectorised.
        if rest[..plain].iter().fold(false, |bad, b| bad | (*b < 0x20)) {
            let control = rest.iter().position(|b| *b < 0x20).unwrap_or_default();
            return Err(syntax("unescaped control character in string", at + control));
        }
        at += plain;
        match bytes.get(at) {
            Some(b'"') => return Ok((at + 1, escaped)),
            Some(_) => at = skip_escape(bytes, at)?,
            None => return Err(syntax(END, at)),
        }
        escaped = true;
    }
}

fn skip_escape(bytes: &[u8], at: usize) -> Result<usize, Fault> {
    match bytes.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => match bytes.get(at + 2..at + 6) {
            Some(hex) if hex.iter().all(u8::is_ascii_hexdigit) => Ok(at + 6),
            Some(_) => Err(syntax("invalid escaped sequence in string", at)),
            None => Err(syntax(END, bytes.len())),
        },
        Some(_) => Err(syntax("invalid escaped sequence in string", at)),
        None => Err(syntax(END, bytes.len())),
    }
}

/// Where the value that begins at `at` ends.
///
/// # Errors
/// If it is none.
pub fn skip_value(bytes: &[u8], at: usize) -> Result<usize, Fault> {
    match bytes.get(at) {
        Some(b'"') => skip_strict_string(bytes, at).map(|(end, _)| end),
        Some(b'{' | b'[') => skip_container(bytes, at),
        Some(b't') => skip_word(bytes, at, b"true"),
        Some(b'f') => skip_word(bytes, at, b"false"),
        Some(b'n') => skip_word(bytes, at, b"null"),
        Some(b'-' | b'0'..=b'9') => skip_number(bytes, at),
        Some(_) => Err(syntax(CHARACTER, at)),
        None => Err(syntax(END, at)),
    }
}

fn skip_word(bytes: &[u8], at: usize, word: &[u8]) -> Result<usize, Fault> {
    let rest = bytes.get(at..).unwrap_or_default();
    if rest.starts_with(word) {
        return Ok(at + word.len());
    }
    Err(if word.starts_with(rest) { syntax(END, bytes.len()) } else { syntax(CHARACTER, at) })
}

fn skip_digits(bytes: &[u8], at: usize) -> Result<usize, Fault> {
    let digits = bytes.get(at..).unwrap_or_default().iter().take_while(|b| b.is_ascii_digit()).count();
    match digits {
        0 if at >= bytes.len() => Err(syntax(END, at)),
        0 => Err(syntax("invalid number", at)),
        _ => Ok(at + digits),
    }
}

fn skip_number(bytes: &[u8], at: usize) -> Result<usize, Fault> {
    let start = at + usize::from(bytes.get(at) == Some(&b'-'));
    let mut at = skip_digits(bytes, start)?;
    if bytes.get(start) == Some(&b'0') && at > start + 1 {
        return Err(syntax("number with leading zero is not allowed", start));
    }
    if bytes.get(at) == Some(&b'.') {
        at = skip_digits(bytes, at + 1)?;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let sign = matches!(bytes.get(at + 1), Some(b'+' | b'-'));
        at = skip_digits(bytes, at + 1 + usize::from(sign))?;
    }
    Ok(at)
}

fn skip_container(bytes: &[u8], mut at: usize) -> Result<usize, Fault> {
    // One bit a level, set for objects: brackets must match in kind.
    let mut kinds = 0_u128;
    let mut depth = 0_u32;
    loop {
        at = next_mark(bytes, at);
        match bytes.get(at) {
            Some(b'"') => {
                at = skip_string(bytes, at)?;
                continue;
            }
            Some(open @ (b'{' | b'[')) => {
                depth += 1;
                if depth >= MAX_DEPTH {
                    return Err(Fault::TooDeep);
                }
                kinds = kinds << 1 | u128::from(*open == b'{');
            }
            Some(close) => {
                if (kinds & 1 == 1) != (*close == b'}') {
                    return Err(syntax(CHARACTER, at));
                }
                kinds >>= 1;
                depth -= 1;
                if depth == 0 {
                    return Ok(at + 1);
                }
            }
            None => return Err(syntax(END, bytes.len())),
        }
        at += 1;
    }
}

const fn is_mark(byte: u8) -> bool {
    // Bit 0x20 is all that tells `[` from `{` and `]` from `}`.
    let folded = byte | 0x20;
    folded == b'{' || folded == b'}' || byte == b'"'
}

/// So many words are looked at one by one before a search by blocks begins.
const NEAR_WORDS: usize = 4;

/// The next quote or bracket at or after `from`, or the end.
fn next_mark(bytes: &[u8], from: usize) -> usize {
    const BLOCK: usize = 32;
    let mark = |w| {
        let folded = w | words::each(0x20);
        words::equal(folded, b'{') | words::equal(folded, b'}') | words::equal(w, b'"')
    };
    // After a string there are mostly a colon or a comma and the next string.
    let nearest = bytes.get(from..from + 2).unwrap_or_default();
    if let Some(found) = nearest.iter().position(|b| is_mark(*b)) {
        return from + found;
    }
    let mut at = match words::first(bytes, from + nearest.len(), NEAR_WORDS, mark) {
        Ok(found) => return found,
        Err(far) => far,
    };
    for block in bytes.get(at..).unwrap_or_default().chunks_exact(BLOCK) {
        if block.iter().fold(false, |hit, b| hit | is_mark(*b)) {
            break;
        }
        at += BLOCK;
    }
    let far = bytes.get(at..).unwrap_or_default().iter().position(|b| is_mark(*b));
    far.map_or(bytes.len(), |n| at + n)
}

/// How many elements the list has that lies there.
#[must_use]
pub fn elements(body: &[u8], start: usize, end: usize) -> u64 {
    let Some(body) = body.get(..end).filter(|body| body.get(start) == Some(&b'[')) else { return 0 };
    let (mut at, mut count) = (start + 1, 0);
    loop {
        at = skip_space(body, at);
        if body.get(at) == Some(&b']') {
            return count;
        }
        let Ok(next) = skip_value(body, at) else { return count };
        count += 1;
        at = skip_space(body, next);
        match body.get(at) {
            Some(b',') => at += 1,
            _ => return count,
        }
    }
}
