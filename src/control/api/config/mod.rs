//! `/config/*`: the file that is served.

pub(in crate::control) mod reload;
