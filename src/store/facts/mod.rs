//! From documents to what a request needs to know.

mod ask;
mod rows;
mod values;

pub use values::Facts;

/// The id of a user within a team.
#[must_use]
pub fn member_id(user: &str, team: &str) -> String {
    [user, "\n", team].concat()
}
