//! A search engine at work: a tool of the configuration, and where it is.

use super::fetch::{self, Fetched};
use super::{Endpoint, Patience, USER_AGENT};
use crate::providers::search::{Hit, Question, SearchTool, Sent};
use bytes::Bytes;
use http::{HeaderValue, header};
use pingora::connectors::http::Connector;
use pingora::http::RequestHeader;
use pingora::{Error, ErrorType, Result};
use std::sync::Arc;
use std::time::Duration;

/// Longest answer that is read, in bytes.
const LONGEST: usize = 4 * 1024 * 1024;
/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// A tool that can be used.
pub struct Searcher {
    /// What was configured.
    pub tool: Arc<SearchTool>,
    endpoint: Arc<Endpoint>,
    connector: Connector,
}

/// Why a search came to nothing. No text repeats what the engine said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    /// It did not answer in time.
    #[error("the search engine did not answer in time")]
    TooSlow,
    /// It cannot be reached, or broke off.
    #[error("the search engine cannot be reached")]
    Unreachable,
    /// It answered with this status.
    #[error("the search engine answered with status {0}")]
    Status(u16),
    /// What it said is no list of results.
    #[error("the search engine's answer is no list of results")]
    Strange,
}

impl Searcher {
    /// A tool, and where it is.
    #[must_use]
    pub fn new(tool: Arc<SearchTool>, endpoint: Arc<Endpoint>) -> Self {
        Self { tool, endpoint, connector: Connector::new(None) }
    }

    /// Puts a question; no more results come than it asks for.
    ///
    /// # Errors
    /// [`NotFound`].
    pub async fn search(&self, question: &Question) -> std::result::Result<Vec<Hit>, NotFound> {
        let sent = self.tool.request(question);
        let exchanged = tokio::time::timeout(self.tool.timeout, self.exchange(sent)).await;
        let (status, body) = match exchanged {
            Err(_) => return Err(NotFound::TooSlow),
            Ok(Err(error)) => {
                log::debug!("search tool {}: {}", self.tool.name, error.etype().as_str());
                return Err(NotFound::Unreachable);
            }
            Ok(Ok(answer)) => answer,
        };
        if status != 200 {
            return Err(NotFound::Status(status));
        }
        self.tool.read(question, &body).ok_or(NotFound::Strange)
    }

    async fn exchange(&self, sent: Sent) -> Result<(u16, Bytes)> {
        let time = self.tool.timeout;
        let patience = Patience { connect: CONNECT.min(time), read: time, write: Some(time) };
        let Some(peer) = self.endpoint.peer(patience) else {
            return Error::e_explain(ErrorType::ConnectError, "not resolved");
        };
        let (head, body) = (self.head(&sent)?, sent.body.into());
        let asked = fetch::Question { head, body, longest: LONGEST, silence: time };
        let Fetched { status, body, is_whole } = fetch::fetch(&self.connector, &peer, asked).await?;
        if !is_whole {
            return Error::e_explain(ErrorType::ReadError, "the answer is too long");
        }
        Ok((status, body))
    }

    /// Made of the configuration and the question alone: nothing else that a client sent is in it.
    fn head(&self, sent: &Sent) -> Result<RequestHeader> {
        let mut head = RequestHeader::build_no_case(sent.method.clone(), sent.path.as_bytes(), Some(8))?;
        head.insert_header(header::HOST, self.tool.origin.to_string())?;
        head.insert_header(header::ACCEPT, HeaderValue::from_static("application/json"))?;
        head.insert_header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))?;
        head.insert_header(header::USER_AGENT, HeaderValue::from_static(USER_AGENT))?;
        if let Some((name, key)) = self.tool.key_header() {
            let value = HeaderValue::from_str(key.expose());
            let mut value =
                value.map_err(|_| Error::explain(ErrorType::InvalidHTTPHeader, "the key cannot be sent"))?;
            value.set_sensitive(true);
            head.insert_header(name, value)?;
        }
        if !sent.body.is_empty() {
            head.insert_header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))?;
            head.insert_header(header::CONTENT_LENGTH, HeaderValue::from(sent.body.len()))?;
        }
        Ok(head)
    }
}
