//! `/key/*`: virtual keys, made, shown, changed and ended. A file for each verb.
//!
//! A key is named by itself or by its digest everywhere. It is shown once, by the call that makes it;
//! what is stored is its digest.

pub(in crate::control) mod aliases;
pub(in crate::control) mod block;
pub(in crate::control) mod bulk;
mod change;
pub(in crate::control) mod delete;
mod form;
pub(in crate::control) mod generate;
pub(in crate::control) mod health;
pub(in crate::control) mod info;
mod inherit;
mod keeper;
pub(in crate::control) mod list;
pub(in crate::control) mod regenerate;
pub(in crate::control) mod reset;
mod rows;
mod stored;
mod terms;
#[cfg(test)]
mod tests;
pub(in crate::control) mod update;
mod values;

use keeper::Keeper;
use stored::Stored;
