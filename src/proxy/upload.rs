//! Forms as they come in. A small one is held like any other body; of a large one only the beginning is, and the rest is
//! passed on as it comes, with its model renamed on the way.
//!
//! Which deployment is asked depends on the model, and clients send it before or after the file. Where it comes late,
//! what comes before it waits in a file that has no name. What has left cannot be sent again: beyond the beginning that
//! is held, and [`REPLAYED`] after it, no other deployment is asked.

use super::body::Clock;
use super::stage::{Admitted, Ctx, Stage};
use super::{body, subrequest};
use crate::dialects::form::{self, Patcher, Scan};
use crate::dialects::openai::forms;
use crate::domain::{ApiError, EndpointKind, ErrorKind};
use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use pingora::{Error, ErrorType, OrErr, Result};
use pingora_proxy::Session;
use std::collections::VecDeque;
use std::io::SeekFrom;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tokio::sync::{Semaphore, SemaphorePermit};

/// So much of a large form's beginning is held, in bytes, and sent again to another deployment.
const HELD: usize = 4 * 1024 * 1024;
/// A form up to this is held whole, in bytes. The reads that fill what is held may go a little over it.
const WHOLE: usize = HELD + 1024 * 1024;
/// What Pingora itself sends again of the bytes after those that are held.
const REPLAYED: u64 = 64 * 1024;
/// So many forms wait in files at a time.
static WAITING: Semaphore = Semaphore::const_new(32);
/// What is read of such a file at once, in bytes.
const PIECE: usize = 64 * 1024;

/// A form whose end has not come when its deployment is asked.
pub(super) struct Upload {
    kind: EndpointKind,
    /// Its beginning, if that is held.
    ahead: Bytes,
    /// All of it in bytes, if the client told.
    length: Option<u64>,
    scan: Scan,
    /// Bytes after its beginning that were passed on, to whomever was sent most of them.
    past: u64,
    seen: usize,
    /// How many parts may name the model.
    models: usize,
    clock: Clock,
}

/// How far a form was passed on to one deployment.
pub(super) struct Pour {
    patcher: Patcher,
    begun: bool,
    at: u64,
}

/// Where the bytes of a form come from that are not held.
#[derive(Default)]
pub(super) struct Source {
    kept: VecDeque<Bytes>,
    spool: Option<Spool>,
}

struct Spool {
    file: File,
    left: u64,
    _place: SemaphorePermit<'static>,
}

/// A form as far as it was read before anybody is asked.
pub(super) enum Taken {
    /// All of it; whether Pingora can replay it.
    Whole(Bytes, bool),
    /// Its beginning; the rest comes from the client.
    Begun(Box<Upload>),
    /// The rest has to be handed to a subrequest.
    Pumped(Box<Upload>, Source),
    /// It is over the limit.
    TooLarge,
    /// It cannot be read.
    Refused(ApiError),
}

impl Taken {
    /// What is at hand, and how the body gets upstream.
    ///
    /// # Errors
    /// What is wrong with the form, or that it is over `limit` bytes.
    pub(super) fn on_its_way(self, limit: usize) -> std::result::Result<(Bytes, Way), ApiError> {
        match self {
            Self::Whole(bytes, true) => Ok((bytes, Way::Replayed)),
            Self::Whole(bytes, false) => Ok((bytes, Way::Delegated)),
            Self::Begun(upload) => Ok((Bytes::new(), Way::Passed(upload))),
            Self::Pumped(upload, source) => Ok((Bytes::new(), Way::Pumped(upload, source))),
            Self::TooLarge => Err(too_large(limit)),
            Self::Refused(error) => Err(error),
        }
    }
}

/// How the body of a call gets upstream.
pub(super) enum Way {
    /// Pingora replays it.
    Replayed,
    /// By a subrequest.
    Delegated,
    /// As it comes, after what is held of it.
    Passed(Box<Upload>),
    /// As it comes, by a subrequest.
    Pumped(Box<Upload>, Source),
}

impl Way {
    /// Whether all of the body is at hand.
    pub(super) const fn is_whole(&self) -> bool {
        matches!(self, Self::Replayed | Self::Delegated)
    }

    /// Hands a call that was let in to Pingora, or to a subrequest.
    ///
    /// # Errors
    /// When the client is gone.
    pub(super) async fn go(
        self,
        session: &mut Session,
        ctx: &mut Ctx,
        mut admitted: Box<Admitted>,
    ) -> Result<bool> {
        match self {
            Self::Replayed => {}
            Self::Delegated => return subrequest::delegate(session, ctx, Stage::Admitted(admitted)).await,
            Self::Passed(upload) => admitted.upload = Some(upload),
            Self::Pumped(upload, source) => {
                admitted.upload = Some(upload);
                return subrequest::pump(session, ctx, Stage::Admitted(admitted), source).await;
            }
        }
        ctx.stage = Stage::Admitted(admitted);
        Ok(false)
    }
}

/// A body over the limit, in bytes.
pub(super) fn too_large(limit: usize) -> ApiError {
    let words = format!("Request body is too large: the limit is {limit} bytes.");
    ApiError::new(ErrorKind::TooLarge, words)
}

/// What is known of a form that came in.
pub(super) struct Form {
    pub(super) scan: Scan,
    pub(super) taken: Taken,
    /// All of it in bytes, if the client told.
    pub(super) length: Option<u64>,
}

/// Reads a form until it is known which model it is for, unless `is_named` says that the path tells.
///
/// # Errors
/// When the client breaks off or is silent for too long.
pub(super) async fn read(
    session: &mut Session,
    mut clock: Clock,
    kind: EndpointKind,
    is_named: bool,
    limit: usize,
) -> Result<std::result::Result<Form, ApiError>> {
    let content_type = session.get_header(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let Some(boundary) = content_type.and_then(form::boundary) else {
        let words = "Invalid request format: expected multipart/form-data with a boundary.";
        return Ok(Err(ApiError::new(ErrorKind::InvalidRequest, words)));
    };
    let length = body::content_length(session);
    let mut scan = Scan::new(&boundary);
    if length.is_some_and(|length| length > limit) {
        return Ok(Ok(Form { scan, taken: Taken::TooLarge, length: None }));
    }
    body::invite(session).await?;
    let taken = match length {
        Some(length) if length <= WHOLE => {
            let bytes = body::read_sized(session, &mut clock, length).await?;
            whole(&mut scan, bytes, true)
        }
        _ => begin(session, clock, &mut scan, (kind, is_named), limit).await?,
    };
    Ok(Ok(Form { scan, taken, length: length.map(|length| length as u64) }))
}

fn whole(scan: &mut Scan, bytes: Bytes, replayable: bool) -> Taken {
    match scan.push(&bytes).and_then(|()| scan.finish()) {
        Ok(()) => Taken::Whole(bytes, replayable),
        Err(fault) => Taken::Refused(malformed(fault)),
    }
}

fn malformed(fault: form::Fault) -> ApiError {
    ApiError::new(ErrorKind::InvalidRequest, format!("Invalid request format: {fault}."))
}

async fn begin(
    session: &mut Session,
    mut clock: Clock,
    scan: &mut Scan,
    (kind, is_named): (EndpointKind, bool),
    limit: usize,
) -> Result<Taken> {
    let mut ahead = BytesMut::with_capacity(HELD + PIECE);
    while ahead.len() < HELD {
        let Some(piece) = clock.next(session).await? else {
            return Ok(whole(scan, ahead.freeze(), false));
        };
        ahead.extend_from_slice(&piece);
        if let Err(fault) = scan.push(&piece) {
            return Ok(Taken::Refused(malformed(fault)));
        }
    }
    let ahead = ahead.freeze();
    let length = body::content_length(session).map(|length| length as u64);
    let (seen, models) = (scan.parts().len(), usize::from(has_model(scan)));
    let mut upload =
        Box::new(Upload { kind, ahead, length, scan: scan.clone(), past: 0, seen, models, clock });
    if is_named || has_model(scan) {
        if length.is_some() {
            return Ok(Taken::Begun(upload));
        }
        let kept = VecDeque::from([std::mem::take(&mut upload.ahead)]);
        upload.scan = Scan::new(scan.boundary());
        return Ok(Taken::Pumped(upload, Source { kept, spool: None }));
    }
    let Ok(place) = WAITING.try_acquire() else {
        let words = "Too many uploads under way whose model stands after the file. Name the model before the file, or \
                     in the path.";
        return Ok(Taken::Refused(ApiError::new(ErrorKind::RateLimited, words)));
    };
    let spool = match wait_for_model(session, &mut upload.clock, scan, (limit, place)).await? {
        Ok(spool) => spool,
        Err(taken) => return Ok(taken),
    };
    let kept = VecDeque::from([std::mem::take(&mut upload.ahead)]);
    upload.scan = Scan::new(scan.boundary());
    upload.models = 1;
    Ok(Taken::Pumped(upload, Source { kept, spool: Some(spool) }))
}

fn has_model(scan: &Scan) -> bool {
    scan.parts().iter().any(|part| part.name == "model" && part.is_whole)
}

/// Writes a form into a file until it has said its model.
async fn wait_for_model(
    session: &mut Session,
    clock: &mut Clock,
    scan: &mut Scan,
    (limit, place): (usize, SemaphorePermit<'static>),
) -> Result<std::result::Result<Spool, Taken>> {
    const WHAT: &str = "an upload cannot wait on the disk";
    let opened =
        tokio::task::spawn_blocking(tempfile::tempfile).await.or_err(ErrorType::InternalError, WHAT)?;
    let mut file = File::from_std(opened.or_err(ErrorType::InternalError, WHAT)?);
    let mut left = 0_u64;
    while !has_model(scan) {
        let Some(piece) = clock.next(session).await? else { break };
        if let Err(fault) = scan.push(&piece) {
            return Ok(Err(Taken::Refused(malformed(fault))));
        }
        left += piece.len() as u64;
        if left.saturating_add(HELD as u64) > limit as u64 {
            return Ok(Err(Taken::TooLarge));
        }
        file.write_all(&piece).await.or_err(ErrorType::InternalError, WHAT)?;
    }
    file.flush().await.or_err(ErrorType::InternalError, WHAT)?;
    file.seek(SeekFrom::Start(0)).await.or_err(ErrorType::InternalError, WHAT)?;
    Ok(Ok(Spool { file, left, _place: place }))
}

impl Source {
    /// The next bytes that the client does not have to be asked for.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>> {
        if let Some(first) = self.kept.front_mut() {
            let piece = first.split_to(first.len().min(PIECE));
            if first.is_empty() {
                self.kept.pop_front();
            }
            return Ok(Some(piece));
        }
        let Some(spool) = &mut self.spool else { return Ok(None) };
        let most = usize::try_from(spool.left).unwrap_or(PIECE).min(PIECE);
        if most == 0 {
            self.spool = None;
            return Ok(None);
        }
        let mut piece = vec![0; most];
        let read = spool.file.read_exact(&mut piece).await;
        read.or_err(ErrorType::ReadError, "an upload cannot be read back from the disk")?;
        spool.left -= most as u64;
        Ok(Some(Bytes::from(piece)))
    }
}

impl Pour {
    /// Nothing was passed on yet.
    pub(super) const fn new(patcher: Patcher) -> Self {
        Self { patcher, begun: false, at: 0 }
    }

    /// How long a form becomes of which so many bytes come.
    pub(super) fn length(&self, length: u64) -> u64 {
        self.patcher.length(length)
    }
}

impl Upload {
    /// How many bytes the client will have sent, if it told.
    pub(super) const fn length(&self) -> Option<u64> {
        self.length
    }

    /// How many bytes have come.
    pub(super) const fn received(&self) -> u64 {
        self.ahead.len() as u64 + self.past
    }

    /// The time that is left for it.
    pub(super) const fn clock(&self) -> Clock {
        self.clock
    }

    /// Whether more was passed on than can be sent to another deployment.
    pub(super) const fn is_spent(&self) -> bool {
        self.past > REPLAYED
    }

    /// Says to the client that this upload ends with the deployment that had it.
    pub(super) fn explain(&self, error: &mut ApiError) {
        if self.is_spent() {
            error.message.push_str(
                " The upload was under way, and only its first 4 MiB are kept: no other deployment was asked.",
            );
        }
    }

    /// What goes upstream for the client's next bytes.
    ///
    /// # Errors
    /// What is wrong with the form.
    pub(super) fn pour(
        &mut self,
        pour: &mut Pour,
        sent: &mut Option<Bytes>,
        end: bool,
    ) -> std::result::Result<(), ApiError> {
        let piece = sent.take().unwrap_or_default();
        if !end && self.clock.is_over() {
            return Err(body::too_slow());
        }
        self.clock.came(piece.len());
        pour.at += piece.len() as u64;
        // What another deployment was sent before was looked at then.
        let fresh = usize::try_from(pour.at.saturating_sub(self.past)).unwrap_or(usize::MAX).min(piece.len());
        self.past = self.past.max(pour.at);
        self.scan.push(&piece[piece.len() - fresh..]).map_err(malformed)?;
        if self.scan.parts().len() > self.seen {
            self.seen = self.scan.parts().len();
            forms::recheck(self.kind, self.scan.parts())?;
            if self.scan.parts().iter().filter(|part| part.name == "model").count() > self.models {
                let words = "Where the path names the model, a form names it before its files or not at all.";
                return Err(ApiError::new(ErrorKind::InvalidRequest, words).with_param("model"));
            }
        }
        if end {
            self.scan.finish().map_err(malformed)?;
        }
        let mut out = BytesMut::new();
        if !std::mem::replace(&mut pour.begun, true) && !self.ahead.is_empty() {
            out.extend_from_slice(&pour.patcher.push(self.ahead.clone()));
        }
        let piece = pour.patcher.push(piece);
        *sent = Some(if out.is_empty() {
            piece
        } else {
            out.extend_from_slice(&piece);
            out.freeze()
        });
        Ok(())
    }
}

/// An upload that turned out to be no form.
pub(super) fn unusable(error: &ApiError) -> Box<Error> {
    Error::explain(ErrorType::Custom("upload"), error.message.clone())
}
