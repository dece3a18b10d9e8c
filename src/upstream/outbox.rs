//! Posting to a service that is no upstream: a collector of traces. Connections are kept; names are resolved each time.

use super::endpoint::template;
use super::fetch::{Fetched, Question, fetch};
use super::{Patience, USER_AGENT};
use crate::domain::HostPort;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use pingora::connectors::http::Connector;
use pingora::http::RequestHeader;
use pingora::prelude::HttpPeer;
use std::io;
use std::time::Duration;

/// Longest answer that is read, in bytes.
const LONGEST: usize = 256 * 1024;

/// Where to post.
pub struct Outbox {
    origin: HostPort,
    path: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    connector: Connector,
    template: HttpPeer,
    patience: Duration,
}

/// Why something could not be posted. Its words hold no header and no body.
#[derive(Debug, thiserror::Error)]
pub enum NotPosted {
    /// Nobody answers to the name, or it cannot be reached, or it broke off.
    #[error("{0}")]
    Unreachable(String),
    /// It took too long.
    #[error("no answer within {0:?}")]
    TooSlow(Duration),
}

impl Outbox {
    /// A place to post JSON to. Each post may take `patience`.
    #[must_use]
    pub fn new(
        origin: HostPort,
        path: String,
        headers: Vec<(HeaderName, HeaderValue)>,
        patience: Duration,
    ) -> Self {
        let mut template = template(&origin);
        let each = Patience { connect: patience, read: patience, write: Some(patience) };
        template.options.connection_timeout = Some(each.connect);
        template.options.read_timeout = Some(each.read);
        template.options.write_timeout = each.write;
        Self { origin, path, headers, connector: Connector::new(None), template, patience }
    }

    /// Posts a body; the answer's status and its beginning.
    ///
    /// # Errors
    /// [`NotPosted`].
    pub async fn post(&self, body: Bytes) -> Result<(u16, Bytes), NotPosted> {
        let posted = tokio::time::timeout(self.patience, async {
            let peer = self.peer().await.map_err(|error| NotPosted::Unreachable(error.to_string()))?;
            self.exchange(&peer, body)
                .await
                .map_err(|error| NotPosted::Unreachable(error.etype().as_str().to_owned()))
        });
        posted.await.unwrap_or(Err(NotPosted::TooSlow(self.patience)))
    }

    async fn peer(&self) -> io::Result<HttpPeer> {
        let mut found = tokio::net::lookup_host((self.origin.host.as_str(), self.origin.port)).await?;
        let address = found.next().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let mut peer = self.template.clone();
        peer._address = address.into();
        Ok(peer)
    }

    async fn exchange(&self, peer: &HttpPeer, body: Bytes) -> pingora::Result<(u16, Bytes)> {
        let head = self.head(body.len())?;
        let question = Question { head, body, longest: LONGEST, silence: self.patience };
        let Fetched { status, body, .. } = fetch(&self.connector, peer, question).await?;
        Ok((status, body))
    }

    fn head(&self, length: usize) -> pingora::Result<RequestHeader> {
        let mut head = RequestHeader::build_no_case("POST", self.path.as_bytes(), Some(8))?;
        head.insert_header(header::HOST, self.origin.to_string())?;
        head.insert_header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))?;
        head.insert_header(header::CONTENT_LENGTH, HeaderValue::from(length))?;
        head.insert_header(header::USER_AGENT, HeaderValue::from_static(USER_AGENT))?;
        for (name, value) in &self.headers {
            head.insert_header(name, value)?;
        }
        Ok(head)
    }
}
