//! A session under way: bytes in both directions, its bounds, and its books.

use super::client::Hello;
use crate::dialects::realtime::{Meter, Opcode, close, frame};
use crate::domain::{ApiError, Outcome, UpstreamClass};
use crate::proxy::stage::{Attempt, Books, Served};
use crate::proxy::{Gateway, admission, settle};
use crate::upstream::Upgraded;
use bytes::{Bytes, BytesMut};
use pingora::protocols::Stream;
use pingora_proxy::Session;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// So many pieces from the client wait for the upstream to take them.
const WAITING: usize = 16;
/// So much is read at a time, in bytes.
const PIECE: usize = 64 * 1024;
/// How long either side may take to take a piece.
const WRITE: Duration = Duration::from_secs(30);
/// How often the bounds are looked at.
const TICK: Duration = Duration::from_millis(250);
/// How long a client may take to answer that it is left.
const FAREWELL: Duration = Duration::from_secs(2);
/// When the process goes away, a session may end its present answer for this share of the time that is left.
const ENDING: u32 = 2;

/// Why a session ended.
enum End {
    /// The client left, or said that it would.
    Client,
    /// The upstream did.
    Upstream,
    /// The upstream broke off, or spoke something else.
    Broken(&'static str),
    /// Nobody said anything for too long.
    Idle,
    /// It was open for too long.
    TooLong,
    /// The process goes away.
    Leaving,
    /// A limit is reached.
    Limit(ApiError),
}

struct Relay<'a> {
    gateway: &'a Gateway,
    attempt: Box<Attempt>,
    meter: Meter,
    began: Instant,
    /// When somebody last sent something.
    heard: Instant,
    booked: Instant,
    /// Since when the process is going away.
    leaving: Option<Instant>,
}

/// Joins both until it ends; what is left is its last record, written down.
pub(super) async fn run(
    gateway: &Gateway,
    session: &mut Session,
    attempt: Box<Attempt>,
    upgraded: Upgraded,
    hello: &Hello,
) -> Served {
    let now = Instant::now();
    let mut relay = Relay {
        gateway,
        attempt,
        meter: Meter::default(),
        began: now,
        heard: now,
        booked: now,
        leaving: None,
    };
    let Upgraded { headers, first, reader, writer } = upgraded;
    // Longer silences than Pingora's are fine here; the bounds are looked at below.
    session.as_mut().set_read_timeout(None);
    session.as_mut().set_write_timeout(Some(WRITE));
    let greeted = match hello.answer(&relay.attempt, &headers) {
        Ok(head) => session.write_response_header(Box::new(head), false).await,
        Err(error) => Err(error),
    };
    let end = match greeted {
        Ok(()) => relay.pass(session, first, reader, writer).await,
        Err(_) => End::Client,
    };
    relay.say_farewell(session, &end).await;
    relay.finish(&end)
}

// === impl Relay ===

impl Relay<'_> {
    async fn pass(
        &mut self,
        session: &mut Session,
        first: Bytes,
        mut reader: ReadHalf<Stream>,
        writer: WriteHalf<Stream>,
    ) -> End {
        let (sender, waiting) = channel(WAITING);
        // It ends with the sender, after what waits; each write has its time.
        drop(tokio::spawn(send(writer, waiting)));
        if !first.is_empty()
            && let Err(end) = self.give_client(session, first).await
        {
            return end;
        }
        let mut tick = tokio::time::interval(TICK);
        let mut piece = BytesMut::with_capacity(PIECE);
        loop {
            let has_room = sender.capacity() > 0;
            let done = tokio::select! {
                read = reader.read_buf(&mut piece) => match read {
                    Ok(0) if self.meter.is_closed() => Err(End::Upstream),
                    Ok(0) => Err(End::Broken("it closed the connection")),
                    Ok(_) => {
                        let bytes = piece.split().freeze();
                        piece.reserve(PIECE);
                        self.give_client(session, bytes).await
                    }
                    Err(_) => Err(End::Broken("it broke off")),
                },
                read = session.as_mut().read_request_body(), if has_room => match read {
                    Ok(Some(bytes)) => self.give_upstream(&sender, bytes),
                    Ok(None) | Err(_) => Err(End::Client),
                },
                // Room has come, or nobody takes anything any more.
                room = sender.reserve(), if !has_room => room.map(drop).map_err(|_| End::Broken("it takes no more")),
                _ = tick.tick() => self.look().await,
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    async fn give_client(&mut self, session: &mut Session, bytes: Bytes) -> Result<(), End> {
        self.heard = Instant::now();
        if self.meter.push(&bytes).is_err() {
            return Err(End::Broken("what it sends is no WebSocket"));
        }
        session.write_response_body(Some(bytes), false).await.map_err(|_| End::Client)
    }

    fn give_upstream(&mut self, sender: &Sender<Bytes>, bytes: Bytes) -> Result<(), End> {
        self.heard = Instant::now();
        sender.try_send(bytes).map_err(|_| End::Broken("it takes no more"))
    }

    /// Whether a bound is reached; books what was used meanwhile.
    async fn look(&mut self) -> Result<(), End> {
        let now = Instant::now();
        let bounds = self.attempt.admitted.snapshot.config.realtime;
        if now.duration_since(self.began) >= bounds.longest {
            return Err(End::TooLong);
        }
        if now.duration_since(self.heard) >= bounds.idle {
            return Err(End::Idle);
        }
        if self.gateway.draining.load(Ordering::Relaxed) {
            let since = *self.leaving.get_or_insert(now);
            let patience = self.attempt.admitted.snapshot.config.server.drain_timeout / ENDING;
            if self.meter.is_at_rest() || now.duration_since(since) >= patience {
                return Err(End::Leaving);
            }
        }
        if now.duration_since(self.booked) >= bounds.booked_every {
            self.booked = now;
            if self.meter.has_usage() {
                return self.book_on().await;
            }
        }
        Ok(())
    }

    /// Settles what was used so far, writes it down, and asks for leave to go on.
    async fn book_on(&mut self) -> Result<(), End> {
        let attribution = self.attempt.admitted.attribution.clone();
        let record =
            settle::book_session(self.gateway, &mut self.attempt, self.meter.take(), Outcome::Completed);
        let admitted = &mut self.attempt.admitted;
        admitted.attribution = attribution;
        if let Some(mut record) = record {
            self.gateway.telemetry.finished(&mut record, None);
        }
        let now = crate::domain::unix_ms(SystemTime::now());
        match admission::permit(self.gateway, admitted, now).await {
            Ok((permit, _)) => {
                admitted.books = Books::Open(permit);
                Ok(())
            }
            Err((error, _)) => Err(End::Limit(error)),
        }
    }

    /// Tells the client why it is left, where a frame can stand.
    async fn say_farewell(&self, session: &mut Session, end: &End) {
        let (code, why) = match end {
            End::Client | End::Upstream => return,
            End::Broken(_) => (1011, "the upstream broke off"),
            End::Idle => (1001, "nothing was said for too long"),
            End::TooLong => (1001, "the session was open for too long"),
            End::Leaving => (1001, "the gateway is going away"),
            End::Limit(_) => (1008, "a limit is reached"),
        };
        if !self.meter.is_between_frames() || self.meter.is_closed() {
            return;
        }
        let mut last = BytesMut::new();
        if let End::Limit(error) = end {
            let event = serde_json::json!({ "type": "error", "error": {
                "type": "invalid_request_error", "code": error.class(), "message": error.message,
            } });
            last.extend_from_slice(&frame(Opcode::Text, true, event.to_string().as_bytes(), None));
        }
        last.extend_from_slice(&close(code, why));
        if session.write_response_body(Some(last.freeze()), false).await.is_err() {
            return log::debug!("the client did not take the end of its session");
        }
        // A connection that is closed with something unread in it takes what was sent last with it.
        let answers = async { while let Ok(Some(_)) = session.as_mut().read_request_body().await {} };
        drop(tokio::time::timeout(FAREWELL, answers).await);
    }

    /// Writes down what was used since the last time.
    fn finish(mut self, end: &End) -> Served {
        let outcome = match end {
            End::Client => Outcome::ClientGone,
            End::Broken(why) => {
                log::warn!(
                    "realtime session {}: the upstream: {why}",
                    self.attempt.admitted.caller.call_id.as_str()
                );
                Outcome::Interrupted(UpstreamClass::Connection)
            }
            _ => Outcome::Completed,
        };
        // A client that leaves after its answers has had them all.
        let outcome = match outcome {
            Outcome::ClientGone if self.meter.is_at_rest() => Outcome::Completed,
            other => other,
        };
        let record = settle::book_session(self.gateway, &mut self.attempt, self.meter.take(), outcome);
        let admitted = self.attempt.admitted;
        let blank = || Box::new(settle::blank(&admitted.caller, Arc::clone(&admitted.requested), true));
        let record = record.unwrap_or_else(blank);
        Served { record, trace: admitted.caller.trace, _in_flight: admitted.caller._in_flight }
    }
}

async fn send(mut writer: WriteHalf<Stream>, mut waiting: Receiver<Bytes>) {
    while let Some(bytes) = waiting.recv().await {
        let sent = async {
            writer.write_all(&bytes).await?;
            writer.flush().await
        };
        if !matches!(tokio::time::timeout(WRITE, sent).await, Ok(Ok(()))) {
            return;
        }
    }
    drop(tokio::time::timeout(WRITE, writer.shutdown()).await);
}
