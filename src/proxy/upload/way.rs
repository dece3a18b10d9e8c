//! How a body gets upstream.

use super::{Source, Upload};
use crate::proxy::stage::{Admitted, Ctx, Stage};
use crate::proxy::subrequest;
use pingora::Result;
use pingora_proxy::Session;

/// How the body of a call gets upstream.
pub(in crate::proxy) enum Way {
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
    pub(in crate::proxy) const fn is_whole(&self) -> bool {
        matches!(self, Self::Replayed | Self::Delegated)
    }

    /// Hands a call that was let in to Pingora, or to a subrequest.
    ///
    /// # Errors
    /// When the client is gone.
    pub(in crate::proxy) async fn go(
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
