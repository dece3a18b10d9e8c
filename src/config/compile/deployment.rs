//! One deployment: where it is, whose it is, and with which key it is asked.

use super::super::field::{Field, Report, Section};
use super::super::tree::{Node, Value};
use super::super::{Env, Place, python};
use super::provider::{self, Meaning};
use super::{is_placeholder, params, prices, shown};
use crate::dialects::openai::OpenAi;
use crate::dialects::{Auth, Dialect};
use crate::domain::{HostPort, Scheme, Secret, TargetId};
use crate::providers::catalog::{Facts, ImagePrice};
use crate::providers::compatible::Row;
use crate::providers::site::Placed;
use crate::providers::vertex;
use crate::providers::{Base, Catalog, LocalServer, ModelInfo, Target, Weights};

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

    /// What is known of the model: by `base_model` if that is set, else by its name.
    fn facts(&self, meaning: &Meaning, report: &mut Report) -> Facts {
        let named = self.info.field("base_model").or_else(|| self.params.field("base_model"));
        let found = match named.as_ref().and_then(|field| field.text(report).map(|name| (field, name))) {
            Some((field, name)) => {
                let found = self.catalog.named(&name);
                if found.is_none() {
                    report.warn(field.place(), "nothing is known of this model");
                }
                found
            }
            None => self.catalog.find(&meaning.provider, &meaning.model),
        };
        found.unwrap_or_default()
    }

    fn meaning(&self, model: &Field<'_>, report: &mut Report) -> Option<Meaning> {
        let text = model.text(report)?;
        let custom = self.params.field("custom_llm_provider").and_then(|f| f.text(report));
        Some(provider::read(text.trim(), custom.as_deref(), self.base().is_some()))
    }

    fn base(&self) -> Option<Field<'_>> {
        let field = |key| self.params.field(key).filter(|field| !field.is_blank());
        field("api_base").or_else(|| field("base_url"))
    }

    /// Where the deployment is; if that cannot be told, `meaning` says why it is not served.
    fn address(&self, meaning: &mut Meaning, report: &mut Report) -> Address {
        if meaning.unserved.is_some() {
            return nowhere();
        }
        if self.base_is_unset {
            meaning.unserved = Some("its api_base is a variable that is not set".to_owned());
            return nowhere();
        }
        let (text, place) = match (self.base(), meaning.row) {
            (Some(field), _) => (field.text(report), field.place()),
            (None, Some(row)) => match self.env.first_filled(row.base_env) {
                Some((name, value)) => (Some(value.to_owned()), Place::named(name)),
                None => (row.base.map(str::to_owned), self.place.clone()),
            },
            (None, None) => (None, self.place.clone()),
        };
        let Some(text) = text else {
            meaning.unserved = Some(format!("the provider \"{}\" needs an api_base", meaning.provider));
            return nowhere();
        };
        self.parsed(&text, place, meaning.row, report)
    }

    fn parsed(&self, text: &str, place: Place, row: Option<&'static Row>, report: &mut Report) -> Address {
        match Base::parse(text) {
            Ok(base) => {
                Address { path: base_path(&base, row), origin: base.origin, text: text.trim().to_owned() }
            }
            Err(why) => {
                report.fault(place, why);
                nowhere()
            }
        }
    }

    /// Where it is, of a provider that finds out itself; if that fails, `meaning` says why it is not served.
    fn placed(&self, meaning: &mut Meaning) -> Option<Placed> {
        let site = meaning.row?.site?;
        if self.base_is_unset {
            return None;
        }
        let own = |name: &str| {
            let field = self.params.field(name).filter(|field| !field.is_blank())?;
            Some(match &field.node().value {
                Value::Map(_) => field.node().to_json().to_string(),
                _ => python::str_of(field.node()),
            })
        };
        let param = |name: &str, env: &[&str]| {
            let given =
                own(name).or_else(|| env.iter().find_map(|name| self.env.filled(name)).map(str::to_owned));
            if name == vertex::CREDENTIALS { given.map(contents) } else { given }
        };
        match site.place(&meaning.model, &param) {
            Ok(placed) => {
                meaning.model.clone_from(&placed.model);
                Some(placed)
            }
            Err(why) => {
                meaning.unserved = Some(why);
                None
            }
        }
    }

    /// A key that stands in a header must be fit for it.
    fn sendable(&self, key: Option<Secret>, auth: Auth, report: &mut Report) -> Option<Secret> {
        let stays = matches!(auth, Auth::Signed(_) | Auth::Lent);
        let shown = key.filter(|key| stays || params::is_header_value(key.expose()));
        if shown.is_none() {
            report.warn(self.place.clone(), "no key that a header can carry: asked without one");
        }
        shown
    }

    /// The upstream key: of the entry, else of the provider's variable.
    fn key(&self, row: Option<&'static Row>, report: &mut Report) -> Option<Secret> {
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

    fn model_id(&self, report: &mut Report) -> String {
        let fixed = self.info.field("id").and_then(|f| f.text(report)).filter(|id| !id.trim().is_empty());
        fixed.unwrap_or_else(|| {
            let members = self.params.node().map(Node::entries).unwrap_or_default();
            python::model_id(self.group, members.iter().map(|entry| (entry.key.as_str(), &entry.node)))
        })
    }
}

/// Longest file of credentials, in bytes.
const LONGEST_FILE: u64 = 64 * 1024;

/// What a file holds, if a text is the path of one that can be read; else the text.
fn contents(text: String) -> String {
    let is_file = |facts: std::fs::Metadata| facts.is_file() && facts.len() <= LONGEST_FILE;
    if text.trim_start().starts_with('{') || !std::fs::metadata(text.trim()).is_ok_and(is_file) {
        return text;
    }
    std::fs::read_to_string(text.trim()).unwrap_or(text)
}

/// An entry without `order` comes after those that have one.
const DEFAULT_ORDER: i64 = i64::MAX;

struct Address {
    origin: HostPort,
    path: String,
    text: String,
}

/// The path that the dialect's own are appended to. Bases are also written with the whole path of a chat.
fn base_path(base: &Base, row: Option<&'static Row>) -> String {
    let Some(row) = row else { return base.path.clone() };
    let mut base = base.clone();
    if let Some((_, chat)) = row.dialect.relays().first()
        && let Some(before) = base.path.strip_suffix(chat)
    {
        base.path = before.to_owned();
    }
    if let Some(before) = row.cut.iter().find_map(|end| base.path.strip_suffix(end)) {
        base.path = before.to_owned();
    }
    base.path_ending_in(row.suffix)
}

/// Where a deployment is that cannot be called; `.invalid` never resolves.
fn nowhere() -> Address {
    let origin = HostPort { scheme: Scheme::Https, host: "unserved.invalid".to_owned(), port: 443 };
    Address { origin, path: String::new(), text: String::new() }
}

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

/// Modes whose endpoints are served.
const SERVED: [&str; 12] = [
    "chat",
    "completion",
    "embedding",
    "audio_speech",
    "audio_transcription",
    "image_generation",
    "image_edit",
    "moderation",
    "rerank",
    "batch",
    "responses",
    "realtime",
];

fn model_info(
    params: &Section<'_>,
    info: &Section<'_>,
    (facts, images): (Facts, Vec<ImagePrice>),
    report: &mut Report,
) -> ModelInfo {
    let own = prices::compile(params, info, report);
    let images = if own.is_some() { Vec::new() } else { images };
    let prices = own.or(facts.prices);
    report.lenient(|report| {
        let mode = info.field("mode").and_then(|f| {
            let mode = f.text(report)?;
            if !SERVED.contains(&mode.as_str()) {
                report.warn(f.place(), format!("the endpoints of mode \"{mode}\" are not served yet"));
            }
            Some(mode)
        });
        ModelInfo {
            mode: mode.or(facts.mode),
            max_input_tokens: info
                .field("max_input_tokens")
                .and_then(|f| f.count(report))
                .or(facts.max_input_tokens),
            max_output_tokens: info
                .field("max_output_tokens")
                .and_then(|f| f.count(report))
                .or(facts.max_output_tokens),
            max_tokens: info.field("max_tokens").and_then(|f| f.count(report)),
            prices,
            images,
            access_groups: info.field("access_groups").map(|f| f.texts(report)).unwrap_or_default(),
            raw: info.node().map(shown::info).unwrap_or_default(),
            params: shown::params(params),
            is_stored: false,
        }
    })
}
