//! Files and batches, which an upstream keeps: each is asked of the deployment that has it.
//!
//! Which one that is, and who may ask, stands in the id that clients are given (`auth::receipt`). A file of a batch is
//! read before it is sent on: all its lines have to name a model that its client may call.

mod answer;

pub(super) use answer::answer;

use super::Gateway;
use super::admission::Visitor;
use super::body::{self, Body, Clock};
use super::phases::request::{self, Asked};
use super::stage::{Ctx, Refused};
use super::upload::{self, Form, Way};
use crate::auth::receipt::{self, Name, Receipt};
use crate::dialects::openai::{self as dialect, forms, request as json_request};
use crate::domain::{ApiError, EndpointKind, ErrorKind, RecordId};
use crate::endpoints::stored::{Stored, Verb};
use crate::runtime::{Group, Resolution, Snapshot, Standing};
use crate::upstream::Deployment;
use bytes::Bytes;
use http::{HeaderName, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use pingora::Result;
use pingora_proxy::Session;
use serde_json::Value;
use std::sync::Arc;

/// What is asked of an upstream that keeps things.
pub(super) struct Errand {
    pub(super) verb: Verb,
    pub(super) kind: EndpointKind,
    /// Where, after the base path; `None` where the API itself is meant.
    pub(super) path: Option<String>,
    /// The query, without its question mark.
    pub(super) query: String,
    /// Whose the things in the answer are.
    pub(super) owner: Name,
    /// What the record is called, if it must not be written twice.
    pub(super) record: Option<RecordId>,
}

/// Largest body of what is no upload, in bytes.
const BODY: usize = 1024 * 1024;
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The stand-in for a deployment's name is of this kind.
const DEPLOYMENT: &str = "deployment";

impl Errand {
    /// Whether only one deployment can be asked.
    pub(super) const fn is_bound(&self) -> bool {
        !matches!((self.kind, self.verb), (EndpointKind::Files, Verb::Create))
    }

    /// The method that the upstream is asked with.
    pub(super) const fn method(&self) -> Method {
        match self.verb {
            Verb::List | Verb::Get | Verb::Content => Method::GET,
            Verb::Create | Verb::Cancel => Method::POST,
            Verb::Delete => Method::DELETE,
        }
    }
}

/// Whose what is made by this caller will be: its team's, else its key's.
fn owner(standing: &Standing) -> Name {
    let team = standing.key().and_then(|key| key.team_id.as_deref());
    team.map_or_else(|| of_key(standing), |team| receipt::name("team", team))
}

fn of_key(standing: &Standing) -> Name {
    receipt::name("key", &standing.key_hash)
}

/// The master key may see what anybody has.
fn may_use(standing: &Standing, owner: Name) -> bool {
    standing.key().is_none() || owner == self::owner(standing) || owner == of_key(standing)
}

fn deployment(target: &Deployment) -> Name {
    receipt::name(DEPLOYMENT, target.target.id.as_str())
}

/// What is to be done, and who is to do it.
struct Plan {
    errand: Errand,
    given: Option<Resolution>,
    requested: Option<String>,
    request: std::result::Result<dialect::Request, ApiError>,
    way: Way,
}

/// Asks for what a path of these asks.
pub(super) async fn run(
    gateway: &Gateway,
    session: &mut Session,
    ctx: &mut Ctx,
    stored: Stored<'_>,
) -> Result<bool> {
    let snapshot = gateway.runtime.load();
    let caller = request::caller(gateway, session, ctx, stored.route, stored.kind);
    let visited = request::visitor(gateway, &snapshot, session, ctx, (caller, false)).await?;
    let Some((caller, visitor)) = visited else { return Ok(true) };
    let key_hash = Some(Arc::clone(&visitor.standing.key_hash));
    let plan = match plan(&snapshot, session, Clock::of(caller.arrived, &snapshot), &visitor, &stored).await {
        Ok(Ok(plan)) => plan,
        Ok(Err(error)) => return request::refuse(session, ctx, Refused::new(caller, error, key_hash)).await,
        Err(error) => return request::unread(session, ctx, (caller, key_hash), error).await,
    };
    let Plan { errand, given, requested, request, way } = plan;
    let headers = &session.req_header().headers;
    let asked = Asked { request, path_model: requested.map(Into::into), headers, given };
    let mut admitted = match request::admit(gateway, caller, snapshot, visitor, asked).await {
        Err(refused) => return request::refuse(session, ctx, *refused).await,
        Ok(admitted) => admitted,
    };
    admitted.errand = Some(Box::new(errand));
    way.go(session, ctx, admitted).await
}

type Planned = std::result::Result<Plan, ApiError>;

async fn plan(
    snapshot: &Snapshot,
    session: &mut Session,
    clock: Clock,
    visitor: &Visitor,
    stored: &Stored<'_>,
) -> Result<Planned> {
    let Some(verb) = stored.verb else {
        return Ok(Err(ApiError::new(ErrorKind::MethodNotAllowed, "Method Not Allowed")));
    };
    let errand = Errand {
        verb,
        kind: stored.kind,
        path: None,
        query: String::new(),
        owner: owner(&visitor.standing),
        record: None,
    };
    if (stored.kind, verb) == (EndpointKind::Files, Verb::Create) {
        return file(snapshot, session, clock, (visitor, stored, errand)).await;
    }
    let bytes = match body::read(session, clock, BODY).await? {
        Body::Replayable(bytes) => bytes,
        Body::Unreplayable(_) | Body::TooLarge => {
            return Ok(Err(ApiError::new(
                ErrorKind::TooLarge,
                "Request body is too large: the limit is 1 MiB.",
            )));
        }
    };
    Ok(match verb {
        Verb::Create => batch(snapshot, visitor, errand, &bytes),
        Verb::List => list(snapshot, session, visitor, stored, errand),
        _ => one(snapshot, visitor, stored, errand),
    })
}

/// What is asked of one that there is.
fn one(snapshot: &Snapshot, visitor: &Visitor, stored: &Stored<'_>, errand: Errand) -> Planned {
    let (receipt, given) = open(snapshot, &visitor.standing, stored.id.unwrap_or_default(), stored.kind)?;
    let base = stored.kind.upstream_path();
    let id = utf8_percent_encode(&receipt.id, PLAIN);
    let end = match errand.verb {
        Verb::Content => "/content",
        Verb::Cancel => "/cancel",
        _ => "",
    };
    let errand = Errand { path: Some(format!("{base}/{id}{end}")), owner: receipt.owner, ..errand };
    plain(stored.kind, errand, given)
}

fn plain(kind: EndpointKind, errand: Errand, given: Resolution) -> Planned {
    let request = json_request::read(EndpointKind::Batches, Bytes::from_static(b"{}"));
    let requested = Some(given.group.name.to_string());
    let request = request.map(|request| request.of_kind(kind));
    Ok(Plan { errand, given: Some(given), requested, request, way: Way::Replayed })
}

/// A list shows what everybody made at that upstream.
fn list(
    snapshot: &Snapshot,
    session: &Session,
    visitor: &Visitor,
    stored: &Stored<'_>,
    errand: Errand,
) -> Planned {
    let standing = &visitor.standing;
    if standing.key().is_some() {
        let words = "A list shows what other keys have at the same upstream: only the master key may ask for one. Ask \
                     for what you made by its id.";
        return Err(ApiError::new(ErrorKind::Forbidden, words));
    }
    let query = session.req_header().uri.query().unwrap_or_default();
    let name = named(session, stored, None);
    let given = match &name {
        Place::Model(model) => snapshot
            .resolve_for(standing, stored.kind, model)
            .map(|found| first_of(snapshot, stored.kind, found))?,
        Place::Provider(provider) => of_provider(snapshot, standing, stored.kind, provider)?,
    };
    let kept = query.split('&').filter_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        match key {
            "purpose" | "limit" | "order" => Some(pair.to_owned()),
            "after" => {
                snapshot.seal.open(value).map(|own| format!("after={}", utf8_percent_encode(&own.id, PLAIN)))
            }
            _ => None,
        }
    });
    let query = kept.collect::<Vec<_>>().join("&");
    let errand = Errand { path: Some(stored.kind.upstream_path().to_owned()), query, ..errand };
    plain(stored.kind, errand, given)
}

/// The first of a group's deployments that keeps things.
fn first_of(snapshot: &Snapshot, kind: EndpointKind, found: Resolution) -> Resolution {
    let first = found.group.deployments.iter().find(|own| own.relays(kind)).map(|own| own.target.id.clone());
    first.and_then(|id| snapshot.single(|own| own.target.id == id)).unwrap_or(found)
}

/// Who is to keep a new thing.
enum Place {
    Model(String),
    Provider(String),
}

/// What the client says about it: by form, query, header, path; in that order, a model before a provider.
fn named(session: &Session, stored: &Stored<'_>, form: Option<&dialect::Request>) -> Place {
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
fn of_provider(
    snapshot: &Snapshot,
    standing: &Standing,
    kind: EndpointKind,
    provider: &str,
) -> std::result::Result<Resolution, ApiError> {
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

/// What an id says, and the deployment that it means.
fn open(
    snapshot: &Snapshot,
    standing: &Standing,
    id: &str,
    kind: EndpointKind,
) -> std::result::Result<(Receipt, Resolution), ApiError> {
    let what = if kind == EndpointKind::Files { "File" } else { "Batch" };
    // Somebody else's is not told apart from none.
    let missing =
        || ApiError::new(ErrorKind::Missing, format!("No such {what} object: {id}")).with_param("id");
    let receipt = snapshot.seal.open(id).filter(|own| may_use(standing, own.owner)).ok_or_else(missing)?;
    let given = snapshot.single(|own| deployment(own) == receipt.deployment).ok_or_else(|| {
        let words = format!("The deployment that has {id} is no longer configured.");
        ApiError::new(ErrorKind::Missing, words)
    })?;
    Ok((receipt, given))
}

/// A new batch, of a file that there is.
fn batch(snapshot: &Snapshot, visitor: &Visitor, errand: Errand, bytes: &Bytes) -> Planned {
    let mut body: Value = serde_json::from_slice(bytes)
        .map_err(|fault| ApiError::new(ErrorKind::InvalidJson, format!("Invalid JSON payload: {fault}")))?;
    let input = body.get("input_file_id").and_then(Value::as_str).map(str::to_owned).ok_or_else(|| {
        let words = "Missing required parameter: 'input_file_id'.";
        ApiError::new(ErrorKind::InvalidRequest, words).with_param("input_file_id")
    })?;
    let (receipt, given) = open(snapshot, &visitor.standing, &input, EndpointKind::Files)?;
    if let Some(members) = body.as_object_mut() {
        members.insert("input_file_id".to_owned(), receipt.id.into());
        for name in ["model", "custom_llm_provider", "target_model_names"] {
            members.shift_remove(name);
        }
    }
    let requested = Some(given.group.name.to_string());
    let request = json_request::read(EndpointKind::Batches, Bytes::from(body.to_string()));
    let errand = Errand { owner: receipt.owner, ..errand };
    // What is sent is not what came, so the body that came is forgotten.
    Ok(Plan { errand, given: Some(given), requested, request, way: Way::Replayed })
}

/// A new file.
async fn file(
    snapshot: &Snapshot,
    session: &mut Session,
    clock: Clock,
    (visitor, stored, errand): (&Visitor, &Stored<'_>, Errand),
) -> Result<Planned> {
    let limit = snapshot.config.server.max_upload_bytes;
    let form = upload::read(session, clock, stored.kind, true, limit).await?;
    let Form { scan, taken, length } = match form {
        Ok(form) => form,
        Err(error) => return Ok(Err(error)),
    };
    let (bytes, way) = match taken.on_its_way(limit) {
        Ok(taken) => taken,
        Err(error) => return Ok(Err(error)),
    };
    let is_whole = way.is_whole();
    Ok(forms::read(stored.kind, bytes, scan, length).and_then(|read| {
        let (given, requested) = keeper(snapshot, session, &visitor.standing, stored, &read, is_whole)?;
        Ok(Plan { errand, given, requested, request: Ok(read), way })
    }))
}

/// Who is to keep a new file: for one of a batch whoever answers its lines.
fn keeper(
    snapshot: &Snapshot,
    session: &Session,
    standing: &Standing,
    stored: &Stored<'_>,
    read: &dialect::Request,
    is_whole: bool,
) -> std::result::Result<(Option<Resolution>, Option<String>), ApiError> {
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
