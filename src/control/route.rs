//! A row of the permission table.

use super::verbs::Verbs;
use crate::auth::Access;

/// A row of the table. A path may have several rows, each with methods of its own.
pub struct Route {
    /// axum's pattern.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
    pub(super) handler: fn() -> Verbs,
}
