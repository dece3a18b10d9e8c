//! Waiting that ends when the client leaves.

use super::body;
use pingora::Result;
use pingora_proxy::Session;

/// Waits for something, unless the client leaves first.
pub(in crate::proxy) async fn while_client_stays<T>(
    session: &mut Session,
    wait: impl Future<Output = T>,
) -> Result<T> {
    tokio::pin!(wait);
    // Of a body that is still to be read nothing can be told but that it is there; over HTTP/2 its end may come by itself.
    if body::is_unread(session) && session.as_downstream().as_http2().is_none() {
        return Ok(wait.await);
    }
    tokio::select! {
        biased;
        done = &mut wait => Ok(done),
        gone = session.as_mut().read_body_or_idle(true) => match gone {
            Err(error) => Err(error.into_down()),
            Ok(_) => Ok(wait.await),
        },
    }
}
