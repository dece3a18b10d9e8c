//! A WebSocket to an upstream: the request that asks for one, and the two halves of what comes of it.

use super::{Deployment, Endpoint, Patience};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use pingora::connectors::TransportConnector;
use pingora::http::RequestHeader;
use pingora::protocols::Stream;
use pingora::{Error, ErrorType, Result};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};

/// Largest head of an answer, in bytes.
const HEAD: usize = 32 * 1024;
/// Most headers of an answer.
const HEADERS: usize = 100;
/// So much is read of a refusal, in bytes.
const REFUSAL: usize = 64 * 1024;

/// An upstream that agreed.
pub struct Upgraded {
    /// The head of its answer.
    pub headers: HeaderMap,
    /// What it sent together with the head.
    pub first: Bytes,
    /// From it.
    pub reader: ReadHalf<Stream>,
    /// To it.
    pub writer: WriteHalf<Stream>,
}

/// What came of asking.
pub enum Handshake {
    /// It agreed.
    Agreed(Box<Upgraded>),
    /// It refused, with this status, head and the beginning of a body.
    Refused(u16, HeaderMap, Bytes),
}

/// Asks an upstream for a WebSocket. `head` is the whole request.
///
/// # Errors
/// When it cannot be reached, does not answer in time, or answers in something else than HTTP.
pub async fn upgrade(endpoint: &Endpoint, head: RequestHeader, patience: Duration) -> Result<Handshake> {
    let handshake = async {
        let patience = Patience { connect: patience, read: patience, write: Some(patience) };
        let Some(peer) = endpoint.peer(patience) else {
            return Error::e_explain(ErrorType::ConnectError, "the upstream's host name is not resolved");
        };
        let mut stream = TransportConnector::new(None).new_stream(&*peer).await?;
        let lost = |what: &'static str| Error::explain(ErrorType::ConnectionClosed, what);
        stream.write_all(&written(&head)).await.map_err(|_| lost("writing the request"))?;
        stream.flush().await.map_err(|_| lost("writing the request"))?;
        answered(stream).await
    };
    match tokio::time::timeout(patience, handshake).await {
        Ok(done) => done,
        Err(_) => Error::e_explain(ErrorType::ReadTimedout, "the upstream did not answer in time"),
    }
}

/// The head for a WebSocket at this path: the deployment's own, and what the client's handshake needs.
///
/// # Errors
/// When the path cannot be sent.
pub fn upgrade_head(
    deployment: &Deployment,
    path: &str,
    more: &[(HeaderName, HeaderValue)],
) -> Result<RequestHeader> {
    let mut head = deployment.bare_head();
    head.set_method(http::Method::GET);
    head.set_raw_path(path.as_bytes())?;
    head.remove_header(&http::header::ACCEPT);
    head.remove_header(&http::header::ACCEPT_ENCODING);
    head.insert_header(http::header::CONNECTION, HeaderValue::from_static("Upgrade"))?;
    head.insert_header(http::header::UPGRADE, HeaderValue::from_static("websocket"))?;
    for (name, value) in more {
        head.insert_header(name.clone(), value.clone())?;
    }
    Ok(head)
}

fn written(head: &RequestHeader) -> BytesMut {
    let mut out = BytesMut::with_capacity(1024);
    out.extend_from_slice(b"GET ");
    out.extend_from_slice(head.raw_path());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    for (name, value) in &head.headers {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out
}

async fn answered(mut stream: Stream) -> Result<Handshake> {
    let broken = |_| Error::explain(ErrorType::ReadError, "reading the answer");
    let mut bytes = BytesMut::new();
    loop {
        if stream.read_buf(&mut bytes).await.map_err(broken)? == 0 {
            return Error::e_explain(ErrorType::ConnectionClosed, "closed before an answer");
        }
        let Some((status, headers, length)) = parsed(&bytes)? else {
            if bytes.len() > HEAD {
                return Error::e_explain(ErrorType::InvalidHTTPHeader, "the head of the answer is too long");
            }
            continue;
        };
        let first = bytes.split_off(length);
        if status == 101 {
            let (reader, writer) = tokio::io::split(stream);
            return Ok(Handshake::Agreed(Box::new(Upgraded {
                headers,
                first: first.freeze(),
                reader,
                writer,
            })));
        }
        let body = refusal(stream, first, &headers).await;
        return Ok(Handshake::Refused(status, headers, body));
    }
}

/// The final head, if it is whole; interim ones are passed over.
fn parsed(bytes: &[u8]) -> Result<Option<(u16, HeaderMap, usize)>> {
    let mut at = 0;
    loop {
        let mut room = [httparse::EMPTY_HEADER; HEADERS];
        let mut answer = httparse::Response::new(&mut room);
        let rest = bytes.get(at..).unwrap_or_default();
        let bad = |_| Error::explain(ErrorType::InvalidHTTPHeader, "the answer is not HTTP");
        let httparse::Status::Complete(length) = answer.parse(rest).map_err(bad)? else { return Ok(None) };
        let status = answer.code.unwrap_or_default();
        at += length;
        if (100..200).contains(&status) && status != 101 {
            continue;
        }
        let pair = |header: &httparse::Header<'_>| {
            let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
            Some((name, HeaderValue::from_bytes(header.value).ok()?))
        };
        return Ok(Some((status, answer.headers.iter().filter_map(pair).collect(), at)));
    }
}

/// As much of a refusal's body as says why.
async fn refusal(mut stream: Stream, mut body: BytesMut, headers: &HeaderMap) -> Bytes {
    let length =
        headers.get(http::header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let most = length.unwrap_or(REFUSAL).min(REFUSAL);
    while body.len() < most {
        // Whatever was said before it broke off is good enough.
        if stream.read_buf(&mut body).await.unwrap_or_default() == 0 {
            break;
        }
    }
    body.truncate(most);
    body.freeze()
}
