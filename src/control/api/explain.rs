//! `POST /tollgate/explain`: what would become of a call, and why, by the code that serves calls. Nothing is sent,
//! counted or reserved.
//!
//! The body is the call's own, with `key` (a virtual key or its hash; else the caller's), `endpoint` (else
//! `/v1/chat/completions`), `ip` and `headers` beside it.

use crate::auth::{self, Claim, Presented, Principal};
use crate::control::Control;
use crate::control::calendar::now_ms;
use crate::control::input::{Answer, Caller, Field, Input, Kind, Refusal, want};
use crate::dialects::openai::{self, Request};
use crate::domain::{ApiError, KeyDigest, Usage};
use crate::endpoints;
use crate::limits::{self, Ask, Gate, Manner};
use crate::metering;
use crate::runtime::{self, Considered, Estimate, Group, Outlook, Snapshot, Standing, Tags, TurnWish, Wish};
use crate::store::Doc;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value, json};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

const FIELDS: &[Field] = &[
    want("key", Kind::Text),
    want("endpoint", Kind::Text),
    want("ip", Kind::Text),
    want("headers", Kind::Map),
];

/// A call that nobody makes.
struct Question {
    key: Option<String>,
    path: String,
    ip: Option<IpAddr>,
    headers: HeaderMap,
    body: Bytes,
}

pub(in crate::control) async fn run(State(control): State<Control>, caller: Caller, input: Input) -> Answer {
    caller.must_be_admin()?;
    let question = Question::read(input)?;
    let snapshot = control.runtime.load();
    let mut standing = standing(&control, &snapshot, &caller, question.key.as_deref()).await?;
    let mut account = Map::new();
    account.insert("key".into(), whose(&standing));
    let judged = judge(&control, &snapshot, &mut standing, &question, &mut account).await;
    account.insert("verdict".into(), if judged.is_err() { "refused" } else { "served" }.into());
    let wait = judged.as_ref().map_or_else(|error| error.retry_after, |wait| Some(*wait));
    account.insert("wait_seconds".into(), json!(wait.map(|wait| wait.as_secs_f64())));
    if let Err(error) = judged {
        account.insert("status".into(), error.status().into());
        let told: Value = serde_json::from_str(&error.to_json()).unwrap_or_default();
        account.insert("error".into(), told.get("error").cloned().unwrap_or_default());
    }
    Ok(Json(Value::Object(account)))
}

impl Question {
    fn read(input: Input) -> Result<Self, Refusal> {
        let own: Doc = input.read(&[FIELDS])?;
        let text = |name: &str| own.get(name).and_then(Value::as_str).map(str::to_owned);
        let ip = text("ip").map(|ip| ip.parse().map_err(|_| Refusal::bad("ip wants an IP address").of("ip")));
        let mut headers = HeaderMap::new();
        for (name, value) in own.get("headers").and_then(Value::as_object).into_iter().flatten() {
            let pair = (HeaderName::try_from(name), value.as_str().map(HeaderValue::from_str));
            let (Ok(name), Some(Ok(value))) = pair else {
                return Err(Refusal::bad("headers wants a mapping of texts").of("headers"));
            };
            headers.append(name, value);
        }
        let mut call = input.whole();
        ["key", "endpoint", "ip", "headers"].iter().for_each(|name| drop(call.remove(*name)));
        Ok(Self {
            key: text("key"),
            path: text("endpoint").unwrap_or_else(|| "/v1/chat/completions".to_owned()),
            ip: ip.transpose()?,
            headers,
            body: Bytes::from(Value::Object(call).to_string()),
        })
    }
}

/// Who makes the call. A hash finds a key here, though it is none.
async fn standing(
    control: &Control,
    snapshot: &Snapshot,
    caller: &Caller,
    key: Option<&str>,
) -> Result<Standing, Refusal> {
    let bare = |who: &Principal| Ok(Standing::bare(&who.key_hash, &snapshot.house.bare));
    let digest = match (key, &caller.principal().key) {
        (None, None) => return bare(caller.principal()),
        (None, Some(own)) => own.digest,
        (Some(key), _) => match KeyDigest::from_hex(key) {
            Some(digest) => digest,
            None => match snapshot.verifier.check(Presented::Key(key))? {
                Claim::Known(principal) => return bare(principal),
                Claim::Virtual(_) => auth::digest(key),
            },
        },
    };
    let found = control.directory.standing_of(&digest).await?;
    found.ok_or_else(|| Refusal::missing("there is no such key").of("key"))
}

fn whose(standing: &Standing) -> Value {
    let key = standing.key();
    json!({
        "hash": &*standing.key_hash,
        "alias": key.and_then(|key| key.alias.as_deref()),
        "user_id": key.and_then(|key| key.user_id.as_deref()),
        "team_id": key.and_then(|key| key.team_id.as_deref()),
    })
}

/// Goes the way of a call, in its order, and writes down what it sees; how long the call waits for its turn.
async fn judge(
    control: &Control,
    snapshot: &Snapshot,
    standing: &mut Standing,
    question: &Question,
    account: &mut Map<String, Value>,
) -> Result<Duration, ApiError> {
    let now = now_ms();
    standing.usable(now, &question.path, question.ip)?;
    let Some(found) = endpoints::find(&question.path) else {
        return Err(ApiError::new(crate::domain::ErrorKind::NotFound, "Not Found"));
    };
    let request = openai::request::read(found.kind, question.body.clone())?;
    let requested = found.model.as_deref().or(request.model()).unwrap_or_default();
    let resolution = snapshot.resolve_for(standing, found.kind, requested)?;
    standing.name_customer(request.user().as_ref(), &snapshot.house, &control.directory).await?;
    let group = &resolution.group;
    let tags = Tags::of(standing.attribution().tags, standing, &request, &question.headers);
    let turn = group.turn(standing, &request, TurnWish::read(&question.headers, &request));
    let tokens = turn.map_or(0, |turn| turn.tokens());
    let asked = Some((&resolution, requested));
    let wish = Wish { tokens, asked, ..wish(snapshot, &request, &question.headers, &tags, now) };
    let expected = group.expected(request.prompt_estimate(), request.max_tokens());
    let mut gates = standing.gates(&[requested, &*group.name]);
    gates.extend(&snapshot.house.global);
    account.insert("requested".into(), requested.into());
    account.insert("group".into(), group.name.as_ref().into());
    account.insert("strategy".into(), strategy(group));
    account.insert("tags".into(), json!(wish.tags.iter().map(|tag| &**tag).collect::<Vec<_>>()));
    account.insert("estimate".into(), estimate(&expected, &request));
    let rows = group.considered(&wish);
    account
        .insert("considered".into(), rows.iter().map(|row| considered(row, &expected, &request)).collect());
    account.insert("limits".into(), gates.iter().map(|gate| limits_of(gate, now)).collect());
    let wait = match group.outlook(&wish, turn) {
        Outlook::Open => Duration::ZERO,
        Outlook::Waits(wait) => wait,
        Outlook::NoTurn(why) => return Err(group.no_turn(why, requested)),
        Outlook::Barred(bar) => return Err(group.refusal(bar, requested, &wish)),
    };
    snapshot.house.check_priced(&expected, &gates, requested)?;
    let ask = Ask { tokens: expected.tokens, cost: expected.cost, manner: Manner::Decides };
    limits::check(now, &gates, ask).map_err(|refusal| refusal.to_error())?;
    let next = group.preview(&wish).and_then(|at| group.deployments.get(at));
    account.insert("next".into(), json!(next.map(|deployment| deployment.target.id.as_str())));
    Ok(wait)
}

fn wish<'a>(
    snapshot: &'a Snapshot,
    request: &Request,
    headers: &HeaderMap,
    tags: &'a Tags,
    now: i64,
) -> Wish<'a> {
    Wish {
        kind: request.kind(),
        house: &snapshot.house,
        now,
        tags: tags.all.get(..tags.decisive).unwrap_or_default(),
        prompt: request.prompt_estimate(),
        tokens: 0,
        stream: request.stream(),
        affinity: snapshot.wants_affinity.then(|| runtime::affinity(request, headers)),
        tried: &[],
        asked: None,
    }
}

fn strategy(group: &Group) -> Value {
    let entry = group.choice().entry;
    json!({ "name": entry.name(), "score": entry.score, "rpm_and_tpm_are_limits": entry.limits || group.queue.is_some() })
}

fn estimate(expected: &Estimate, request: &Request) -> Value {
    let cost = match expected.cost {
        limits::Expected::Free => 0.0,
        limits::Expected::About(cost) => cost.dollars(),
    };
    json!({
        "prompt_tokens": request.prompt_estimate(),
        "tokens": expected.tokens,
        "cost": cost,
        "unpriced": expected.unpriced,
    })
}

/// A deployment with what only an admin may see.
fn considered(row: &Considered<'_>, expected: &Estimate, request: &Request) -> Value {
    let target = &row.deployment.target;
    let prompt = request.prompt_estimate();
    let usage = Usage { prompt, completion: expected.tokens.saturating_sub(prompt), ..Usage::default() };
    let cost = target.info.prices.as_ref().map(|prices| metering::cost(&usage, prices).dollars());
    let mut told = row.told();
    told["model"] = (*row.deployment.traits.words.upstream_model).into();
    told["api_base"] = target.api_base.as_str().into();
    told["order"] = (target.order != i64::MAX).then_some(target.order).into();
    told["in_flight"] = row.deployment.in_flight().into();
    told["cost"] = json!(cost);
    told
}

/// How one of those stands whose limits the call touches.
fn limits_of(gate: &Arc<Gate>, now: i64) -> Value {
    let mut told = json!({ "of": gate.descriptor().as_str(), "id": &**gate.id() });
    if let Some((window, terms)) = gate.rates() {
        let load = window.load(now);
        let share =
            |limit: Option<u64>, used: u64| limit.map(|limit| json!({ "limit": limit, "used": used }));
        told["requests"] = json!(share(terms.rpm, load.requests));
        told["tokens"] = json!(share(terms.tpm, load.tokens));
        told["parallel"] = json!(share(terms.parallel, load.parallel));
    }
    let purse = |purse: &limits::Purse| {
        let ends = purse.period_end(now);
        let balance = purse.account().balance(now, ends);
        json!({
            "max": purse.terms().max.map(|max| max.dollars()),
            "spent": balance.spent().dollars(),
            "reserved": balance.reserved.dollars(),
            "ends_at_ms": (ends != 0).then_some(ends),
        })
    };
    told["budgets"] = gate.purses().iter().map(purse).collect();
    told
}
