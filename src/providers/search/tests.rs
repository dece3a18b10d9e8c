use super::*;
use crate::domain::Scheme;
use proptest::prelude::*;
use serde_json::json;

fn tool(name: &str) -> SearchTool {
    let engine = Engine::named(name).unwrap();
    SearchTool {
        name: "t".to_owned(),
        engine,
        origin: HostPort { scheme: Scheme::Http, host: "h".to_owned(), port: 80 },
        path: engine.path.to_owned(),
        key: Secret::new("search-key-1"),
        cost: None,
        timeout: Duration::from_secs(1),
        description: None,
    }
}

fn question(body: Value) -> Result<Question, Malformed> {
    Question::read(body.as_object().unwrap())
}

#[test]
fn each_engine_is_asked_in_its_own_words() {
    let asked = question(json!({ "query": "toll gates & fees", "max_results": 3, "search_domain_filter": ["a.org", "-b.org"], "country": "de" })).unwrap();
    let sent = |name: &str| tool(name).request(&asked);
    let searxng = sent("searxng");
    assert_eq!(searxng.method, Method::GET);
    assert_eq!(
        searxng.path,
        "/search?q=toll%20gates%20%26%20fees%20site%3Aa%2Eorg%20%2Dsite%3Ab%2Eorg&format=json"
    );
    let body = |name: &str| serde_json::from_slice::<Value>(&sent(name).body).unwrap();
    assert_eq!(
        body("tavily"),
        json!({ "query": "toll gates & fees", "max_results": 3, "include_domains": ["a.org"], "exclude_domains": ["b.org"] })
    );
    assert_eq!(
        body("perplexity"),
        json!({ "query": "toll gates & fees", "max_results": 3, "search_domain_filter": ["a.org", "-b.org"], "country": "DE" })
    );
    assert_eq!(body("exa_ai")["numResults"], 3);
    assert_eq!(body("serper")["gl"], "de");
    assert!(sent("brave").path.ends_with("&count=3&country=DE"));
    assert_eq!(tool("tavily").key_header().unwrap().1.expose(), "Bearer search-key-1");
    assert_eq!(tool("brave").key_header().unwrap().0, "x-subscription-token");
}

#[test]
fn their_answers_are_read_into_one_shape() {
    let asked = question(json!({ "query": "q", "max_results": 2 })).unwrap();
    let hits = tool("searxng").read(&asked, br#"{"query":"q","results":[{"title":"A","url":"http://a","content":"x","publishedDate":"2026-01-02"},{"title":"no url"},{"url":"http://b"},{"url":"http://c"}]}"#).unwrap();
    let shown = answer(&hits);
    assert_eq!(
        shown,
        json!({ "object": "search", "results": [
            { "title": "A", "url": "http://a", "snippet": "x", "date": "2026-01-02", "last_updated": null },
            { "title": "", "url": "http://b", "snippet": "", "date": null, "last_updated": null },
        ] })
    );
    let brave = tool("brave")
        .read(&asked, br#"{"web":{"results":[{"title":"A","url":"u","description":"d","page_age":"1"}]}}"#)
        .unwrap();
    assert_eq!((brave[0].snippet.as_str(), brave[0].date.as_deref()), ("d", Some("1")));
    let serper =
        tool("serper").read(&asked, br#"{"organic":[{"title":"A","link":"u","snippet":"d"}]}"#).unwrap();
    assert_eq!(serper[0].url, "u");
    assert_eq!(tool("brave").read(&asked, br#"{"type":"search"}"#), Some(Vec::new()), "nothing was found");
    for fault in [&br#"{"error":"no"}"#[..], br#"{"detail":{"error":"Unauthorized"}}"#, b"<html>", b"[]"] {
        assert_eq!(tool("tavily").read(&asked, fault), None);
    }
}

#[test]
fn a_malformed_question_says_what_is_wrong() {
    for (body, param) in [
        (json!({}), "query"),
        (json!({ "query": 1 }), "query"),
        (json!({ "query": "  " }), "query"),
        (json!({ "query": ["a", 1] }), "query"),
        (json!({ "query": "x".repeat(9000) }), "query"),
        (json!({ "query": "q", "max_results": 21 }), "max_results"),
        (json!({ "query": "q", "max_results": 0 }), "max_results"),
        (json!({ "query": "q", "search_domain_filter": ["a b"] }), "search_domain_filter"),
        (json!({ "query": "q", "country": "Germany" }), "country"),
    ] {
        let fault = question(body.clone()).unwrap_err();
        assert_eq!(fault.param, param, "{body}");
        assert!(fault.to_string().starts_with(param));
    }
    assert_eq!(question(json!({ "query": ["a", "b"] })).unwrap().query, "a b");
}

proptest! {
    #[test]
    fn nothing_makes_a_reader_panic_and_no_question_leaves_its_path(query in "\\PC{1,80}", body in "\\PC{0,200}") {
        if let Ok(asked) = question(json!({ "query": query })) {
            for engine in ALL {
                let tool = tool(engine.name);
                let sent = tool.request(&asked);
                let question = format!("{}?q=", engine.path);
                prop_assert!(sent.path == engine.path || sent.path.starts_with(&question));
                prop_assert!(sent.path.is_ascii() && !sent.path.contains([' ', '\r', '\n', '#']));
                drop(tool.read(&asked, body.as_bytes()));
            }
        }
    }
}
