//! Forms (`multipart/form-data`) as bytes come, without I/O: what their fields say and where, and what is to be
//! changed in them on the way.
//!
//! Nothing is held but the text of short fields and the beginning of files. A form that two readers could take for
//! two different ones (a field that decides something said twice, a name given twice) is refused.

mod head;
mod patch;
mod scan;
#[cfg(test)]
mod tests;

pub use patch::{Patch, Patcher};
pub use scan::{Fault, Part, Place, Scan};

/// Longest boundary that RFC 2046 allows.
const LONGEST_BOUNDARY: usize = 70;

/// The boundary that a `Content-Type` of `multipart/form-data` names.
#[must_use]
pub fn boundary(content_type: &str) -> Option<String> {
    let (kind, rest) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let mut found = None;
    for (name, value) in head::params(rest)? {
        if name == "boundary" && found.replace(value).is_some() {
            return None;
        }
    }
    found.filter(|text| is_boundary(text))
}

/// The characters that a boundary may have, and no space at its end.
fn is_boundary(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&b);
    (1..=LONGEST_BOUNDARY).contains(&text.len()) && text.bytes().all(allowed) && !text.ends_with(' ')
}

/// The `Content-Type` of a form with this boundary.
#[must_use]
pub fn content_type(boundary: &str) -> String {
    format!("multipart/form-data; boundary=\"{boundary}\"")
}

/// A field as it stands in a form, from its delimiter to the next one.
#[must_use]
pub fn field(boundary: &str, name: &str, value: &str) -> String {
    let name = name.replace(['"', '\\', '\r', '\n'], "_");
    format!("--{boundary}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
}
