//! Connections on which whole answers are asked for: one call at a time, HTTP/1.1.
//!
//! Pingora connects, with TLS where the peer wants it; idle connections are kept here, and answers are read here.
//! Pingora's own pool gives each idle connection a task and asks the kernel about it at each turn, and its client keeps
//! what a proxy of streams needs; a short call would pay more for both than for its bytes.

mod answer;
mod framing;
mod idle;

pub use answer::{Answer, Outgoing};
pub use framing::{Fault, Framing, Head};

use super::Route;
use idle::Idle;
use once_cell::sync::OnceCell;
use pingora::Result;
use pingora::connectors::{ConnectorOptions, TransportConnector};
use pingora::prelude::HttpPeer;
use pingora::protocols::Stream;
use std::sync::Arc;

/// One data-plane thread's connections for whole answers.
pub struct Wire {
    connector: OnceCell<TransportConnector>,
    idle: Arc<Idle>,
}

impl Wire {
    /// Keeps up to so many idle connections.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { connector: OnceCell::new(), idle: Arc::new(Idle::new(most)) }
    }

    /// An idle connection that its upstream has not closed, as far as is known here.
    #[must_use]
    pub fn kept(&self, route: &Route) -> Option<Stream> {
        self.idle.take(route)
    }

    /// A new connection.
    ///
    /// # Errors
    /// As Pingora's connector: refused, timed out, or no TLS.
    pub async fn connect(&self, peer: &HttpPeer) -> Result<Stream> {
        // Made when it is needed first: it reads the trusted certificates. It keeps no connection itself.
        self.connector
            .get_or_init(|| TransportConnector::new(Some(ConnectorOptions::new(1))))
            .new_stream(peer)
            .await
    }

    /// Keeps the connection of a call that is over, if it can be used again.
    pub fn release(&self, route: Route, answer: Answer) {
        if let Some(stream) = answer.into_stream() {
            self.idle.keep(route, stream);
        }
    }
}
