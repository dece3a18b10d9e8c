//! Connections: which request gets which answer.

use super::answer::{self, Answer, Form, Response};
use super::form;
use super::http::{Connection, Request};
use super::lane::Turn;
use super::media::{self, Reply};
use super::request::Asked;
use super::state::State;
use super::stream::{self, Ended};
use super::words::MODEL_PREFIX;
use super::{After, Behaviour, Ending, Fault, Kind, Script, fault};
use super::{contents, messages, responses};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Takes connections until dropped, which drops them too.
pub(super) async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(&state)));
                }
                Err(error) => {
                    log::warn!("the simulator cannot accept: {error}");
                    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, state: Arc<State>) {
    static CONNECTIONS: AtomicU64 = AtomicU64::new(0);
    let number = CONNECTIONS.fetch_add(1, Ordering::Relaxed);
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let mut connection = Connection::new(stream);
    while let Ok(Some(request)) = connection.request().await {
        let entry = state.record(&request, number);
        let outcome = respond(&mut connection, &request, &state).await;
        let now = Instant::now();
        match outcome {
            Ok((Ended::Whole, after)) => {
                state.note(entry, |seen| seen.answered = Some(now));
                if after != After::Keep || !request.keep_alive {
                    return;
                }
            }
            Ok((Ended::Cut, _)) => return,
            Ok((Ended::Reset, _)) => {
                if let Err(error) = connection.reset() {
                    log::warn!("the simulator cannot reset: {error}");
                }
                return;
            }
            Err(_gone) => return state.note(entry, |seen| seen.closed_early = Some(now)),
        }
    }
}

/// Answers one request. An error means that the client left.
async fn respond(
    connection: &mut Connection,
    request: &Request,
    state: &State,
) -> io::Result<(Ended, After)> {
    let script = state.script();
    let key = request.key();
    let whole = |after| Ok((Ended::Whole, after));
    let parts = form::read(request);
    let mut asked = match serde_json::from_slice::<Asked<'_>>(&request.body) {
        Ok(asked) => asked,
        Err(_) if parts.is_some() => Asked::of_model(
            parts.as_deref().and_then(|parts| form::field(parts, "model")).unwrap_or_default(),
        ),
        Err(_) if request.body.is_empty() => Asked::default(),
        Err(error) => {
            connection.send(&fault::unreadable(&error.to_string()).render(After::Keep)).await?;
            return whole(After::Keep);
        }
    };
    if let Some((model, method)) = contents::called(request.route()) {
        asked.of_path(model, method == "streamGenerateContent");
    }
    let behaviour = match behaviour(&script, key, &asked.model) {
        Ok(behaviour) => behaviour,
        Err(refusal) => {
            connection.send(&refusal.render(After::Keep)).await?;
            return whole(After::Keep);
        }
    };
    let shelved = state.shelf.answer(request);
    if let Some(response) = shelved.as_ref().filter(|_| request.method != "POST") {
        connection.send(&response.render(behaviour.after)).await?;
        return whole(behaviour.after);
    }
    // Lists and probes are free: they neither count nor fail.
    if request.method == "GET" {
        connection.send(&lists(request, &script).render(behaviour.after)).await?;
        return whole(behaviour.after);
    }
    let turn = state.turn(key, &asked.model, &behaviour);
    connection.pause(behaviour.first_byte).await?;
    let reworded: fn(Response) -> Response = match request.route() {
        route if route.contains("/messages") => messages::reworded,
        route if contents::called(route).is_some() => contents::reworded,
        _ => |response| response,
    };
    if let Some(ended) = refuse(connection, &turn, &behaviour, &asked, reworded).await? {
        return Ok((ended, behaviour.after));
    }
    if let Some(response) = shelved {
        connection.send(&response.render(behaviour.after)).await?;
        return whole(behaviour.after);
    }
    let ended = answer(connection, request, &asked, &behaviour, &turn).await?;
    Ok((ended, behaviour.after))
}

/// How a call is answered: as its model says, else as its key does.
fn behaviour(script: &Script, key: &str, model: &str) -> Result<Arc<Behaviour>, Response> {
    let of_key = script.keys.get(key);
    if of_key.is_none() && script.known_keys_only {
        return Err(fault::unknown_key());
    }
    match model.strip_prefix(MODEL_PREFIX).map(str::parse::<Behaviour>) {
        Some(Ok(steered)) => Ok(Arc::new(steered)),
        Some(Err(unknown)) => Err(fault::unknown_word(&unknown.to_string())),
        None => Ok(Arc::clone(of_key.unwrap_or(&script.default))),
    }
}

/// Does what the limit or the fault of this turn says; `None` if neither does.
async fn refuse(
    connection: &mut Connection,
    turn: &Turn,
    behaviour: &Behaviour,
    asked: &Asked<'_>,
    reworded: fn(Response) -> Response,
) -> io::Result<Option<Ended>> {
    let response = match (turn.limit, behaviour.fault_of(turn.ordinal)) {
        (Some(limit), _) if limit.exceeded => fault::limited(limit, behaviour, &asked.model),
        (_, None) => return Ok(None),
        (_, Some(Fault::Hang)) => return Err(connection.hang().await),
        (_, Some(Fault::Close)) => return Ok(Some(Ended::Cut)),
        (_, Some(Fault::Reset)) => return Ok(Some(Ended::Reset)),
        (_, Some(fault)) => match fault::response(fault, behaviour, &asked.model) {
            Some(response) => response,
            None => return Ok(None),
        },
    };
    connection.send(&reworded(response).with_limit(turn.limit).render(behaviour.after)).await?;
    Ok(Some(Ended::Whole))
}

async fn answer(
    connection: &mut Connection,
    request: &Request,
    asked: &Asked<'_>,
    behaviour: &Behaviour,
    turn: &Turn,
) -> io::Result<Ended> {
    static ANSWERS: AtomicU64 = AtomicU64::new(0);
    let id = ANSWERS.fetch_add(1, Ordering::Relaxed);
    if let Some(reply) = media::answer(request, behaviour) {
        return replied(connection, reply, behaviour, (id, turn)).await;
    }
    let form = match form(request, asked, behaviour) {
        Ok(form) => form,
        Err(response) => return plain(connection, with_id(response, id, turn), behaviour).await,
    };
    let answer = Answer::new(form, asked, behaviour, &request.body, id);
    if asked.streams() {
        let head = with_id(Response::json(200, Vec::new()), id, turn).render_stream_head(behaviour.after);
        return stream::send(connection, head, &answer, behaviour).await;
    }
    plain(connection, with_id(Response::json(200, answer.plain()), id, turn), behaviour).await
}

async fn replied(
    connection: &mut Connection,
    reply: Reply,
    behaviour: &Behaviour,
    (id, turn): (u64, &Turn),
) -> io::Result<Ended> {
    match reply {
        Reply::Whole(response) => plain(connection, with_id(response, id, turn), behaviour).await,
        Reply::Pieces(kind, pieces) => media::send(connection, kind, &pieces, behaviour).await,
    }
}

/// How the endpoint says things; an answer at once from those that say nothing, and to what they would not take.
fn form(request: &Request, asked: &Asked<'_>, behaviour: &Behaviour) -> Result<Form, Response> {
    let route = request.route();
    match route {
        _ if route.ends_with("/chat/completions") => Ok(Form::Chat),
        _ if route.ends_with("/completions") => Ok(Form::Completion),
        _ if route.contains("/messages") => match messages::fault(request) {
            Some(words) => Err(messages::refusal(400, &words)),
            None if route.ends_with("/count_tokens") => Err(messages::count(asked.prompt_words())),
            None => Ok(Form::Messages),
        },
        _ if route.ends_with("/responses") => match responses::fault(&request.body) {
            Some(words) => Err(fault::invalid(&words)),
            None => Ok(Form::Responses),
        },
        _ if contents::called(route).is_some() => match contents::fault(request) {
            Some(words) => Err(contents::refusal(400, &words)),
            None if route.ends_with(":countTokens") => Err(contents::count(asked.prompt_words())),
            None => Ok(Form::Contents),
        },
        _ => Err(match behaviour.kind {
            _ if route.ends_with("/embeddings") => Response::json(200, answer::embeddings(asked)),
            // It is a collector of traces, too.
            _ if route == "/v1/traces" => Response::json(200, "{}"),
            Kind::Echo => Response::json(200, answer::echo(&request.body)),
            _ => fault::error(404, &asked.model),
        }),
    }
}

fn with_id(response: Response, id: u64, turn: &Turn) -> Response {
    response.with_header("x-request-id", format_args!("req_sim_{id}")).with_limit(turn.limit)
}

/// Sends an answer, or half of it if it is to break off.
async fn plain(connection: &mut Connection, response: Response, behaviour: &Behaviour) -> io::Result<Ended> {
    let mut bytes = response.render(behaviour.after);
    let ended = match behaviour.ending {
        Ending::Cut(_) | Ending::Truncate(_) => Ended::Cut,
        Ending::Reset(_) => Ended::Reset,
        Ending::Stall(_) => {
            bytes.truncate(bytes.len() - response.body.len() / 2);
            connection.send(&bytes).await?;
            return Err(connection.hang().await);
        }
        Ending::Done | Ending::NoDone | Ending::Error(_) => Ended::Whole,
    };
    if ended != Ended::Whole {
        bytes.truncate(bytes.len() - response.body.len().div_ceil(2));
    }
    connection.send(&bytes).await.map(|()| ended)
}

fn lists(request: &Request, script: &Script) -> Response {
    let route = request.route();
    if route.ends_with("/models") {
        return Response::json(200, answer::models(script, None));
    }
    if let Some((_, name)) = route.rsplit_once("/models/") {
        return match script.models.iter().any(|known| known == name) {
            true => Response::json(200, answer::models(script, Some(name))),
            false => fault::error(404, name),
        };
    }
    match route {
        "/" | "/health" | "/health/liveliness" => Response::json(200, "{\"status\":\"ok\"}"),
        _ => fault::error(404, route),
    }
}
