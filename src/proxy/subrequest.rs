//! A call that re-enters the proxy as a subrequest: because its body can be sent only so, or because it may be made
//! twice. It carries the call in its context. Subrequests are marked alpha upstream, so they stay in this file.

use super::body::{self, Clock};
use super::stage::{Ctx, Stage};
use super::upload::Source;
use bytes::Bytes;
use pingora::http::RequestHeader;
use pingora::protocols::http::HttpTask;
use pingora::{Error, ErrorSource, ErrorType, Result};
use pingora_proxy::subrequest::{BodyMode, Ctx as SubrequestCtx};
use pingora_proxy::{Session, SubrequestSpawner};
use std::sync::Mutex;
use std::time::Instant;
use tokio::sync::mpsc::{Receiver, Sender};

type Parcel = Mutex<Option<(Instant, Stage)>>;

/// A call under way by itself. Dropped, its channels close, which ends its upstream call.
pub(super) struct Subrequest {
    tx: Sender<HttpTask>,
    rx: Receiver<HttpTask>,
}

impl Subrequest {
    /// What it writes next; `None` at its end.
    pub(super) async fn next(&mut self) -> Option<HttpTask> {
        said(&mut self.rx).await
    }
}

/// What is written next; `None` at its end.
async fn said(rx: &mut Receiver<HttpTask>) -> Option<HttpTask> {
    loop {
        match rx.recv().await {
            Some(HttpTask::Header(head, _)) if head.status.is_informational() => {}
            other => return other,
        }
    }
}

/// Whether a request may spawn one: it is none itself.
pub(super) fn is_allowed(session: &Session) -> bool {
    session.subrequest_ctx.is_none()
}

/// Takes over a call from the request that spawned this subrequest; `false` if it is none.
pub(super) async fn adopt(session: &mut Session, ctx: &mut Ctx) -> Result<bool> {
    let parcel = session.subrequest_ctx.as_ref().and_then(|sub| sub.user_ctx());
    let Some(parcel) = parcel.and_then(|any| any.downcast_ref::<Parcel>()) else { return Ok(false) };
    let taken = parcel.lock().map_or(None, |mut slot| slot.take());
    let Some((arrived, stage)) = taken else { return Ok(false) };
    ctx.arrived = arrived;
    let is_uploading = matches!(&stage, Stage::Admitted(admitted) if admitted.upload.is_some());
    ctx.stage = stage;
    if is_uploading {
        return Ok(true);
    }
    session.as_mut().enable_retry_buffering();
    while session.as_mut().read_request_body().await?.is_some() {}
    Ok(true)
}

/// A subrequest's head is written out and read again as HTTP/1.1, which has no `HTTP/2` in its first line
/// and takes a body only where it is announced.
fn as_http_1(head: &mut RequestHeader) -> Result<()> {
    if head.version == http::Version::HTTP_2 {
        head.set_version(http::Version::HTTP_11);
        if !head.headers.contains_key(http::header::CONTENT_LENGTH) {
            head.insert_header(http::header::TRANSFER_ENCODING, "chunked")?;
        }
    }
    Ok(())
}

/// Begins a call as a subrequest. `body` makes Pingora ask our body filter for the real one: the client's own where it
/// announced a length, else a single byte is enough.
pub(super) async fn spawn(
    session: &mut Session,
    spawner: &SubrequestSpawner,
    arrived: Instant,
    stage: Stage,
    body: Bytes,
) -> Result<Subrequest> {
    let call = begin(session, spawner, arrived, stage)?;
    let _ = call.tx.send(HttpTask::Body(Some(body), true)).await;
    Ok(call)
}

/// The same before anything of its body is sent.
fn begin(
    session: &mut Session,
    spawner: &SubrequestSpawner,
    arrived: Instant,
    stage: Stage,
) -> Result<Subrequest> {
    let parcel: Parcel = Mutex::new(Some((arrived, stage)));
    as_http_1(session.req_header_mut())?;
    let sub = SubrequestCtx::builder().body_mode(BodyMode::ExpectBody).user_ctx(Box::new(parcel)).build();
    let (prepared, handle) = spawner.create_subrequest(&session.downstream_session, sub);
    // Not awaited: it ends when its channels do, and accounts for itself.
    drop(tokio::spawn(prepared.run()));
    Ok(Subrequest { tx: handle.tx, rx: handle.rx })
}

/// Runs the call as a subrequest and relays its answer.
///
/// # Errors
/// When the client is gone.
pub(super) async fn delegate(session: &mut Session, ctx: &mut Ctx, stage: Stage) -> Result<bool> {
    let spawner = spawner(session)?;
    ctx.stage = Stage::Delegated;
    let call = spawn(session, &spawner, ctx.arrived, stage, Bytes::from_static(b" ")).await?;
    relay(session, call, Vec::new()).await
}

fn spawner(session: &mut Session) -> Result<SubrequestSpawner> {
    session
        .subrequest_spawner
        .take()
        .ok_or_else(|| Error::explain(ErrorType::InternalError, "no subrequest can be made here"))
}

/// The same for a body that is still coming: it is handed on as it comes.
///
/// # Errors
/// When the client is gone.
pub(super) async fn pump(
    session: &mut Session,
    ctx: &mut Ctx,
    stage: Stage,
    mut source: Source,
) -> Result<bool> {
    let spawner = spawner(session)?;
    ctx.stage = Stage::Delegated;
    let mut clock = clock(&stage);
    let Subrequest { tx, mut rx } = begin(session, &spawner, ctx.arrived, stage)?;
    let mut next = None;
    let (mut all_read, mut all_sent) = (false, false);
    loop {
        // The last piece may tell that it is; nothing comes after it then.
        all_read |= session.as_mut().is_body_done();
        if next.is_none() && !all_sent {
            next = match source.next().await? {
                Some(piece) => Some(HttpTask::Body(Some(piece), false)),
                None if all_read => Some(HttpTask::Body(None, true)),
                None => None,
            };
        }
        tokio::select! {
            task = said(&mut rx) => if write(session, task).await? {
                // It may be answered before its end.
                body::drain(session).await;
                return Ok(true);
            },
            permit = tx.reserve(), if next.is_some() => match (permit, next.take()) {
                (Ok(permit), Some(task)) => {
                    all_sent = matches!(task, HttpTask::Body(None, _));
                    permit.send(task);
                }
                // It wants no more, and will say why.
                _ => all_sent = true,
            },
            piece = session.as_mut().read_body_or_idle(all_read), if next.is_none() => match piece {
                Ok(Some(piece)) => {
                    clock.iter_mut().for_each(|clock| clock.came(piece.len()));
                    if !all_sent {
                        next = Some(HttpTask::Body(Some(piece), false));
                    }
                }
                Ok(None) => all_read = true,
                Err(error) => return Err(error.into_down()),
            },
            // The subrequest says so to a client that is slow; of one that is silent it hears nothing.
            () = over(clock.as_ref()), if !all_read => return body::late().map_err(Error::into_down),
        }
    }
}

/// The time that the client has for what is still to come.
fn clock(stage: &Stage) -> Option<Clock> {
    let Stage::Admitted(admitted) = stage else { return None };
    admitted.upload.as_ref().map(|upload| upload.clock())
}

async fn over(clock: Option<&Clock>) {
    match clock {
        Some(clock) => clock.over().await,
        None => std::future::pending().await,
    }
}

/// Sends on what a subrequest says; whether it has said all.
async fn write(session: &mut Session, task: Option<HttpTask>) -> Result<bool> {
    match task {
        Some(task) => session.write_response_tasks(vec![task]).await,
        None if super::respond::is_answered(session) => Ok(true),
        None => Error::e_explain(ErrorType::InternalError, "the subrequest gave no answer"),
    }
}

/// Relays what a subrequest has written, and all that follows. When the client leaves, it ends.
///
/// # Errors
/// When the client is gone.
pub(super) async fn relay(
    session: &mut Session,
    mut call: Subrequest,
    written: Vec<HttpTask>,
) -> Result<bool> {
    if !written.is_empty() && session.write_response_tasks(written).await? {
        return Ok(true);
    }
    loop {
        tokio::select! {
            task = call.next() => if write(session, task).await? { return Ok(true) },
            gone = session.as_mut().read_body_or_idle(true) => {
                if let Err(mut error) = gone {
                    error.esource = ErrorSource::Downstream;
                    return Err(error);
                }
            }
        }
    }
}
