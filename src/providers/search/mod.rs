//! Search engines: a question in the words of one API, put to any of them, and their answers in its words.
//!
//! An engine is a row of [`ALL`]: how it is asked, and where in its answer the results are. It is asked where the
//! configuration says and nowhere else.

mod answer;
mod question;
#[cfg(test)]
mod tests;

pub use answer::{Hit, answer};
pub use question::{Malformed, Question};

use crate::domain::{HostPort, Money, Secret};
use http::Method;
use serde_json::Value;
use std::fmt;
use std::time::Duration;

/// How a search engine is spoken to.
pub struct Engine {
    /// Its name in `search_provider`.
    pub name: &'static str,
    /// Where it is when nobody says; `None` for one that everybody runs for themselves.
    pub base: Option<&'static str>,
    /// What its own endpoint is called, below the base.
    pub path: &'static str,
    /// The variables that hold its address and its key.
    pub env: (&'static str, &'static str),
    /// What a question costs unless the configuration says it, in pico-dollars; `None` if nobody knows.
    pub cost: Option<i64>,
    /// How it is shown its key.
    key_header: &'static str,
    ask: fn(&Question) -> Asked,
    results: &'static [&'static str],
}

/// A question in an engine's words.
enum Asked {
    /// By GET, with these parameters.
    Query(Vec<(&'static str, String)>),
    /// By POST.
    Body(Value),
}

/// A request that is ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// GET or POST.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// What is posted; empty for GET.
    pub body: Vec<u8>,
}

/// One entry of `search_tools`.
#[derive(Clone, Debug)]
pub struct SearchTool {
    /// `search_tool_name`.
    pub name: String,
    /// Which engine it asks.
    pub engine: &'static Engine,
    /// Where that is.
    pub origin: HostPort,
    /// Its path there, with the engine's own endpoint.
    pub path: String,
    /// Its key.
    pub key: Option<Secret>,
    /// What a question costs; `None` if nobody said.
    pub cost: Option<Money>,
    /// How long an answer may take.
    pub timeout: Duration,
    /// `search_tool_info.description`.
    pub description: Option<String>,
}

impl SearchTool {
    /// The header that shows its key, if it has one.
    #[must_use]
    pub fn key_header(&self) -> Option<(&'static str, Secret)> {
        let key = self.key.as_ref()?.expose();
        let name = self.engine.key_header;
        let shown =
            if name == "authorization" { Secret::new(&format!("Bearer {key}")) } else { Secret::new(key) };
        Some((name, shown?))
    }

    /// The question as this engine wants it.
    #[must_use]
    pub fn request(&self, question: &Question) -> Sent {
        match (self.engine.ask)(question) {
            Asked::Query(pairs) => {
                let query: Vec<String> =
                    pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
                Sent {
                    method: Method::GET,
                    path: format!("{}?{}", self.path, query.join("&")),
                    body: Vec::new(),
                }
            }
            Asked::Body(body) => {
                Sent { method: Method::POST, path: self.path.clone(), body: body.to_string().into_bytes() }
            }
        }
    }

    /// The results in an engine's answer, no more than were asked for; `None` for an answer of another kind.
    #[must_use]
    pub fn read(&self, question: &Question, body: &[u8]) -> Option<Vec<Hit>> {
        answer::read(self.engine.results, body, question.max_results)
    }
}

impl Engine {
    /// The row of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|engine| engine.name == name)
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

fn encoded(text: &str) -> percent_encoding::PercentEncode<'_> {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
}

/// All engines. Prices are those of the vendors' lists; one that depends on the plan is not here.
pub static ALL: &[Engine] = &[
    Engine {
        name: "searxng",
        base: None,
        path: "/search",
        env: ("SEARXNG_API_BASE", "SEARXNG_API_KEY"),
        cost: Some(0),
        key_header: "authorization",
        ask: question::searxng,
        results: &["results"],
    },
    Engine {
        name: "tavily",
        base: Some("https://api.tavily.com"),
        path: "/search",
        env: ("TAVILY_API_BASE", "TAVILY_API_KEY"),
        cost: Some(8_000_000_000),
        key_header: "authorization",
        ask: question::tavily,
        results: &["results"],
    },
    Engine {
        name: "perplexity",
        base: Some("https://api.perplexity.ai"),
        path: "/search",
        env: ("PERPLEXITY_API_BASE", "PERPLEXITYAI_API_KEY"),
        cost: Some(5_000_000_000),
        key_header: "authorization",
        ask: question::perplexity,
        results: &["results"],
    },
    Engine {
        name: "exa_ai",
        base: Some("https://api.exa.ai"),
        path: "/search",
        env: ("EXA_API_BASE", "EXA_API_KEY"),
        cost: None,
        key_header: "x-api-key",
        ask: question::exa,
        results: &["results"],
    },
    Engine {
        name: "brave",
        base: Some("https://api.search.brave.com/res/v1/web"),
        path: "/search",
        env: ("BRAVE_API_BASE", "BRAVE_API_KEY"),
        cost: None,
        key_header: "x-subscription-token",
        ask: question::brave,
        results: &["web", "results"],
    },
    Engine {
        name: "serper",
        base: Some("https://google.serper.dev"),
        path: "/search",
        env: ("SERPER_API_BASE", "SERPER_API_KEY"),
        cost: None,
        key_header: "x-api-key",
        ask: question::serper,
        results: &["organic"],
    },
];
