//! Loads: closed loops, open loops and streams, all on the one thread of the generator.

use crate::client::Client;
use std::error::Error;
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

type Fallible<T> = Result<T, Box<dyn Error>>;

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
    request: &Rc<Vec<u8>>,
    clients: usize,
    time: Duration,
) -> Fallible<Outcome> {
    let end = Instant::now() + time;
    gather(clients, |_| {
        let request = Rc::clone(request);
        async move {
            let mut outcome = Outcome::default();
            let mut client = Client::connect(addr).await?;
            while Instant::now() < end {
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
    request: &Rc<Vec<u8>>,
    clients: usize,
    rate: f64,
    time: Duration,
) -> Fallible<Outcome> {
    let begin = Instant::now();
    gather(clients, |index| {
        let request = Rc::clone(request);
        async move {
            let mut outcome = Outcome::default();
            let mut client = Client::connect(addr).await?;
            for turn in 0.. {
                let due = Duration::from_secs_f64((turn * clients + index) as f64 / rate);
                if due > time {
                    break;
                }
                let due = begin + due;
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
    request: &Rc<Vec<u8>>,
    clients: usize,
    events: u64,
) -> Fallible<Outcome> {
    gather(clients, |_| {
        let request = Rc::clone(request);
        async move {
            let mut client = Client::connect(addr).await?;
            let start = Instant::now();
            let streamed = client.stream(&request, None).await?;
            if streamed.events != events {
                return Err(format!("{} events came, not {events}", streamed.events).into());
            }
            let first = u64::try_from(streamed.first_event.duration_since(start).as_nanos())?;
            Ok(Outcome { done: streamed.events, latencies: vec![first] })
        }
    })
    .await
}

/// Opens `clients` streams and leaves them open after their first event.
pub async fn hold(addr: SocketAddr, request: &Rc<Vec<u8>>, clients: usize) -> Fallible<Vec<Client>> {
    let mut held = Vec::with_capacity(clients);
    for _ in 0..clients {
        let mut client = Client::connect(addr).await?;
        client.stream(request, Some(1)).await?;
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
