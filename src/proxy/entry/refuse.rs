//! A call is refused before anybody is asked.

use crate::proxy::stage::{Caller, Ctx, Refused, Stage};
use crate::proxy::{body, respond};
use pingora::{Error, Result};
use pingora_proxy::Session;
use std::sync::Arc;

/// Answers with an error now; `logging` accounts for it.
pub(in crate::proxy) async fn refuse(session: &mut Session, ctx: &mut Ctx, refused: Refused) -> Result<bool> {
    let unread = body::is_unread(session);
    let written = respond::refusal(session, &refused).await;
    ctx.stage = Stage::Refused(Box::new(refused));
    written?;
    if unread {
        body::drain(session).await;
    }
    Ok(true)
}

/// A body could not be read: a client that is too slow is told so, and its connection closed.
///
/// # Errors
/// When the client is gone.
pub(in crate::proxy) async fn unread(
    session: &mut Session,
    ctx: &mut Ctx,
    (caller, key_hash): (Caller, Option<Arc<str>>),
    error: Box<Error>,
) -> Result<bool> {
    match body::fault(&error) {
        Some(slow) => {
            session.set_keepalive(None);
            refuse(session, ctx, Refused::new(caller, slow, key_hash)).await
        }
        None => {
            ctx.stage = Stage::Refused(Box::new(Refused::gone(caller, key_hash)));
            Err(error.into_down())
        }
    }
}
