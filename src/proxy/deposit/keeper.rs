//! Who is to keep a new thing, and whose list is shown.

use crate::dialects::openai as dialect;
use crate::domain::{ApiError, EndpointKind, ErrorKind};
use crate::endpoints::stored::Stored;
use crate::runtime::{Group, Resolution, Snapshot, Standing};
use crate::upstream::Deployment;
use http::HeaderName;
use percent_encoding::percent_decode_str;
use pingora_proxy::Session;

/// Who is to keep a new thing.
pub(super) enum Place {
    Model(String),
    Provider(String),
}

/// What the client says about it: by form, query, header, path; in that order, a model before a provider.
pub(super) fn named(session: &Session, stored: &Stored<'_>, form: Option<&dialect::Request>) -> Place {
    const MODEL: HeaderName = HeaderName::from_static("x-litellm-model");
    const PROVIDER: HeaderName = HeaderName::from_static("custom-llm-provider");
    let head = session.req_header();
    let of_form = |name: &str| form.and_then(|form| form.field(name)).map(str::to_owned);
    let of_query = |name: &str| {
        let pairs = head.uri.query().unwrap_or_default().split('&');
        let value = pairs.filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name)?.1;
        Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
    };
    let of_header = |name: &HeaderName| Some(head.headers.get(name)?.to_str().ok()?.to_owned());
    let first = |list: String| list.split(',').next().unwrap_or_default().trim().to_owned();
    let model = of_form("model")
        .or_else(|| of_form("target_model_names").map(first))
        .or_else(|| of_query("model"))
        .or_else(|| of_query("target_model_names").map(first))
        .or_else(|| of_header(&MODEL));
    if let Some(model) = model.filter(|model| !model.is_empty()) {
        return Place::Model(model);
    }
    let provider = of_form("custom_llm_provider")
        .or_else(|| of_query("custom_llm_provider"))
        .or_else(|| of_query("provider"))
        .or_else(|| of_header(&PROVIDER))
        .or_else(|| stored.provider.map(str::to_owned));
    Place::Provider(provider.filter(|name| !name.is_empty()).unwrap_or_else(|| "openai".to_owned()))
}

/// The first deployment of a provider that the caller may call.
pub(super) fn of_provider(
    snapshot: &Snapshot,
    standing: &Standing,
    kind: EndpointKind,
    provider: &str,
) -> Result<Resolution, ApiError> {
    let may = |own: &Deployment| {
        let group = snapshot.groups.iter().find(|group| *group.name == *own.target.group);
        let asked = group.map(|group| Group::asked(&group.name, Some(group)));
        asked.is_some_and(|asked| standing.may_call(&asked).is_ok())
    };
    let found = snapshot.single(|own| {
        own.target.provider == provider && own.target.unserved.is_none() && own.relays(kind) && may(own)
    });
    found.ok_or_else(|| {
        let words = format!(
            "No deployment of provider {provider} that you may call keeps files and batches. Name a model, or another \
             custom_llm_provider."
        );
        ApiError::new(ErrorKind::InvalidRequest, words).with_param("custom_llm_provider")
    })
}

/// Who is to keep a new file: for one of a batch whoever answers its lines.
pub(super) fn of_file(
    snapshot: &Snapshot,
    session: &Session,
    standing: &Standing,
    stored: &Stored<'_>,
    read: &dialect::Request,
    is_whole: bool,
) -> Result<(Option<Resolution>, Option<String>), ApiError> {
    let is_batch = read.field("purpose") == Some("batch");
    if !is_whole && (is_batch || read.field("purpose").is_none()) {
        let words = "A file of a batch is read before it is sent on, and may have 5 MiB. A larger file of another \
                     purpose has to name that before the file.";
        return Err(ApiError::new(ErrorKind::TooLarge, words).with_param("file"));
    }
    let of_lines = read.model_of_lines()?;
    if is_batch && of_lines.is_none() {
        return Err(
            ApiError::new(ErrorKind::InvalidRequest, "The file of the batch is empty.").with_param("file")
        );
    }
    let place = named(session, stored, Some(read));
    match (place, of_lines) {
        (Place::Model(model), Some(lines)) if model != lines => {
            let words = format!("The lines of the file name model {lines}, and the request names {model}.");
            Err(ApiError::new(ErrorKind::InvalidRequest, words).with_param("model"))
        }
        (Place::Model(model), _) | (Place::Provider(_), Some(model)) => Ok((None, Some(model))),
        (Place::Provider(provider), None) => {
            let given = of_provider(snapshot, standing, stored.kind, &provider)?;
            let requested = given.group.name.to_string();
            Ok((Some(given), Some(requested)))
        }
    }
}

/// The first of a group's deployments that keeps things.
pub(super) fn first_of(snapshot: &Snapshot, kind: EndpointKind, found: Resolution) -> Resolution {
    let first = found.group.deployments.iter().find(|own| own.relays(kind)).map(|own| own.target.id.clone());
    first.and_then(|id| snapshot.single(|own| own.target.id == id)).unwrap_or(found)
}
