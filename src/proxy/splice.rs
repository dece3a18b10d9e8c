//! The client's connection, in whose heads lines can be put that Pingora's map of headers does not carry.
//!
//! A map of the thirty headers of an answer costs several times what their text does: it is hashed, copied, written out and
//! dropped one by one. So Pingora gets a head with what it must know, which is how the body ends, and the text of all
//! other headers is put in before the empty line when the head goes through here.
//!
//! Pingora bounds how long a piece may take as a whole, whatever its size, or not at all. Here it is seen when a client
//! takes nothing more, which would hold its slot and its upstream for as long as it likes.

use async_trait::async_trait;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::{SslDigest, TlsRef};
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream,
    TimingDigest, UniqueID, UniqueIDType,
};
use pingora_proxy::Session;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// A connection of a client.
#[derive(Debug)]
pub struct Spliced {
    stream: Stream,
    // Locked by the call under way only, which puts them in while it holds the session.
    lines: Mutex<Lines>,
    stall: Stall,
}

/// How long a client takes nothing of what is for it.
#[derive(Debug)]
struct Stall {
    /// How long it may; zero is as long as it likes.
    patience: Duration,
    /// When that is over, while it takes nothing.
    end: Option<Pin<Box<Sleep>>>,
}

impl Stall {
    fn after<T>(&mut self, context: &mut Context<'_>, taken: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if taken.is_ready() {
            self.end = None;
            return taken;
        }
        if self.patience.is_zero() {
            return Poll::Pending;
        }
        let end = self.end.get_or_insert_with(|| Box::pin(tokio::time::sleep(self.patience)));
        ready!(end.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Lines that wait for a head.
#[derive(Debug, Default)]
struct Lines {
    text: Vec<u8>,
    /// Whether the head they belong to is being written.
    begun: bool,
    sent: usize,
}

/// The break that ends the empty line, and with it a head.
const BREAK: usize = 2;

impl Spliced {
    /// The same connection, which breaks when the client takes nothing for so long; zero is as long as it likes.
    #[must_use]
    pub fn new(stream: Stream, patience: Duration) -> Self {
        Self { stream, lines: Mutex::default(), stall: Stall { patience, end: None } }
    }

    /// Keeps these lines, each with its break, for the head that is written next, in the place of any that still wait.
    pub(super) fn put(&self, text: Vec<u8>) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        *lines = Lines { text, ..Lines::default() };
    }

    fn parts(&mut self) -> (Pin<&mut Stream>, &mut Lines) {
        let lines = self.lines.get_mut().unwrap_or_else(PoisonError::into_inner);
        (Pin::new(&mut self.stream), lines)
    }
}

/// The connection of this session, if heads go over it as text.
pub(super) fn of(session: &Session) -> Option<&Spliced> {
    session.downstream_session.as_http1()?.stream().as_ref().as_any().downcast_ref()
}

/// Drops the lines of an answer that will not be sent, before another one is.
pub(super) fn forget(session: &Session) {
    if let Some(client) = of(session) {
        client.put(Vec::new());
    }
}

impl Spliced {
    /// Writes with the lines put in.
    fn poll_splice(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let (mut stream, lines) = self.parts();
        if lines.text.is_empty() {
            return stream.poll_write(context, bytes);
        }
        lines.begun |= bytes.starts_with(b"HTTP/");
        if !lines.begun {
            return stream.poll_write(context, bytes);
        }
        // Whoever writes a head comes again with what was not taken of it.
        if let Some(all_but_the_break @ [_, ..]) = bytes.get(..bytes.len().saturating_sub(BREAK)) {
            return stream.poll_write(context, all_but_the_break);
        }
        while let Some(rest @ [_, ..]) = lines.text.get(lines.sent..) {
            match ready!(stream.as_mut().poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => lines.sent += written,
            }
        }
        *lines = Lines::default();
        stream.poll_write(context, bytes)
    }
}

impl AsyncWrite for Spliced {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let taken = this.poll_splice(context, bytes);
        this.stall.after(context, taken)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let (stream, lines) = this.parts();
        if lines.text.is_empty() {
            let taken = stream.poll_write_vectored(context, slices);
            return this.stall.after(context, taken);
        }
        let first = slices.iter().find(|slice| !slice.is_empty());
        Pin::new(this).poll_write(context, first.map_or(&[], |slice| slice))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let taken = this.parts().0.poll_flush(context);
        this.stall.after(context, taken)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().parts().0.poll_shutdown(context)
    }
}

impl AsyncRead for Spliced {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.get_mut().parts().0.poll_read(context, buffer)
    }
}

#[async_trait]
impl Shutdown for Spliced {
    async fn shutdown(&mut self) {
        self.stream.shutdown().await;
    }
}

#[async_trait]
impl Peek for Spliced {
    async fn try_peek(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        self.stream.try_peek(buffer).await
    }
}

impl UniqueID for Spliced {
    fn id(&self) -> UniqueIDType {
        self.stream.id()
    }
}

impl Ssl for Spliced {
    fn get_ssl(&self) -> Option<&TlsRef> {
        self.stream.get_ssl()
    }

    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.stream.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.stream.selected_alpn_proto()
    }
}

impl GetTimingDigest for Spliced {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.stream.get_timing_digest()
    }

    fn get_read_pending_time(&self) -> Duration {
        self.stream.get_read_pending_time()
    }

    fn get_write_pending_time(&self) -> Duration {
        self.stream.get_write_pending_time()
    }
}

impl GetProxyDigest for Spliced {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.stream.get_proxy_digest()
    }

    fn set_proxy_digest(&mut self, digest: ProxyDigest) {
        self.stream.set_proxy_digest(digest);
    }
}

impl GetSocketDigest for Spliced {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.stream.get_socket_digest()
    }

    fn set_socket_digest(&mut self, digest: SocketDigest) {
        self.stream.set_socket_digest(digest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    const WHOLE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\na: b\r\nc: d\r\n\r\nHTTP/";

    /// What comes out of a pipe that takes so many bytes at a time.
    fn through(room: usize, interim: &[u8]) -> Vec<u8> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (near, mut far) = tokio::io::duplex(room);
        let mut spliced = Spliced::new(Box::new(near), Duration::ZERO);
        runtime.block_on(async {
            let writing = async {
                spliced.write_all(interim).await.unwrap();
                spliced.put(b"never: sent\r\n".to_vec());
                spliced.put(b"a: b\r\nc: d\r\n".to_vec());
                spliced.write_all(HEAD).await.unwrap();
                spliced.write_all(b"HTTP/").await.unwrap();
                drop(spliced);
            };
            let mut all = Vec::new();
            let (_, read) = tokio::join!(writing, far.read_to_end(&mut all));
            read.unwrap();
            all
        })
    }

    proptest! {
        #[test]
        fn lines_stand_before_the_empty_line_however_little_is_taken_at_once(room in 1usize..80) {
            prop_assert_eq!(through(room, b""), WHOLE);
            let continued = b"HTTP/1.1 100 Continue\r\n\r\n";
            prop_assert_eq!(through(room, continued), [&continued[..], WHOLE].concat());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_let_go_and_who_takes_little_is_not() {
        const PATIENCE: Duration = Duration::from_secs(60);
        for head in [&b""[..], HEAD] {
            let (near, mut far) = tokio::io::duplex(4);
            let mut spliced = Spliced::new(Box::new(near), PATIENCE);
            if !head.is_empty() {
                spliced.put(b"a: b\r\n".to_vec());
            }
            let slow = async {
                for _ in 0..20 {
                    tokio::time::sleep(PATIENCE * 9 / 10).await;
                    far.read_u8().await.unwrap();
                }
                std::future::pending::<()>().await;
            };
            let bytes = [head, &[b'x'; 60]].concat();
            let began = tokio::time::Instant::now();
            tokio::select! {
                written = spliced.write_all(&bytes) => {
                    assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
                }
                () = slow => {}
            }
            assert_eq!(began.elapsed().as_secs(), (20 * PATIENCE * 9 / 10 + PATIENCE).as_secs());
        }
    }

    #[tokio::test]
    async fn lines_without_a_head_are_not_sent() {
        let (near, mut far) = tokio::io::duplex(64);
        let mut spliced = Spliced::new(Box::new(near), Duration::ZERO);
        spliced.put(b"a: b\r\n".to_vec());
        spliced.write_all(b"data: {}\n\n").await.unwrap();
        drop(spliced);
        let mut all = Vec::new();
        far.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"data: {}\n\n");
    }
}
