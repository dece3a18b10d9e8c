//! What a client asks, and what each engine makes of it.

use super::Asked;
use serde_json::{Map, Value, json};

/// Longest question, in bytes.
const LONGEST: usize = 8 * 1024;
/// Most questions of one call, domains of a filter, and results.
const MOST: usize = 20;
/// Results if nobody says how many.
const RESULTS: usize = 10;

/// A question, in Perplexity's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// What is looked for.
    pub query: String,
    /// At most so many results.
    pub max_results: usize,
    /// Only from these domains; not from those that begin with `-`.
    pub domains: Vec<String>,
    /// Two letters.
    pub country: Option<String>,
}

/// What is wrong with a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct Malformed {
    /// Of which member.
    pub param: &'static str,
    words: &'static str,
}

const fn wrong(param: &'static str, words: &'static str) -> Malformed {
    Malformed { param, words }
}

impl Question {
    /// Reads the body of a call.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn read(body: &Map<String, Value>) -> Result<Self, Malformed> {
        let query = match body.get("query") {
            Some(Value::String(query)) => query.clone(),
            Some(Value::Array(many)) if !many.is_empty() && many.len() <= MOST => {
                let texts: Option<Vec<&str>> = many.iter().map(Value::as_str).collect();
                texts.ok_or(wrong("query", "query: wants a text, or a list of texts"))?.join(" ")
            }
            None => return Err(wrong("query", "query: field required")),
            Some(_) => return Err(wrong("query", "query: wants a text, or a list of texts")),
        };
        if query.trim().is_empty() || query.len() > LONGEST {
            return Err(wrong("query", "query: wants 1 to 8192 bytes of text"));
        }
        Ok(Self {
            query,
            max_results: results(body.get("max_results"))?,
            domains: domains(body.get("search_domain_filter"))?,
            country: country(body.get("country"))?,
        })
    }

    fn of_domains(&self, excluded: bool) -> Vec<&str> {
        let domains = self.domains.iter().filter(|domain| domain.starts_with('-') == excluded);
        domains.map(|domain| domain.trim_start_matches('-')).collect()
    }

    /// For engines that know domains only as words of the question.
    fn with_sites(&self) -> String {
        let wanted: Vec<String> =
            self.of_domains(false).iter().map(|domain| format!("site:{domain}")).collect();
        let mut query = self.query.clone();
        match wanted.as_slice() {
            [] => {}
            [one] => query.push_str(&format!(" {one}")),
            many => query.push_str(&format!(" ({})", many.join(" OR "))),
        }
        self.of_domains(true).iter().for_each(|domain| query.push_str(&format!(" -site:{domain}")));
        query
    }
}

fn results(value: Option<&Value>) -> Result<usize, Malformed> {
    const WORDS: Malformed = wrong("max_results", "max_results: wants a number from 1 to 20");
    match value {
        None | Some(Value::Null) => Ok(RESULTS),
        Some(value) => {
            let count = value.as_u64().and_then(|count| usize::try_from(count).ok());
            count.filter(|count| (1..=MOST).contains(count)).ok_or(WORDS)
        }
    }
}

fn domains(value: Option<&Value>) -> Result<Vec<String>, Malformed> {
    const WORDS: Malformed = wrong("search_domain_filter", "search_domain_filter: wants up to 20 domains");
    let plain = |domain: &str| {
        let name = domain.trim_start_matches('-');
        !name.is_empty()
            && name.len() <= 253
            && name.chars().all(|c| c.is_alphanumeric() || ".-_/*".contains(c))
    };
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(many)) if many.len() <= MOST => {
            many.iter().map(|one| one.as_str().filter(|d| plain(d)).map(str::to_owned).ok_or(WORDS)).collect()
        }
        Some(_) => Err(WORDS),
    }
}

fn country(value: Option<&Value>) -> Result<Option<String>, Malformed> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(code)) if code.len() == 2 && code.chars().all(|c| c.is_ascii_alphabetic()) => {
            Ok(Some(code.to_ascii_uppercase()))
        }
        Some(_) => Err(wrong("country", "country: wants the two letters of a country")),
    }
}

pub(super) fn searxng(question: &Question) -> Asked {
    Asked::Query(vec![("q", question.with_sites()), ("format", "json".to_owned())])
}

pub(super) fn tavily(question: &Question) -> Asked {
    let mut body = json!({ "query": question.query, "max_results": question.max_results });
    let (wanted, others) = (question.of_domains(false), question.of_domains(true));
    if !wanted.is_empty() {
        body["include_domains"] = json!(wanted);
    }
    if !others.is_empty() {
        body["exclude_domains"] = json!(others);
    }
    Asked::Body(body)
}

pub(super) fn perplexity(question: &Question) -> Asked {
    let mut body = json!({ "query": question.query, "max_results": question.max_results });
    if !question.domains.is_empty() {
        body["search_domain_filter"] = json!(question.domains);
    }
    if let Some(country) = &question.country {
        body["country"] = json!(country);
    }
    Asked::Body(body)
}

pub(super) fn exa(question: &Question) -> Asked {
    let mut body = json!({
        "query": question.query, "numResults": question.max_results,
        "contents": { "text": { "maxCharacters": 2000 } },
    });
    let (wanted, others) = (question.of_domains(false), question.of_domains(true));
    if !wanted.is_empty() {
        body["includeDomains"] = json!(wanted);
    }
    if !others.is_empty() {
        body["excludeDomains"] = json!(others);
    }
    Asked::Body(body)
}

pub(super) fn brave(question: &Question) -> Asked {
    let mut pairs = vec![("q", question.with_sites()), ("count", question.max_results.to_string())];
    pairs.extend(question.country.iter().map(|country| ("country", country.clone())));
    Asked::Query(pairs)
}

pub(super) fn serper(question: &Question) -> Asked {
    let mut body = json!({ "q": question.with_sites(), "num": question.max_results });
    if let Some(country) = &question.country {
        body["gl"] = json!(country.to_ascii_lowercase());
    }
    Asked::Body(body)
}
