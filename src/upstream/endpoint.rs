//! One origin: its addresses, their health, and peers built from them.

use super::Cooldown;
use super::discovery::Dns;
use crate::domain::{HostPort, Scheme, UpstreamClass};
use crate::routing::OriginBreaker;
use arc_swap::ArcSwap;
use pingora::prelude::HttpPeer;
use pingora::protocols::l4::socket::SocketAddr as Address;
use pingora::upstreams::peer::Peer;
use pingora_load_balancing::health_check::{HealthCheck, HttpHealthCheck, TcpHealthCheck};
use pingora_load_balancing::selection::RoundRobin;
use pingora_load_balancing::{Backends, LoadBalancer};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

const CONNECT: Duration = Duration::from_secs(10);
/// An idle connection is kept so long.
pub(super) const IDLE: Duration = Duration::from_secs(60);
const PROBE: Duration = Duration::from_secs(2);

/// How an origin is probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Not at all.
    Off,
    /// A TCP connect.
    Tcp,
    /// An HTTP GET of this path, which must answer below 500.
    Http(String),
}

/// How long an upstream may be silent.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// While connecting; never more than ten seconds are granted.
    pub connect: Duration,
    /// Between two reads.
    pub read: Duration,
    /// Within one write; a body that fits the socket's buffer needs no limit.
    pub write: Option<Duration>,
}

/// One address of an origin: connections to it are all alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    origin: u64,
    address: Address,
}

/// Tells origins apart whose addresses are the same.
static NUMBERS: AtomicU64 = AtomicU64::new(0);

/// An origin with its addresses.
pub struct Endpoint {
    number: u64,
    origin: HostPort,
    balancer: LoadBalancer<RoundRobin>,
    template: HttpPeer,
    /// What the last look at the balancer said: asking it anew hashes every address.
    up: AtomicBool,
    /// The addresses that take calls, from the same look.
    ready: ArcSwap<Vec<Address>>,
    turn: AtomicUsize,
    /// Where the clock of its trouble starts.
    made: Instant,
    trouble: Cooldown,
    breaker: Mutex<OriginBreaker>,
    /// Whether the breaker counts anything.
    is_counting: AtomicBool,
}

impl Endpoint {
    /// An origin that is not resolved yet.
    #[must_use]
    pub fn new(origin: HostPort, probe: &Probe) -> Self {
        let mut backends = Backends::new(Box::new(Dns(origin.clone())));
        match probe {
            Probe::Off => {}
            Probe::Tcp => backends.set_health_check(tcp_check()),
            Probe::Http(path) => backends.set_health_check(http_check(&origin, path)),
        }
        let template = template(&origin);
        let balancer = LoadBalancer::from_backends(backends);
        Self {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            origin,
            balancer,
            template,
            up: AtomicBool::new(false),
            ready: ArcSwap::default(),
            turn: AtomicUsize::new(0),
            made: Instant::now(),
            trouble: Cooldown::default(),
            breaker: Mutex::default(),
            is_counting: AtomicBool::new(false),
        }
    }

    /// The origin.
    #[must_use]
    pub fn origin(&self) -> &HostPort {
        &self.origin
    }

    /// A healthy address, round robin; any address when none is healthy, because a real call tells more than a probe;
    /// `None` while the name has never been resolved.
    #[must_use]
    pub fn route(&self) -> Option<Route> {
        let ready = self.ready.load();
        let turn = if ready.len() > 1 { self.turn.fetch_add(1, Ordering::Relaxed) % ready.len() } else { 0 };
        Some(Route { origin: self.number, address: ready.get(turn)?.clone() })
    }

    /// A peer to connect to, by [`Self::route`].
    #[must_use]
    pub fn peer(&self, patience: Patience) -> Option<Box<HttpPeer>> {
        Some(self.peer_at(self.route()?, patience))
    }

    /// The peer at this address.
    #[must_use]
    pub fn peer_at(&self, route: Route, patience: Patience) -> Box<HttpPeer> {
        let mut peer = Box::new(self.template.clone());
        peer._address = route.address;
        peer.options.connection_timeout = Some(patience.connect.min(CONNECT));
        peer.options.total_connection_timeout = Some(patience.connect.min(CONNECT).saturating_mul(2));
        peer.options.read_timeout = Some(patience.read);
        peer.options.write_timeout = patience.write;
        peer
    }

    /// Whether some address was healthy when it was last probed, and calls are answered.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
            && (self.trouble.is_in() || self.trouble.remaining(self.now_ms()).is_none())
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.made.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A call of the deployment `who` met no answer; true if that is what takes the whole origin out for `length`:
    /// its deployments are then passed over while there are others.
    pub fn failed(&self, class: UpstreamClass, who: u64, allowed: u32, length: Duration) -> bool {
        let now = self.now_ms();
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        let in_trouble = breaker.failed(class, who, allowed) || self.trouble.is_doubtful(now);
        self.is_counting.store(!breaker.is_clear(), Ordering::Relaxed);
        if !in_trouble || length.is_zero() {
            return false;
        }
        let was_up = self.trouble.remaining(now).is_none();
        self.trouble.set(now, length);
        was_up
    }

    /// It answered, whatever it said.
    pub fn answered(&self) {
        if self.is_counting.load(Ordering::Relaxed) {
            self.breaker.lock().unwrap_or_else(PoisonError::into_inner).answered();
            self.is_counting.store(false, Ordering::Relaxed);
        }
        if !self.trouble.is_in() {
            self.trouble.recover(self.now_ms());
        }
    }

    fn look(&self) {
        let backends = self.balancer.backends();
        let all = backends.get_backend();
        let up: Vec<_> = all.iter().filter(|b| backends.ready(b)).map(|b| b.addr.clone()).collect();
        self.up.store(!up.is_empty(), Ordering::Relaxed);
        let last_resort = || all.first().map(|backend| backend.addr.clone()).into_iter().collect();
        self.ready.store(Arc::new(if up.is_empty() { last_resort() } else { up }));
    }

    /// Whether the name was ever resolved.
    #[must_use]
    pub fn is_resolved(&self) -> bool {
        !self.ready.load().is_empty()
    }

    /// Resolves the name again; the old addresses stay when that fails.
    ///
    /// # Errors
    /// What the resolver said.
    pub async fn resolve(&self) -> pingora::Result<()> {
        let updated = self.balancer.update().await;
        self.look();
        updated
    }

    /// Probes every address.
    pub async fn probe(&self) {
        self.balancer.backends().run_health_check(false).await;
        self.look();
    }
}

#[expect(clippy::disallowed_methods, reason = "a socket address needs no resolving")]
pub(super) fn template(origin: &HostPort) -> HttpPeer {
    let tls = origin.scheme == Scheme::Https;
    let nowhere = SocketAddr::from(([0, 0, 0, 0], origin.port));
    let mut peer = HttpPeer::new(nowhere, tls, if tls { origin.host.clone() } else { String::new() });
    peer.options.idle_timeout = Some(IDLE);
    if let Some(options) = peer.get_mut_peer_options() {
        options.verify_cert = true;
        options.verify_hostname = true;
    }
    peer
}

fn tcp_check() -> Box<dyn HealthCheck + Send + Sync> {
    let mut check = TcpHealthCheck::new();
    check.consecutive_failure = 2;
    check.peer_template.options.connection_timeout = Some(PROBE);
    check
}

fn http_check(origin: &HostPort, path: &str) -> Box<dyn HealthCheck + Send + Sync> {
    let mut check = HttpHealthCheck::new(&origin.to_string(), origin.scheme == Scheme::Https);
    check.consecutive_failure = 2;
    check.peer_template.sni = origin.host.clone();
    check.peer_template.options.connection_timeout = Some(PROBE);
    check.peer_template.options.read_timeout = Some(PROBE);
    if let Ok(uri) = path.parse() {
        check.req.set_uri(uri);
    }
    check.validator = Some(Box::new(|response| {
        if response.status.as_u16() < 500 {
            return Ok(());
        }
        pingora::Error::e_explain(pingora::ErrorType::HTTPStatus(response.status.as_u16()), "probe failed")
    }));
    Box::new(check)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(host: &str, port: u16) -> HostPort {
        HostPort { scheme: Scheme::Http, host: host.to_owned(), port }
    }

    const PATIENCE: Patience =
        Patience { connect: Duration::from_secs(1), read: Duration::from_secs(2), write: None };

    #[tokio::test]
    async fn a_name_gives_peers_once_it_is_resolved() {
        let endpoint = Endpoint::new(origin("localhost", 4321), &Probe::Off);
        assert!(endpoint.peer(PATIENCE).is_none() && !endpoint.is_resolved());
        endpoint.resolve().await.unwrap();
        let peer = endpoint.peer(PATIENCE).unwrap();
        assert_eq!(peer._address.as_inet().unwrap().port(), 4321);
        assert_eq!(peer.options.read_timeout, Some(PATIENCE.read));
    }

    #[tokio::test]
    async fn an_origin_that_answers_nobody_is_down_for_a_time_or_until_it_answers() {
        let endpoint = Endpoint::new(origin("127.0.0.1", 4321), &Probe::Off);
        endpoint.resolve().await.unwrap();
        let failed =
            |who, millis| endpoint.failed(UpstreamClass::Connection, who, 3, Duration::from_millis(millis));
        assert!(!failed(1, 60_000) && !failed(1, 60_000) && !failed(1, 60_000) && endpoint.is_up());
        assert!(failed(2, 1) && !failed(2, 1));
        while !endpoint.is_up() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        endpoint.answered();
        assert!(!failed(1, 60_000) && !failed(2, 60_000) && endpoint.is_up(), "counted from the beginning");
        assert!(failed(1, 60_000) && !endpoint.is_up());
    }

    #[tokio::test]
    async fn a_dead_address_is_down_but_still_the_last_resort() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let endpoint = Endpoint::new(origin("127.0.0.1", port), &Probe::Tcp);
        endpoint.resolve().await.unwrap();
        endpoint.probe().await;
        assert!(endpoint.is_up());
        drop(listener);
        endpoint.probe().await;
        endpoint.probe().await;
        assert!(!endpoint.is_up());
        assert!(endpoint.peer(PATIENCE).is_some());
    }
}
