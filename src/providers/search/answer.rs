//! Results, from each engine's words into those of one API.

use serde_json::{Value, json};

/// Longest text that is passed on of a result, in characters.
const LONGEST: usize = 8 * 1024;

/// One result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hit {
    /// Its heading.
    pub title: String,
    /// Where it is.
    pub url: String,
    /// What it says.
    pub snippet: String,
    /// When it was published, as the engine says it.
    pub date: Option<String>,
    /// When it was last changed, as the engine says it.
    pub last_updated: Option<String>,
}

/// The results below a path of members.
pub(super) fn read(path: &[&str], body: &[u8], most: usize) -> Option<Vec<Hit>> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    if !answer.is_object() {
        return None;
    }
    let rows = path.iter().try_fold(&answer, |value, name| value.get(name));
    // An engine that found nothing may leave the list out; one in trouble says so.
    let Some(rows) = rows.and_then(Value::as_array) else {
        let is_fault = ["error", "errors", "detail", "message"].iter().any(|name| answer.get(name).is_some());
        return (!is_fault).then(Vec::new);
    };
    Some(rows.iter().filter_map(hit).take(most).collect())
}

fn hit(row: &Value) -> Option<Hit> {
    let text = |names: &[&str]| names.iter().find_map(|name| row[name].as_str()).map(short);
    Some(Hit {
        title: text(&["title"]).unwrap_or_default(),
        url: text(&["url", "link"])?,
        snippet: text(&["snippet", "content", "text", "description"]).unwrap_or_default(),
        date: text(&["date", "publishedDate", "published_date", "page_age"]),
        last_updated: text(&["last_updated"]),
    })
}

fn short(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

/// The answer that a client gets.
#[must_use]
pub fn answer(hits: &[Hit]) -> Value {
    let row = |hit: &Hit| {
        json!({
            "title": hit.title, "url": hit.url, "snippet": hit.snippet, "date": hit.date,
            "last_updated": hit.last_updated,
        })
    };
    json!({ "object": "search", "results": hits.iter().map(row).collect::<Vec<_>>() })
}
