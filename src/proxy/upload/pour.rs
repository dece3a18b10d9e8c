//! The rest of a form on its way, with its model renamed.

use super::told::{has_model, malformed};
use crate::dialects::form::{Patcher, Scan};
use crate::dialects::openai::forms;
use crate::domain::{ApiError, EndpointKind, ErrorKind};
use crate::proxy::body::{self, Clock};
use bytes::Bytes;

/// What Pingora itself sends again of the bytes after those that are held.
const REPLAYED: u64 = 64 * 1024;

/// A form whose end has not come when its deployment is asked.
pub(in crate::proxy) struct Upload {
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
pub(in crate::proxy) struct Pour {
    patcher: Patcher,
    begun: bool,
    at: u64,
}

impl Pour {
    /// Nothing was passed on yet.
    pub(in crate::proxy) const fn new(patcher: Patcher) -> Self {
        Self { patcher, begun: false, at: 0 }
    }

    /// How long a form becomes of which so many bytes come.
    pub(in crate::proxy) fn length(&self, length: u64) -> u64 {
        self.patcher.length(length)
    }
}

impl Upload {
    /// One whose beginning is held, and sent to whoever is asked; of it `scan` is what is known.
    pub(super) fn begun(kind: EndpointKind, ahead: Bytes, scan: &Scan, of: (Option<u64>, Clock)) -> Self {
        let (length, clock) = of;
        let (seen, models) = (scan.parts().len(), usize::from(has_model(scan)));
        Self { kind, ahead, length, scan: scan.clone(), past: 0, seen, models, clock }
    }

    /// One that is passed on from its first byte; of what has come of it `scan` is what is known.
    pub(super) fn pumped(kind: EndpointKind, scan: &Scan, of: (Option<u64>, Clock)) -> Self {
        Self { scan: Scan::new(scan.boundary()), ..Self::begun(kind, Bytes::new(), scan, of) }
    }

    /// How many bytes the client will have sent, if it told.
    pub(in crate::proxy) const fn length(&self) -> Option<u64> {
        self.length
    }

    /// How many bytes have come.
    pub(in crate::proxy) const fn received(&self) -> u64 {
        self.ahead.len() as u64 + self.past
    }

    /// The time that is left for it.
    pub(in crate::proxy) const fn clock(&self) -> Clock {
        self.clock
    }

    /// Whether more was passed on than can be sent to another deployment.
    pub(in crate::proxy) const fn is_spent(&self) -> bool {
        self.past > REPLAYED
    }

    /// Says to the client that this upload ends with the deployment that had it.
    pub(in crate::proxy) fn explain(&self, error: &mut ApiError) {
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
    pub(in crate::proxy) fn pour(
        &mut self,
        pour: &mut Pour,
        sent: &mut Option<Bytes>,
        end: bool,
    ) -> Result<(), ApiError> {
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
        let begins = !std::mem::replace(&mut pour.begun, true) && !self.ahead.is_empty();
        *sent = Some(if begins {
            pour.patcher.push_all(&[self.ahead.clone(), piece])
        } else {
            pour.patcher.push(piece)
        });
        Ok(())
    }
}
