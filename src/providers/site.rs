//! Providers whose address, or whose credentials, are made of several parameters.

use crate::dialects::{Auth, Dialect};
use crate::domain::Secret;
use std::fmt;

/// A parameter of the entry, else the first of these variables that is filled.
pub type Param<'a> = dyn Fn(&str, &[&str]) -> Option<String> + 'a;

/// Where a deployment is, and how it is asked.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Origin and path, as an `api_base`.
    pub base: String,
    /// What follows every path; empty or with its question mark.
    pub query: String,
    /// How it is shown its key.
    pub auth: Auth,
    /// The key.
    pub key: Option<Secret>,
    /// What is asked for there.
    pub model: String,
    /// What is spoken there, if not what the provider's row says.
    pub dialect: Option<&'static dyn Dialect>,
}

/// Finds out where a deployment is.
pub trait Site: Send + Sync {
    /// Reads the parameters of a deployment of this model.
    ///
    /// # Errors
    /// Why it cannot be served, without quoting a credential.
    fn place(&self, model: &str, param: &Param<'_>) -> Result<Placed, String>;
}

impl fmt::Debug for dyn Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("site")
    }
}
