//! Sends finished calls where the configuration wants them. Whatever becomes of it, traffic goes on.

use crate::config::{LangfuseConfig, MetricsConfig, OtelConfig, SinkAddress};
use crate::telemetry::{Finished, Format, Outlet, Parcel, Telemetry, sinks};
use crate::upstream::{NotPosted, Outbox};
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use std::mem;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, sleep, timeout_at};

/// A call waits so long for others to go with it.
const LINGER: Duration = Duration::from_secs(1);
/// Calls that go together at most.
const MOST: usize = 512;
/// One post may take so long.
const PATIENCE: Duration = Duration::from_secs(10);
/// Tries for each batch, and the wait after the first, which doubles.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);
/// At the end of the process so much time is left for what is queued.
pub(super) const FLUSH: Duration = Duration::from_secs(5);
/// The log says at most once in so long that a sink takes nothing.
const QUIET: Duration = Duration::from_secs(60);

/// Starts a sender for each sink that is wanted, on the runtime of the caller.
pub(super) fn start(
    otel: Option<&OtelConfig>,
    langfuse: Option<&LangfuseConfig>,
    telemetry: &Arc<Telemetry>,
) {
    if let Some((otel, metrics)) = otel.and_then(|otel| Some((otel, otel.metrics.clone()?))) {
        drop(tokio::spawn(count(otel.resource.clone(), metrics, Arc::clone(telemetry))));
    }
    for outlet in telemetry.sinks.outlets() {
        let (format, address) = match outlet.name {
            sinks::OTEL => match otel {
                Some(otel) => (Format::Otlp { resource: otel.resource.clone() }, &otel.address),
                None => continue,
            },
            _ => match langfuse {
                Some(langfuse) => (Format::Langfuse, &langfuse.address),
                None => continue,
            },
        };
        let outbox = Outbox::new(address.origin.clone(), address.path.clone(), headers(address), PATIENCE);
        log::info!("finished calls are sent to {} at {}{}", outlet.name, address.origin, address.path);
        let sender =
            Sender { outbox, format, telemetry: Arc::clone(telemetry), name: outlet.name, told: None };
        drop(tokio::spawn(sender.run(outlet)));
    }
}

/// Sends what was counted, for ever; the next time makes up for one that is not taken.
async fn count(resource: Vec<(String, String)>, metrics: MetricsConfig, telemetry: Arc<Telemetry>) {
    let MetricsConfig { address, every } = metrics;
    let outbox = Outbox::new(address.origin.clone(), address.path.clone(), headers(&address), PATIENCE);
    log::info!("metrics are sent to {} at {}{}", sinks::OTEL, address.origin, address.path);
    let format = Format::Otlp { resource };
    let mut told: Option<Instant> = None;
    loop {
        sleep(every).await;
        let Some(body) = format.counted(&telemetry.metrics, SystemTime::now()) else { continue };
        let fault = match outbox.post(Bytes::from(body)).await {
            Ok((200..300, _)) => continue,
            Ok((status, _)) => format!("status {status}"),
            Err(error) => error.to_string(),
        };
        if told.is_none_or(|told| told.elapsed() >= QUIET) {
            told = Some(Instant::now());
            log::warn!("{} does not take metrics: {fault}", sinks::OTEL);
        }
    }
}

/// Names and values were checked with the configuration.
fn headers(address: &SinkAddress) -> Vec<(HeaderName, HeaderValue)> {
    let header = |(name, value): &(HeaderName, crate::domain::Secret)| {
        let mut value = HeaderValue::from_str(value.expose()).ok()?;
        value.set_sensitive(true);
        Some((name.clone(), value))
    };
    address.headers.iter().filter_map(header).collect()
}

struct Sender {
    outbox: Outbox,
    format: Format,
    telemetry: Arc<Telemetry>,
    name: &'static str,
    /// When the log last said that nothing is taken.
    told: Option<Instant>,
}

impl Sender {
    async fn run(mut self, mut outlet: Outlet) {
        let mut waiting: Vec<Arc<Finished>> = Vec::new();
        while let Some(first) = outlet.queue.recv().await {
            let mut asked = None;
            let mut take = |parcel, waiting: &mut Vec<_>| match parcel {
                Parcel::Call(call) => {
                    waiting.push(call);
                    waiting.len() < MOST
                }
                Parcel::Flush(done) => {
                    asked = Some(done);
                    false
                }
            };
            let until = Instant::now() + LINGER;
            let mut goes_on = take(first, &mut waiting);
            while goes_on {
                match timeout_at(until, outlet.queue.recv()).await {
                    Ok(Some(parcel)) => goes_on = take(parcel, &mut waiting),
                    Ok(None) | Err(_) => goes_on = false,
                }
            }
            self.send(&mem::take(&mut waiting), &outlet).await;
            if let Some(asked) = asked {
                // Whoever asked may have stopped waiting.
                let _ = asked.send(());
            }
        }
    }

    async fn send(&mut self, calls: &[Arc<Finished>], outlet: &Outlet) {
        if calls.is_empty() {
            return;
        }
        for batch in self.format.batches(calls, &self.telemetry.metrics) {
            match self.post(Bytes::from(batch.body)).await {
                Ok(answer) => {
                    let refused = self.format.refused(&answer).min(batch.calls);
                    outlet.counters.sent(batch.calls - refused);
                    if refused > 0 {
                        outlet.counters.failed(refused);
                        self.tell(&format!("{refused} of {} calls were refused", batch.calls));
                    }
                }
                Err(why) => {
                    outlet.counters.failed(batch.calls);
                    self.tell(&why);
                }
            }
        }
    }

    /// The answer that took the body, or why there is none after some tries.
    async fn post(&self, body: Bytes) -> Result<Bytes, String> {
        let mut pause = PAUSE;
        for attempt in 1.. {
            let why = match self.outbox.post(body.clone()).await {
                Ok((200..300, answer)) => return Ok(answer),
                Ok((status @ (408 | 429 | 500..), _)) => format!("status {status}"),
                Ok((status, _)) => return Err(format!("status {status}")),
                Err(error @ (NotPosted::Unreachable(_) | NotPosted::TooSlow(_))) => error.to_string(),
            };
            if attempt >= TRIES {
                return Err(why);
            }
            sleep(pause).await;
            pause *= 2;
        }
        Err("never tried".to_owned())
    }

    fn tell(&mut self, why: &str) {
        if self.told.is_none_or(|told| told.elapsed() >= QUIET) {
            self.told = Some(Instant::now());
            log::warn!("{} does not take finished calls, which are lost: {why}", self.name);
        }
    }
}
