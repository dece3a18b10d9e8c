//! With which key a deployment is asked.

use super::Deployment;
use crate::config::compile::{is_placeholder, params};
use crate::config::field::{Field, Report};
use crate::dialects::Auth;
use crate::domain::Secret;
use crate::providers::compatible::Row;

impl Deployment<'_> {
    /// A key that stands in a header must be fit for it.
    pub(super) fn sendable(&self, key: Option<Secret>, auth: Auth, report: &mut Report) -> Option<Secret> {
        let stays = matches!(auth, Auth::Signed(_) | Auth::Lent);
        let shown = key.filter(|key| stays || params::is_header_value(key.expose()));
        if shown.is_none() {
            report.warn(self.place.clone(), "no key that a header can carry: asked without one");
        }
        shown
    }

    /// The upstream key: of the entry, else of the provider's variable.
    pub(super) fn key(&self, row: Option<&'static Row>, report: &mut Report) -> Option<Secret> {
        let field = self.params.field("api_key");
        let place = field.as_ref().map_or_else(|| self.place.clone(), Field::place);
        let own = field.filter(|field| !field.is_blank()).and_then(|field| field.text(report));
        let text = own.or_else(|| self.fallback_key(row, report))?;
        if is_placeholder(&text) {
            report.warn(place.clone(), "the key is still the placeholder of the documentation");
        }
        if !params::is_header_value(&text) {
            report.fault(place, "the key holds characters that no header can carry");
            return None;
        }
        Secret::new(&text)
    }

    fn fallback_key(&self, row: Option<&'static Row>, report: &mut Report) -> Option<String> {
        let row = row?;
        let Some((name, value)) = self.env.first_filled(row.key_env) else {
            if row.base.is_some_and(|base| base.starts_with("https:")) {
                let names = row.key_env.join(" or ");
                report.warn(
                    self.place.clone(),
                    format!("no api_key, and {names} is not set: asked without one"),
                );
            }
            return None;
        };
        if let Some(base) = self.base() {
            report.warn(base.place(), format!("no api_key of its own: {name} is sent to this api_base"));
        }
        Some(value.to_owned())
    }
}
