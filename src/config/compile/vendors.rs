//! Providers whose own API is passed through below `/{provider}`: those that a deployment says so of, and those
//! whose key stands in the environment, as with LiteLLM.

use super::super::Env;
use crate::dialects::{Auth, Signer};
use crate::domain::{HostPort, Money, Secret};
use crate::providers::compatible::{self, Row};
use crate::providers::{Base, Catalog, Passage, Target, Vendor};
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue, Method};
use std::sync::Arc;

/// Each with the path it is served below.
const ALL: [(&str, &str); 8] = [
    ("/anthropic", "anthropic"),
    ("/bedrock", "bedrock"),
    ("/cohere", "cohere"),
    ("/gemini", "gemini"),
    ("/mistral", "mistral"),
    ("/ollama", "ollama"),
    ("/openai", "openai"),
    ("/vllm", "hosted_vllm"),
];
/// Other prefixes of the same providers.
const SAME: [(&str, &str); 3] =
    [("bedrock_converse", "bedrock"), ("cohere_chat", "cohere"), ("ollama_chat", "ollama")];
const METHODS: [Method; 6] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// Where a provider is, and how it is asked.
struct Place {
    origin: HostPort,
    path: String,
    text: String,
    auth: Auth,
    key: Option<Secret>,
    headers: Vec<(String, Secret)>,
}

/// Adds those that can be served; paths of the operator's own come first.
pub(super) fn add(passages: &mut Vec<Arc<Passage>>, targets: &[Arc<Target>], env: &Env, catalog: &Catalog) {
    for (path, provider) in ALL {
        let Some(row) = compatible::find(provider) else { continue };
        if passages.iter().any(|passage| passage.path == path) {
            continue;
        }
        let place = of_deployment(provider, targets).or_else(|| of_environment(row, env));
        passages.extend(place.and_then(|place| passage(path, row, place, catalog)).map(Arc::new));
    }
}

fn of_deployment(provider: &str, targets: &[Arc<Target>]) -> Option<Place> {
    let is_of = |target: &&Arc<Target>| {
        let own = SAME.iter().find(|(same, _)| *same == target.provider).map(|(_, family)| *family);
        target.params.use_in_pass_through
            && target.unserved.is_none()
            && own.unwrap_or(&target.provider) == provider
    };
    targets.iter().find(is_of).map(|target| Place {
        origin: target.origin.clone(),
        path: target.base_path.clone(),
        text: target.api_base.clone(),
        auth: target.auth,
        key: target.api_key.clone(),
        headers: target.params.extra_headers.clone(),
    })
}

fn of_environment(row: &Row, env: &Env) -> Option<Place> {
    let set = |names: &[&'static str]| {
        names.iter().find(|name| env.is_set(name)).and_then(|name| env.filled(name)).map(str::to_owned)
    };
    let (text, auth, key) = match row.site {
        Some(site) => {
            let param =
                |_: &str, names: &[&str]| names.iter().find_map(|name| env.filled(name)).map(str::to_owned);
            let placed = site.place("", &param).ok()?;
            (placed.base, placed.auth, placed.key)
        }
        None => {
            let (key, base) = (set(row.key_env), set(row.base_env));
            if key.is_none() && base.is_none() {
                return None;
            }
            let key = key.as_deref().and_then(Secret::new);
            (base.or_else(|| row.base.map(str::to_owned))?, row.dialect.auth(), key)
        }
    };
    let base = Base::parse(&text).ok()?;
    Some(Place { origin: base.origin, path: base.path, text, auth, key, headers: Vec::new() })
}

fn passage(path: &str, row: &'static Row, place: Place, catalog: &Catalog) -> Option<Passage> {
    let Place { origin, path: target_path, text: target, auth, key, headers: extra } = place;
    let mut shown = extra;
    let mut signer: Option<(&'static dyn Signer, Secret)> = None;
    match (auth, key) {
        (Auth::Bearer, Some(key)) => {
            let value = Secret::new(&format!("Bearer {}", key.expose()))?;
            shown.push((AUTHORIZATION.as_str().to_owned(), value));
        }
        (Auth::Header(name), Some(key)) => shown.push((name.to_owned(), key)),
        (Auth::Signed(own), Some(key)) => signer = Some((own, key)),
        (Auth::Lent, _) => return None,
        (_, None) => {}
    }
    let (mut headers, mut secrets) = (Vec::new(), Vec::new());
    for (name, secret) in shown {
        let name = HeaderName::try_from(name).ok()?;
        let mut value = HeaderValue::from_str(secret.expose()).ok()?;
        value.set_sensitive(true);
        headers.push((name, value));
        secrets.extend(Passage::secrets_of(&secret));
    }
    // What is signed is a request with a body.
    let methods = if signer.is_some() { vec![Method::POST] } else { METHODS.to_vec() };
    let vendor = Vendor { provider: row.prefix, dialect: row.dialect, signer, catalog: catalog.clone() };
    Some(Passage {
        path: path.to_owned(),
        origin,
        target_path,
        target,
        headers,
        secrets,
        includes_below: true,
        forwards_headers: false,
        is_open: false,
        cost: Money::ZERO,
        methods,
        vendor: Some(vendor),
    })
}
