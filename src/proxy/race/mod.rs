//! Hedging: a second attempt when the first token is late, and the first to answer wins.
//!
//! Pingora asks one upstream at a time for a request, so each attempt is a subrequest, a leg, and what a leg writes is
//! kept back until it has won. A leg wins with its first token, or with a whole answer. The other one is dropped, which
//! ends its upstream call; what it cost, about, is a record of its own. A leg that fails while the other is under way
//! leaves the call to it, with the permit of its caller's speed and its attempts; who is alone goes on as any call does.

mod leg;
mod state;

pub(super) use leg::{Course, course, has_lost, loses, wins, yields};
pub(super) use state::{Asked, Racer};

use super::Gateway;
use super::admission;
use super::body::REPLAYABLE;
use super::mock;
use super::stage::{Admitted, Books, Ctx, Stage};
use super::subrequest::{self, Subrequest};
use crate::domain::{EndpointKind, unix_ms};
use crate::runtime::{Group, Hedge, Outlook};
use bytes::Bytes;
use pingora::protocols::http::HttpTask;
use pingora::{Error, ErrorSource, ErrorType, Result};
use pingora_proxy::{Session, SubrequestSpawner};
use state::{FIRST, Race, SECOND};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// So much of a leg's answer is kept back before it is read no further: what comes before a first token is little.
const KEPT_BACK: usize = 64;

/// When a call's first token is late, if it may be made twice then: its group's calls may, and it can be sent twice and
/// leaves nothing behind at its upstream.
pub(super) fn late_after(admitted: &Admitted) -> Option<Duration> {
    use EndpointKind as K;
    let harmless =
        matches!(admitted.caller.kind, K::ChatCompletions | K::Completions | K::Messages | K::Embeddings);
    let hedge = admitted.resolution.group.hedge.as_ref()?;
    let fits = harmless && admitted.request.body().len() <= REPLAYABLE && !mock::may_be(admitted);
    if !fits || admitted.progress.detour.is_some() || must_wait(admitted) {
        return None;
    }
    hedge.called();
    hedge.late_after(admitted.request.stream())
}

/// Whether the call has to wait for its turn first: it does so on its own connection, where its client can be told.
fn must_wait(admitted: &Admitted) -> bool {
    let group = &admitted.resolution.group;
    group.queue.is_some() && group.outlook(&admitted.wish(), admitted.turn) != Outlook::Open
}

/// One attempt, and what it has written so far.
struct Leg {
    call: Subrequest,
    kept_back: Vec<HttpTask>,
}

/// The legs of a call, and what is needed for the second one.
struct Runners {
    race: Arc<Race>,
    group: Arc<Group>,
    body: Bytes,
    arrived: Instant,
    legs: [Option<Leg>; 2],
    twin: Option<Box<Admitted>>,
    is_hedged: bool,
}

/// Runs a call that may be made twice, and relays the answer that comes first.
///
/// # Errors
/// When the client is gone.
pub(super) async fn run(
    gateway: &Gateway,
    session: &mut Session,
    ctx: &mut Ctx,
    mut admitted: Box<Admitted>,
    late: Duration,
) -> Result<bool> {
    let Some(spawner) = session.subrequest_spawner.take() else {
        return Error::e_explain(ErrorType::InternalError, "no subrequest can be made here");
    };
    let race = Arc::new(Race::default());
    let group = Arc::clone(&admitted.resolution.group);
    let twin = Some(Box::new(admitted.twin(race.racer(SECOND))));
    let body = admitted.request.body().clone();
    admitted.racer = Some(race.racer(FIRST));
    ctx.stage = Stage::Delegated;
    let first =
        subrequest::spawn(session, &spawner, ctx.arrived, Stage::Admitted(admitted), body.clone()).await?;
    let legs = [Some(Leg::new(first)), None];
    let mut runners = Runners { race, group, body, arrived: ctx.arrived, legs, twin, is_hedged: false };
    let timer = tokio::time::sleep(late);
    tokio::pin!(timer);
    loop {
        if let Some(winner) = runners.winner(gateway) {
            return subrequest::relay(session, winner.call, winner.kept_back).await;
        }
        if runners.legs.iter().all(Option::is_none) {
            return Error::e_explain(ErrorType::InternalError, "the subrequests gave no answer");
        }
        let [first, second] = &mut runners.legs;
        tokio::select! {
            () = Leg::listen(first) => {}
            () = Leg::listen(second) => {}
            () = &mut timer, if runners.twin.is_some() => match runners.race.waits_since() {
                Some(since) if since.elapsed() >= late => runners.hedge(session, &spawner).await?,
                since => {
                    let since = since.unwrap_or_else(Instant::now);
                    timer.as_mut().reset((since + late.max(SOON)).into());
                }
            },
            gone = session.as_mut().read_body_or_idle(true) => {
                if let Err(mut error) = gone {
                    error.esource = ErrorSource::Downstream;
                    return Err(error);
                }
            }
        }
    }
}

/// A first attempt that is not under way is looked at again after so long at the soonest.
const SOON: Duration = Duration::from_millis(1);

impl Leg {
    fn new(call: Subrequest) -> Self {
        Self { call, kept_back: Vec::new() }
    }

    /// Keeps back what a leg writes next; one that ends is none any more.
    async fn listen(leg: &mut Option<Self>) {
        let Some(running) = leg.as_mut().filter(|leg| leg.kept_back.len() < KEPT_BACK) else {
            return std::future::pending().await;
        };
        match running.call.next().await {
            Some(task) => running.kept_back.push(task),
            None => *leg = None,
        }
    }
}

impl Runners {
    /// The leg that has won; the other one is dropped.
    fn winner(&mut self, gateway: &Gateway) -> Option<Leg> {
        let winner = self.race.winner()?;
        let leg = self.legs.get_mut(winner)?.take()?;
        self.legs = [None, None];
        if self.is_hedged {
            gateway.telemetry.metrics.hedged(&self.group.name, winner == SECOND);
        }
        Some(leg)
    }

    /// Begins the second attempt, if there is another deployment for it, and it may be paid.
    async fn hedge(&mut self, session: &mut Session, spawner: &SubrequestSpawner) -> Result<()> {
        let Some(mut twin) = self.twin.take() else { return Ok(()) };
        twin.progress.tried = self.race.tried();
        let elsewhere = self.group.preview(&twin.wish()).is_some_and(|at| !twin.progress.tried.contains(&at));
        let hedge = self.group.hedge.as_ref().filter(|_| elsewhere);
        if !hedge.is_some_and(Hedge::spend) {
            return Ok(());
        }
        let Ok(permit) = admission::permit_again(&twin, unix_ms(SystemTime::now())) else { return Ok(()) };
        if !self.race.begin_second() {
            return Ok(());
        }
        log::debug!("call {} is made twice: no first token yet", twin.caller.call_id.as_str());
        twin.books = Books::Open(permit);
        let call =
            subrequest::spawn(session, spawner, self.arrived, Stage::Admitted(twin), self.body.clone())
                .await?;
        self.legs[SECOND] = Some(Leg::new(call));
        self.is_hedged = true;
        Ok(())
    }
}
