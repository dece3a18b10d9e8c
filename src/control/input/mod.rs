//! What an admin call brings along, read the way FastAPI reads it: wrong types are a 422 that names them,
//! unknown members are ignored.

mod body;
mod caller;
mod field;
mod params;
mod refusal;
mod value;

pub(super) use body::{Input, MaybeInput};
pub(super) use caller::Caller;
pub(super) use field::{Field, need, read, want};
pub(super) use params::{Asked, Params};
pub(super) use refusal::{Answer, Refusal};
pub(super) use value::Kind;

/// Longest id or alias, in bytes: what an index of every database takes.
const LONGEST_ID: usize = 512;

/// Refuses an id that could pass for two, or that an index cannot hold.
pub(super) fn check_id(name: &str, id: &str) -> Result<(), Refusal> {
    if id.len() > LONGEST_ID || id.chars().any(char::is_control) {
        let words = format!("{name} wants at most {LONGEST_ID} bytes and no control characters");
        return Err(Refusal::bad(words).of(name));
    }
    Ok(())
}
