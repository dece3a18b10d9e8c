//! The steps, in the order in which a deployment comes up. A new one is a function and a line here.

mod calls;
mod files;
mod gateway;
mod keys;
mod monitoring;
mod upstreams;

use super::finding::Finding;
use super::visit::Visit;

/// Looks at one thing.
type Step = fn(&mut Visit<'_>) -> Finding;

/// All steps. A later one may use what an earlier one left in the visit.
pub(super) const ALL: &[(&str, Step)] = &[
    ("configuration", files::configuration),
    (".env", files::dotenv),
    ("process", gateway::process),
    ("readiness", gateway::readiness),
    ("database", gateway::database),
    ("admin key", gateway::admin_key),
    ("upstream keys", upstreams::keys),
    ("prices", upstreams::prices),
    ("completion", calls::completion),
    ("stream", calls::stream),
    ("key made", keys::make),
    ("key used", keys::use_it),
    ("budget", keys::budget),
    ("key deleted", keys::delete),
    ("metrics", monitoring::metrics),
    ("Prometheus", monitoring::prometheus),
    ("Grafana", monitoring::grafana),
];

const NO_GATEWAY: &str = "needs the gateway and its admin key";
const COSTS: &str = "costs tokens; --spend asks for it";

fn counted(n: usize, word: &str) -> String {
    if n == 1 { format!("1 {word}") } else { format!("{n} {word}s") }
}
