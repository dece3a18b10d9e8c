//! A form is read until it is known which model it is for.

use super::source::{PIECE, Spool};
use super::told::{has_model, malformed, too_large};
use super::{Source, Upload, Way};
use crate::dialects::form::{self, Scan};
use crate::domain::{ApiError, EndpointKind, ErrorKind};
use crate::proxy::body::{self, Clock};
use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use pingora::Result;
use pingora_proxy::Session;

/// So much of a large form's beginning is held, in bytes, and sent again to another deployment.
const HELD: usize = 4 * 1024 * 1024;
/// A form up to this is held whole, in bytes. The reads that fill what is held may go a little over it.
const WHOLE: usize = HELD + 1024 * 1024;

/// A form as far as it was read before anybody is asked.
pub(in crate::proxy) enum Taken {
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
    pub(in crate::proxy) fn on_its_way(self, limit: usize) -> std::result::Result<(Bytes, Way), ApiError> {
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

/// What is known of a form that came in.
pub(in crate::proxy) struct Form {
    pub(in crate::proxy) scan: Scan,
    pub(in crate::proxy) taken: Taken,
    /// All of it in bytes, if the client told.
    pub(in crate::proxy) length: Option<u64>,
}

/// Reads a form until it is known which model it is for, unless `is_named` says that the path tells.
///
/// # Errors
/// When the client breaks off or is silent for too long.
pub(in crate::proxy) async fn read(
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
    let is_known = is_named || has_model(scan);
    if is_known && length.is_some() {
        return Ok(Taken::Begun(Box::new(Upload::begun(kind, ahead, scan, (length, clock)))));
    }
    let spool = if is_known {
        None
    } else {
        match wait_for_model(session, &mut clock, scan, limit).await? {
            Ok(spool) => Some(spool),
            Err(taken) => return Ok(taken),
        }
    };
    let upload = Upload::pumped(kind, scan, (length, clock));
    Ok(Taken::Pumped(Box::new(upload), Source::new(ahead, spool)))
}

/// Writes a form into a file until it has said its model.
async fn wait_for_model(
    session: &mut Session,
    clock: &mut Clock,
    scan: &mut Scan,
    limit: usize,
) -> Result<std::result::Result<Spool, Taken>> {
    let Some(mut spool) = Spool::open().await? else {
        let words = "Too many uploads under way whose model stands after the file. Name the model before the file, or \
                     in the path.";
        return Ok(Err(Taken::Refused(ApiError::new(ErrorKind::RateLimited, words))));
    };
    while !has_model(scan) {
        let Some(piece) = clock.next(session).await? else { break };
        if let Err(fault) = scan.push(&piece) {
            return Ok(Err(Taken::Refused(malformed(fault))));
        }
        if (spool.len() + piece.len() as u64).saturating_add(HELD as u64) > limit as u64 {
            return Ok(Err(Taken::TooLarge));
        }
        spool.write(&piece).await?;
    }
    spool.rewind().await?;
    Ok(Ok(spool))
}
