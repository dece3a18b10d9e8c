//! Loads: closed loops, open loops and streams, all on the one thread of the generator.

use crate::client::Client;
use crate::keyring::DIGITS;
use std::cell::Cell;
use std::error::Error;
use std::io::Write as _;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// What a load did.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Requests, or events of streams.
    pub done: u64,
    /// From sending to the whole answer, or to the first event; in nanoseconds.
    pub latencies: Vec<u64>,
}

/// What is sent: always the same, or with each of some keys in turn.
#[derive(Debug)]
pub struct Requests {
    bytes: Vec<u8>,
    /// Where the key's number stands, and how many keys there are.
    turns: Option<(usize, usize)>,
    next: Cell<usize>,
}

type Fallible<T> = Result<T, Box<dyn Error>>;

impl Requests {
    /// `key` is the one in `bytes`; `keys` are used in turn.
    pub fn new(bytes: Vec<u8>, key: &str, keys: usize) -> Self {
        let at = memchr::memmem::find(&bytes, key.as_bytes()).map(|at| at + key.len() - DIGITS);
        Self { bytes, turns: at.filter(|_| keys > 1).map(|at| (at, keys)), next: Cell::new(0) }
    }

    /// Turns a client's own copy into the next request.
    fn advance(&self, own: &mut [u8]) -> Fallible<()> {
        let Some((at, keys)) = self.turns else { return Ok(()) };
        let number = self.next.get();
        self.next.set((number + 1) % keys);
        Ok(write!(&mut own[at..at + DIGITS], "{number:0DIGITS$x}")?)
    }
}

impl Outcome {
    /// The `p`-th latency, from 0 to 1, in microseconds.
    pub fn percentile(&mut self, p: f64) -> f64 {
        self.latencies.sort_unstable();
        let last = self.latencies.len().saturating_sub(1);
        let index = (last as f64 * p).round() as usize;
        self.latencies.get(index).copied().unwrap_or(0) as f64 / 1000.0
    }

    pub fn absorb(&mut self, other: Self) {
        self.done += other.done;
        self.latencies.extend(other.latencies);
    }
}

/// `clients` connections, each asking again as soon as it is answered.
pub async fn closed(
    addr: SocketAddr,
    requests: &Rc<Requests>,
    clients: usize,
    time: Duration,
) -> Fallible<Outcome> {
    let end = Instant::now() + time;
    gather(clients, |_| {
        let requests = Rc::clone(requests);
        async move {
            let mut outcome = Outcome::default();
            let mut client = Client::connect(addr).await?;
            let mut request = requests.bytes.clone();
            while Instant::now() < end {
                requests.advance(&mut request)?;
                let start = Instant::now();
                client.call(&request).await?;
                outcome.latencies.push(nanos(start));
                outcome.done += 1;
            }
            Ok(outcome)
        }
    })
    .await
}

/// `rate` requests a second, whether or not earlier ones are answered (as far as `clients` connections allow).
pub async fn open(
    addr: SocketAddr,
    requests: &Rc<Requests>,
    clients: usize,
    rate: f64,
    time: Duration,
) -> Fallible<Outcome> {
    let begin = Instant::now();
    gather(clients, |index| {
        let requests = Rc::clone(requests);
        async move {
            let mut outcome = Outcome::default();
            let mut client = Client::connect(addr).await?;
            let mut request = requests.bytes.clone();
            for turn in 0.. {
                let due = Duration::from_secs_f64((turn * clients + index) as f64 / rate);
                if due > time {
                    break;
                }
                let due = begin + due;
                requests.advance(&mut request)?;
                // Waiting behind an earlier answer counts; the timer's own imprecision does not.
                let start = if Instant::now() < due {
                    tokio::time::sleep_until(due.into()).await;
                    Instant::now()
                } else {
                    due
                };
                client.call(&request).await?;
                outcome.latencies.push(nanos(start));
                outcome.done += 1;
            }
            Ok(outcome)
        }
    })
    .await
}

/// `clients` streams at once, read to their end; `events` are expected of each.
pub async fn streams(
    addr: SocketAddr,
    requests: &Rc<Requests>,
    clients: usize,
    events: u64,
) -> Fallible<Outcome> {
    gather(clients, |_| {
        let requests = Rc::clone(requests);
        async move {
            let mut client = Client::connect(addr).await?;
            let start = Instant::now();
            let streamed = client.stream(&requests.bytes, None).await?;
            if streamed.events != events {
                return Err(format!("{} events came, not {events}", streamed.events).into());
            }
            let first = u64::try_from(streamed.first_event.duration_since(start).as_nanos())?;
            Ok(Outcome { done: streamed.events, latencies: vec![first] })
        }
    })
    .await
}

/// Sends `count` requests over `clients` connections.
pub async fn count(
    addr: SocketAddr,
    requests: &Rc<Requests>,
    clients: usize,
    count: usize,
) -> Fallible<Outcome> {
    gather(clients, |index| {
        let requests = Rc::clone(requests);
        async move {
            let mut client = Client::connect(addr).await?;
            let mut request = requests.bytes.clone();
            for _ in (index..count).step_by(clients) {
                requests.advance(&mut request)?;
                client.call(&request).await?;
            }
            Ok(Outcome::default())
        }
    })
    .await
}

/// Opens `clients` streams and leaves them open after their first event.
pub async fn hold(addr: SocketAddr, requests: &Rc<Requests>, clients: usize) -> Fallible<Vec<Client>> {
    let mut held = Vec::with_capacity(clients);
    for _ in 0..clients {
        let mut client = Client::connect(addr).await?;
        client.stream(&requests.bytes, Some(1)).await?;
        held.push(client);
    }
    Ok(held)
}

async fn gather<F>(clients: usize, work: impl Fn(usize) -> F) -> Fallible<Outcome>
where
    F: Future<Output = Fallible<Outcome>> + 'static,
{
    let mut tasks = JoinSet::new();
    for index in 0..clients {
        tasks.spawn_local(work(index));
    }
    let mut all = Outcome::default();
    while let Some(outcome) = tasks.join_next().await {
        all.absorb(outcome??);
    }
    Ok(all)
}

fn nanos(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
