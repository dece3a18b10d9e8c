//! One deployment: where it is, whose it is, and with which key it is asked.

mod address;
mod info;
mod key;

use super::params;
use super::provider::{self, Meaning};
use crate::config::field::{Field, Report, Section};
use crate::config::tree::{Node, Value};
use crate::config::{Env, Place, python};
use crate::dialects::openai::OpenAi;
use crate::dialects::{Auth, Dialect};
use crate::domain::TargetId;
use crate::providers::compatible::Row;
use crate::providers::{Catalog, LocalServer, Target, Weights};
use info::model_info;

/// An entry with one key, its environment resolved.
pub(super) struct Deployment<'a> {
    pub(super) group: &'a str,
    pub(super) params: &'a Section<'a>,
    pub(super) info: &'a Section<'a>,
    pub(super) place: Place,
    pub(super) env: &'a Env,
    pub(super) catalog: &'a Catalog,
    pub(super) slots: Option<u32>,
    /// The base is written but has no value.
    pub(super) base_is_unset: bool,
}

impl Deployment<'_> {
    /// The compiled deployment; `None` after a fault that leaves nothing to compile.
    pub(super) fn target(&self, report: &mut Report) -> Option<Target> {
        let Some(model) = self.params.field("model") else {
            report.fault(self.place.clone(), "model is missing");
            return None;
        };
        let mut meaning = self.meaning(&model, report)?;
        let placed = self.placed(&mut meaning);
        let address = match &placed {
            Some(placed) => self.parsed(&placed.base, self.place.clone(), meaning.row, report),
            None => self.address(&mut meaning, report),
        };
        let dialect = placed.as_ref().and_then(|placed| placed.dialect);
        let dialect = dialect.or(meaning.row.map(|row| row.dialect)).unwrap_or(&OpenAi as &dyn Dialect);
        if let Some(why) = &meaning.unserved {
            report.warn(model.place(), format!("listed, but calls are refused: {why}"));
        } else if let Some(note) = &meaning.note {
            report.warn(model.place(), note.as_str());
        }
        let (key, auth, query) = match placed {
            Some(placed) => (self.sendable(placed.key, placed.auth, report), placed.auth, placed.query),
            None if meaning.unserved.is_some() => (None, Auth::Bearer, String::new()),
            None => (self.key(meaning.row, report), dialect.auth(), String::new()),
        };
        let facts = self.facts(&meaning, report);
        let images = match facts.mode.as_deref() {
            Some("image_generation" | "image_edit") => self.catalog.images(&meaning.provider, &meaning.model),
            _ => Vec::new(),
        };
        let provider = meaning.provider;
        let server = self.server(&provider, report);
        let of_responses =
            self.info.field("mode").is_some_and(|mode| mode.node().text() == Some("responses"));
        let at_home = |row: &Row| row.has_responses_at(&address.origin, &address.path);
        let offers = params::Offers {
            stream_options: meaning.row.is_none_or(|row| row.takes_stream_options),
            responses: of_responses || meaning.row.is_some_and(at_home),
        };
        Some(Target {
            id: TargetId::new(&self.model_id(report)),
            group: self.group.to_owned(),
            api_key: key,
            dialect,
            query,
            auth,
            provider,
            model: meaning.model,
            origin: address.origin,
            base_path: address.path,
            api_base: address.text,
            server,
            is_placed: self.base().is_some(),
            weights: weights(self.params, report),
            order: self
                .params
                .field("order")
                .and_then(|f| f.number(report))
                .map_or(DEFAULT_ORDER, whole_order),
            params: params::compile(self.params, offers, self.slots, report),
            info: model_info(self.params, self.info, (facts, images), report),
            unserved: meaning.unserved,
        })
    }

    /// What kind of server it is: as `model_info.local_server` has it, else by its provider.
    fn server(&self, provider: &str, report: &mut Report) -> Option<LocalServer> {
        let Some(field) = self.info.field("local_server") else { return LocalServer::of_provider(provider) };
        if field.node().value == Value::Bool(false) {
            return None;
        }
        let name = field.text(report)?;
        let server = LocalServer::named(&name);
        if server.is_none() && name != "off" {
            let names = LocalServer::NAMES.join(", ");
            report
                .fault(field.place(), format!("\"{name}\" is no kind of server; there are {names} and off"));
        }
        server
    }

    fn meaning(&self, model: &Field<'_>, report: &mut Report) -> Option<Meaning> {
        let text = model.text(report)?;
        let custom = self.params.field("custom_llm_provider").and_then(|f| f.text(report));
        Some(provider::read(text.trim(), custom.as_deref(), self.base().is_some()))
    }

    fn model_id(&self, report: &mut Report) -> String {
        let fixed = self.info.field("id").and_then(|f| f.text(report)).filter(|id| !id.trim().is_empty());
        fixed.unwrap_or_else(|| {
            let members = self.params.node().map(Node::entries).unwrap_or_default();
            python::model_id(self.group, members.iter().map(|entry| (entry.key.as_str(), &entry.node)))
        })
    }
}

/// An entry without `order` comes after those that have one.
const DEFAULT_ORDER: i64 = i64::MAX;

fn weights(params: &Section<'_>, report: &mut Report) -> Weights {
    let weight = params.field("weight").and_then(|f| {
        let weight = f.number(report).filter(|w| *w >= 0.0);
        if weight.is_none() {
            report.fault(f.place(), "a weight is not negative");
        }
        weight
    });
    Weights {
        weight,
        rpm: params.field("rpm").and_then(|f| f.count(report)),
        tpm: params.field("tpm").and_then(|f| f.count(report)),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "an order is a small whole number; others are cut to it")]
fn whole_order(order: f64) -> i64 {
    order as i64
}
