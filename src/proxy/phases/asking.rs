//! What an attempt sends: the client's bytes where the upstream speaks as it does, else a translation.

use crate::dialects::translate::{self, Modify, Translated};
use crate::dialects::{self, Ask, Auth, Shape, ShapeParams, Unsigned, openai};
use crate::domain::{ApiError, EndpointKind, ErrorKind, unix_ms};
use crate::proxy::stage::{Admitted, Form};
use crate::proxy::upload::Pour;
use crate::upstream::Deployment;
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use pingora::http::RequestHeader;
use std::time::SystemTime;

/// The body for a deployment, and in whose words it is.
pub(super) fn encode(admitted: &Admitted, deployment: &Deployment) -> Result<(Bytes, Form), ApiError> {
    let traits = &*deployment.traits;
    let params = &traits.params;
    let kind = admitted.caller.kind;
    let model = admitted.resolution.upstream_model(&traits.model, &admitted.called);
    if *model != *traits.model && climbs(&model) {
        let words = format!("Invalid model name passed in model={}.", admitted.requested);
        return Err(ApiError::new(ErrorKind::InvalidRequest, words).with_param("model"));
    }
    let inbound = admitted.caller.inbound();
    // Only OpenAI's clients say, and are told, whether usage is wanted.
    match &admitted.errand {
        Some(errand) if errand.path.is_some() => return Ok((Bytes::new(), Form::Client)),
        // What a deployment says of its parameters is about its answers.
        Some(_) if kind == EndpointKind::Batches => {
            return Ok((admitted.request.body().clone(), Form::Client));
        }
        _ => {}
    }
    let relays = deployment.relays(kind);
    let asks_usage = params.takes_stream_options
        && traits.dialect.name() == openai::NAME
        && !(relays && kind == EndpointKind::Responses);
    let shape = Shape {
        model: &model,
        params: ShapeParams {
            defaults: &params.defaults,
            extra_body: &params.extra_body,
            allowed: &params.allowed_openai_params,
            drop: &params.additional_drop_params,
            takes_stream_options: asks_usage,
        },
        drop_params: params.drop_params.unwrap_or(admitted.snapshot.config.router.drop_params),
        ask_usage: true,
    };
    if relays && admitted.request.form().is_some() {
        let mut patcher = admitted.request.patches(&shape);
        return Ok(match &admitted.upload {
            Some(_) => (Bytes::new(), Form::Poured(Box::new(Pour::new(patcher)))),
            None => (patcher.push(admitted.request.body().clone()), Form::Client),
        });
    }
    if relays {
        let body = openai::encode(&admitted.request, &shape)?;
        let Some(path) = traits.dialect.relays_at(kind, &model) else { return Ok((body, Form::Client)) };
        let placed = Translated { path: path.into(), headers: Vec::new(), body };
        let head = head(deployment, &placed)?;
        return Ok((placed.body, Form::Placed(Box::new(head))));
    }
    if !dialects::is_translatable(kind) {
        return Err(not_offered(&traits.words.provider, &admitted.requested, kind.upstream_path()));
    }
    let ask = Ask { model: &model, provider: &traits.words.provider, shape: &shape };
    let modify = if admitted.snapshot.config.router.modify_params { Modify::Yes } else { Modify::No };
    let sent = translate::encode_as(&admitted.request, inbound, traits.dialect, &ask, modify)?;
    let head = head(deployment, &sent)?;
    Ok((sent.body, Form::Own(Box::new(head))))
}

/// Whether a name that a client made up would lead elsewhere where it stands in a path.
fn climbs(model: &str) -> bool {
    model.split(['/', '\\']).any(|part| matches!(part, "." | ".."))
}

fn not_offered(provider: &str, requested: &str, path: &str) -> ApiError {
    let words = format!("litellm.BadRequestError: {provider} has no {path}. Passed model={requested}");
    ApiError::new(ErrorKind::InvalidRequest, words).with_param("model")
}

fn head(deployment: &Deployment, sent: &Translated) -> Result<RequestHeader, ApiError> {
    let fault = |what: String| ApiError::new(ErrorKind::Internal, what);
    let mut head = deployment.translated_head(sent).map_err(|error| fault(error.to_string()))?;
    let target = &deployment.target;
    let (Auth::Signed(signer), Some(key)) = (target.auth, &target.api_key) else { return Ok(head) };
    let (host, path) = (target.origin.to_string(), head.uri.to_string());
    let unsigned = Unsigned { host: &host, path: &path, body: &sent.body };
    for (name, value) in signer.sign(&unsigned, key, unix_ms(SystemTime::now()))? {
        let mut value = HeaderValue::try_from(value).map_err(|error| fault(error.to_string()))?;
        value.set_sensitive(true);
        let put = head.insert_header(HeaderName::from_static(name), value);
        put.map_err(|error| fault(error.to_string()))?;
    }
    Ok(head)
}
