//! Asking servers what they have and do: in the background, each within a deadline, with an answer of bounded size.

use super::{LIST_LASTS, NEWS_LAST, Station};
use crate::providers::local::{self, LocalServer};
use crate::upstream::fetch::{self, Fetched, Question};
use crate::upstream::{Deployment, Patience};
use bytes::Bytes;
use futures::future::join_all;
use http::{Method, StatusCode, header};
use pingora::connectors::http::Connector;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often servers are asked what they do.
pub(in crate::upstream) const EVERY: Duration = Duration::from_secs(2);
/// How old a list may be before whoever wants to see it has it asked for again.
const LIST_FRESH: Duration = Duration::from_secs(15);
/// Longest wait for an answer.
const DEADLINE: Duration = Duration::from_secs(2);
/// Longest answer, in bytes.
const LONGEST: usize = 4 * 1024 * 1024;
/// So many servers are asked at a time.
const AT_ONCE: usize = 32;

/// A server whose answers somebody needs, and the deployments there.
#[derive(Clone)]
pub struct Watched {
    /// The server.
    pub station: Arc<Station>,
    /// All deployments of it; it is asked with the key of the first.
    pub deployments: Vec<Arc<Deployment>>,
}

impl Watched {
    fn own_calls(&self) -> u64 {
        self.deployments.iter().map(|deployment| deployment.in_flight()).sum()
    }

    /// Asks what it does, and forgets what it said long ago.
    async fn ask(&self, connector: &Connector) {
        let Some((kind, deployment)) = self.station.kind.zip(self.deployments.first()) else { return };
        let mut told = self.station.told.lock().await;
        if self.tell(connector, kind, deployment).await.is_some() {
            told.news = Some(Instant::now());
        } else if told.news.is_none_or(|at| at.elapsed() > NEWS_LAST) {
            self.station.forget_news();
        }
    }

    async fn tell(&self, connector: &Connector, kind: LocalServer, deployment: &Deployment) -> Option<()> {
        if let Some(path) = kind.loaded_path() {
            let body = get(connector, deployment, &from_root(deployment, path)).await?;
            self.station.loaded.store(Some(Arc::new(kind.loaded(&body)?)));
        }
        if let Some(path) = kind.load_path() {
            let body = get(connector, deployment, &from_root(deployment, path)).await?;
            let load = local::vllm_load(&String::from_utf8_lossy(&body), &deployment.target.model)?;
            self.station.note_load(load, self.own_calls());
        }
        Some(())
    }
}

/// Asks all of them what they do, once.
pub(in crate::upstream) async fn ask_all(connector: &Connector, watched: &[Watched]) {
    for some in watched.chunks(AT_ONCE) {
        join_all(some.iter().map(|watched| watched.ask(connector))).await;
    }
}

/// Has the lists of these deployments' servers asked for again where they are not fresh; returns when all have
/// answered or had the time to. Of a server that does not answer, the last list stays for [`LIST_LASTS`].
pub async fn refresh_lists(deployments: &[Arc<Deployment>]) {
    let connector: Connector = Connector::new(None);
    for some in deployments.chunks(AT_ONCE) {
        join_all(some.iter().map(|deployment| refresh(&connector, deployment))).await;
    }
}

async fn refresh(connector: &Connector, deployment: &Deployment) {
    let Some(station) = &deployment.station else { return };
    // Whoever waits here finds that it was asked a moment ago.
    let mut told = station.told.lock().await;
    if told.list_asked.is_some_and(|at| at.elapsed() < LIST_FRESH) {
        return;
    }
    told.list_asked = Some(Instant::now());
    let target = &deployment.target;
    let listed = match target.dialect.models() {
        Some(models) => {
            let path = format!("{}{models}{}", target.base_path, target.query);
            get(connector, deployment, &path).await.and_then(|body| local::listed(&body))
        }
        None => None,
    };
    if let Some(listed) = listed {
        told.list = Some(Instant::now());
        station.listed.store(Some(Arc::new(listed)));
    } else if told.list.is_none_or(|at| at.elapsed() > LIST_LASTS) {
        station.listed.store(None);
    }
}

/// A path of the server's own, where the deployment's API may begin below it.
pub(in crate::upstream) fn from_root(deployment: &Deployment, path: &str) -> String {
    let base = &deployment.target.base_path;
    format!("{}{path}", base.strip_suffix("/v1").unwrap_or(base))
}

async fn get(connector: &Connector, deployment: &Deployment, path: &str) -> Option<Bytes> {
    tokio::time::timeout(DEADLINE, fetch(connector, deployment, path)).await.ok()?.ok()?
}

async fn fetch(connector: &Connector, deployment: &Deployment, path: &str) -> pingora::Result<Option<Bytes>> {
    let patience = Patience { connect: DEADLINE, read: DEADLINE, write: Some(DEADLINE) };
    let Some(peer) = deployment.endpoint.peer(patience) else { return Ok(None) };
    let mut head = deployment.bare_head();
    head.set_method(Method::GET);
    head.set_raw_path(path.as_bytes())?;
    head.insert_header(header::ACCEPT, "*/*")?;
    let question = Question { head, body: Bytes::new(), longest: LONGEST, silence: DEADLINE };
    let Fetched { status, body, is_whole } = fetch::fetch(connector, &peer, question).await?;
    Ok((is_whole && status == StatusCode::OK.as_u16()).then_some(body))
}
