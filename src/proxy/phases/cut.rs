//! An answer that broke off under way, as its client is told.

use crate::dialects::openai::StreamEnd;
use crate::proxy::stage::{Meter, Relay};
use crate::proxy::{Gateway, respond, settle};
use pingora_proxy::Session;

/// Ends an answer whose upstream broke off under way: a stream that had come to its end is ended, another one gets an
/// error event, and anything else is left short.
pub(super) async fn cut(gateway: &Gateway, session: &mut Session, relay: &mut Relay) {
    if !respond::is_answered(session) {
        return;
    }
    let said_all = relay.has_said_all();
    let last = match (&mut relay.meter, &relay.interrupted) {
        (Meter::Stream(stream), None) if said_all => match stream.finish() {
            StreamEnd::Complete { tail } => tail,
            StreamEnd::Cut => return,
        },
        (Meter::Stream(_), Some(fault)) => {
            let fault = fault.clone();
            relay.error_event(&fault)
        }
        _ => return,
    };
    let last = relay.listed(last, true);
    relay.complete |= said_all;
    settle::book_relay(gateway, relay, true);
    if let Err(error) = session.write_response_body(Some(last), true).await {
        log::debug!("the client did not take the end of its stream: {error}");
    }
}
