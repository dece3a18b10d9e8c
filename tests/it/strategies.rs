//! What each strategy does, as the upstreams see it.

use crate::harness::{
    CHAT, Config, Gateway, Load, MODEL, chat, eventually, request, streamed, upstream_of, with,
};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;
use tollgate::simulator::{Seen, Simulator};

const LONG: Duration = Duration::from_secs(20);

/// A deployment: its id (and key), the upstream's words, more parameters.
type Row<'a> = (&'a str, &'a str, Value);

async fn gateway(rows: &[Row<'_>], router: Value) -> (Simulator, Gateway) {
    let keys: Vec<(&str, &str)> = rows.iter().map(|(id, words, _)| (*id, *words)).collect();
    let simulator = upstream_of(&keys).await;
    let base = simulator.base_url();
    let config = rows
        .iter()
        .fold(Config::new(), |config, (id, _, more)| config.target(id, MODEL, &base, id, more.clone()))
        .set("router_settings", router);
    let gateway = Gateway::start(&config).await;
    (simulator, gateway)
}

fn by(strategy: &str) -> Value {
    json!({ "routing_strategy": strategy })
}

fn count(simulator: &Simulator, id: &str) -> u64 {
    simulator.counts_by_key().get(id).copied().unwrap_or_default()
}

/// The deployment that answered.
async fn ask(gateway: &Gateway, body: &Value) -> String {
    let answer = gateway.post(CHAT, body).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.header("x-litellm-model-id").unwrap().to_owned()
}

#[tokio::test]
async fn the_least_busy_gets_the_call_so_a_slow_one_gets_few() {
    let rows = [("a", "wait=400", json!({})), ("b", "wait=20", json!({})), ("c", "wait=20", json!({}))];
    let (simulator, gateway) = gateway(&rows, by("least-busy")).await;
    let bytes = gateway.post_bytes(CHAT, &chat());
    let answers = Load::of(300).run(&gateway, 9, &bytes).await;
    assert!(answers.iter().all(|answer| answer.status() == 200));
    let (a, b, c) = (count(&simulator, "a"), count(&simulator, "b"), count(&simulator, "c"));
    assert!(a * 4 < b.min(c), "{a} {b} {c}: the slow one is as busy as the others");
    // While nine calls were under way each had about three of them.
    let seen = simulator.seen();
    assert!(most_at_once(&seen, "a") <= 5, "{} at once", most_at_once(&seen, "a"));
}

/// The most calls that a key had under way at one moment.
fn most_at_once(seen: &[Seen], key: &str) -> usize {
    let own: Vec<&Seen> = seen.iter().filter(|seen| seen.key == key).collect();
    let ended = |seen: &Seen| seen.answered.or(seen.closed_early).unwrap_or(seen.at);
    let at_once = |moment| own.iter().filter(|other| other.at <= moment && moment < ended(other)).count();
    own.iter().map(|seen| at_once(seen.at)).max().unwrap_or_default()
}

#[tokio::test]
async fn with_open_streams_the_next_call_goes_where_none_is() {
    let rows = [
        ("a", "stall=2", json!({ "weight": 8 })),
        ("b", "stall=2", json!({ "weight": 1 })),
        ("c", "stall=2", json!({ "weight": 1 })),
    ];
    let (simulator, gateway) = gateway(&rows, by("least-busy")).await;
    let mut open = Vec::new();
    for round in 1..=3 {
        for _ in 0..3 {
            open.push(gateway.stream(CHAT, &streamed()).await);
        }
        assert_eq!(["a", "b", "c"].map(|id| count(&simulator, id)), [round; 3]);
    }
    drop(open);
    for id in ["a", "b", "c"] {
        gateway.metric_is("litellm_in_flight_requests", &[], 0.0).await;
        assert_eq!(count(&simulator, id), 3);
    }
}

#[tokio::test]
async fn the_fastest_gets_the_calls_once_all_were_tried() {
    let rows =
        [("slow", "wait=300", json!({})), ("fast", "ok", json!({})), ("slower", "wait=600", json!({}))];
    for strategy in ["latency-based-routing", "latency-based"] {
        let (simulator, gateway) = gateway(&rows, by(strategy)).await;
        for body in [chat(), streamed()] {
            for _ in 0..12 {
                ask(&gateway, &body).await;
            }
        }
        // Both measures, of whole answers and of streams, begin unknown: each deployment is met once for each.
        assert_eq!(["slow", "slower", "fast"].map(|id| count(&simulator, id)), [2, 2, 20], "{strategy}");
    }
}

#[tokio::test]
async fn a_silent_one_is_known_to_be_slow() {
    let rows = [("mute", "hang", json!({})), ("fine", "wait=50", json!({}))];
    let router = json!({ "routing_strategy": "latency-based-routing", "timeout": 0.5, "num_retries": 1 });
    let (simulator, gateway) = gateway(&rows, router).await;
    for _ in 0..10 {
        assert_eq!(ask(&gateway, &chat()).await, "fine");
    }
    assert_eq!(count(&simulator, "mute"), 1);
}

#[tokio::test]
async fn usage_is_evened_out_by_tokens_and_not_by_calls() {
    // Both answers say what they used: an answer of `a` takes many times the tokens of one of `b`.
    let rows = [("a", "chunks=400", json!({})), ("b", "chunks=100", json!({}))];
    for strategy in ["usage-based-routing", "usage-based-routing-v2"] {
        let (simulator, gateway) = gateway(&rows, by(strategy)).await;
        let mut tokens: HashMap<String, u64> = HashMap::new();
        for _ in 0..60 {
            let answer = gateway.post(CHAT, &chat()).await;
            let used = answer.json()["usage"]["total_tokens"].as_u64().unwrap();
            *tokens.entry(answer.header("x-litellm-model-id").unwrap().to_owned()).or_default() += used;
        }
        let (a, b) = (tokens["a"], tokens["b"]);
        assert!(a.abs_diff(b) * 5 < a + b, "{strategy}: {tokens:?}");
        assert!(count(&simulator, "b") > 2 * count(&simulator, "a"), "{strategy}: {tokens:?}");
    }
}

#[tokio::test]
async fn with_usage_rpm_is_a_limit_and_the_client_is_told_when_there_is_room() {
    let rows = [("a", "ok", json!({ "rpm": 2 })), ("b", "ok", json!({ "rpm": 3 }))];
    let (simulator, gateway) = gateway(&rows, by("usage-based-routing-v2")).await;
    for _ in 0..5 {
        ask(&gateway, &chat()).await;
    }
    let answer = gateway.post(CHAT, &chat()).await;
    assert_eq!(answer.status(), 429, "{}", answer.text());
    assert!(answer.text().contains("No deployments available for selected model"), "{}", answer.text());
    let after: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=65).contains(&after), "{after}");
    assert_eq!((count(&simulator, "a"), count(&simulator, "b")), (2, 3));
}

fn priced(input: f64, output: f64) -> Value {
    json!({ "input_cost_per_token": input, "output_cost_per_token": output })
}

#[tokio::test]
async fn the_cheapest_gets_the_calls_and_the_next_one_when_it_is_out() {
    let rows = [
        ("unknown", "ok", json!({})),
        ("dear", "ok", priced(0.00001, 0.00002)),
        ("cheap", "429+after=10+retry-after=60", priced(0.000001, 0.000002)),
    ];
    let router =
        json!({ "routing_strategy": "cost-based-routing", "disable_cooldowns": false, "num_retries": 2 });
    let (simulator, gateway) = gateway(&rows, router).await;
    let mut answered = Vec::new();
    for _ in 0..15 {
        answered.push(ask(&gateway, &chat()).await);
    }
    assert!(answered[..10].iter().all(|id| id == "cheap"), "{answered:?}");
    assert!(answered[10..].iter().all(|id| id == "dear"), "{answered:?}");
    assert_eq!((count(&simulator, "cheap"), count(&simulator, "unknown")), (11, 0));
}

#[tokio::test]
async fn keys_of_any_size_run_dry_together() {
    let row = |id, rpm: u32| (id, "ok", json!({ "rpm": rpm, "weight": 1 }));
    let rows = [row("ten", 10), row("twenty", 20), row("thirty", 30)];
    let (simulator, gateway) = gateway(&rows, by("headroom")).await;
    for calls in [30, 60] {
        while simulator.counts_by_key().values().sum::<u64>() < calls {
            ask(&gateway, &chat()).await;
        }
        let shares = ["ten", "twenty", "thirty"].map(|id| count(&simulator, id));
        let even = [calls / 6, calls / 3, calls / 2];
        let off = shares.iter().zip(even).map(|(share, even)| share.abs_diff(even)).max().unwrap();
        assert!(off <= 1, "after {calls} calls: {shares:?}");
    }
    assert_eq!(gateway.post(CHAT, &chat()).await.status(), 429, "all are used up");
}

#[tokio::test]
async fn what_upstreams_say_of_their_quota_counts() {
    // Neither has a limit of ours; each says what is left of its own.
    let rows = [("small", "limit=4+window=60000", json!({})), ("large", "limit=40+window=60000", json!({}))];
    let (simulator, gateway) = gateway(&rows, by("headroom")).await;
    for _ in 0..22 {
        ask(&gateway, &chat()).await;
    }
    let (small, large) = (count(&simulator, "small"), count(&simulator, "large"));
    assert!((1..=3).contains(&small) && small + large == 22, "{small} {large}");
}

async fn in_session(gateway: &Gateway, session: &str, body: &Value) -> String {
    let answer = gateway.post_with(CHAT, &[("x-litellm-session-id", session)], body).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.header("x-litellm-model-id").unwrap().to_owned()
}

const FOUR: [&str; 4] = ["a", "b", "c", "d"];

#[tokio::test]
async fn a_session_stays_and_only_those_of_one_that_fails_move() {
    let keys = FOUR.map(|id| (id, "ok", json!({})));
    let router = json!({ "routing_strategy": "prefix-affinity", "disable_cooldowns": false, "num_retries": 2,
        "cooldown_time": 600 });
    let (simulator, gateway) = gateway(&keys, router).await;
    let mut homes = HashMap::new();
    for round in 0..3 {
        for session in 0..40 {
            let home = in_session(&gateway, &format!("s{session}"), &chat()).await;
            let known = homes.entry(session).or_insert_with(|| home.clone());
            assert_eq!(*known, home, "session {session} moved in round {round}");
        }
    }
    let at_home = |id: &str| homes.values().filter(|home| *home == id).count();
    assert!(FOUR.iter().all(|id| at_home(id) >= 3), "{homes:?}");
    simulator.set(crate::harness::script(&FOUR.map(|id| (id, if id == "b" { "401" } else { "ok" }))));
    for session in 0..40 {
        let home = in_session(&gateway, &format!("s{session}"), &chat()).await;
        assert!(home != "b" && (homes[&session] == "b" || homes[&session] == home), "session {session}");
    }
    assert!(count(&simulator, "b") > 0);
}

#[tokio::test]
async fn affinity_is_of_the_session_the_user_or_how_the_prompt_begins() {
    let keys = FOUR.map(|id| (id, "ok", json!({})));
    let (_simulator, gateway) = gateway(&keys, by("prefix-affinity")).await;
    let said = |text: &str| json!([{ "role": "system", "content": "Be brief." }, { "role": "user", "content": text }]);
    let mut seen = std::collections::HashSet::new();
    for n in 0..12 {
        let first = with(chat(), json!({ "messages": said(&format!("question {n}")) }));
        let mut later = first.clone();
        let more = json!({ "role": "assistant", "content": "why?" });
        later["messages"].as_array_mut().unwrap().push(more);
        let home = ask(&gateway, &first).await;
        assert_eq!(ask(&gateway, &later).await, home, "the conversation went on elsewhere");
        seen.insert(home);
        // The user, and the session before the user, say more than the prompt does.
        let of_user = |text: &str| with(chat(), json!({ "messages": said(text), "user": format!("u{n}") }));
        assert_eq!(ask(&gateway, &of_user("one")).await, ask(&gateway, &of_user("two")).await);
        let in_body = |user: &str| {
            with(of_user(user), json!({ "metadata": { "session_id": format!("m{n}") }, "user": user }))
        };
        assert_eq!(ask(&gateway, &in_body("x")).await, ask(&gateway, &in_body("y")).await);
    }
    assert!(seen.len() > 1, "all went to one deployment");
}

#[tokio::test]
async fn a_busy_session_spills_and_comes_back() {
    let keys = FOUR.map(|id| (id, "stall=2", json!({})));
    let args = json!({ "min_load": 2, "load_factor": 1.25 });
    let router = json!({ "routing_strategy": "prefix-affinity", "routing_strategy_args": args });
    let (simulator, gateway) = gateway(&keys, router).await;
    let body = with(streamed(), json!({ "user": "one" }));
    let mut open = Vec::new();
    for _ in 0..16 {
        open.push(gateway.stream(CHAT, &body).await);
    }
    let most = FOUR.map(|id| count(&simulator, id)).into_iter().max().unwrap();
    // Sixteen calls of one session: nobody has more than five quarters of a fourth of them.
    assert!((4..=5).contains(&most), "{:?}", simulator.counts_by_key());
    let home = simulator.seen()[0].key.clone();
    drop(open);
    gateway.metric_is("litellm_in_flight_requests", &[], 0.0).await;
    let before = count(&simulator, &home);
    drop(gateway.stream(CHAT, &body).await);
    assert_eq!(count(&simulator, &home), before + 1, "it is at home again");
}

#[tokio::test]
async fn a_group_may_have_a_strategy_of_its_own() {
    let simulator = upstream_of(&[("dear", "ok"), ("cheap", "ok"), ("other", "ok")]).await;
    let base = simulator.base_url();
    let config = Config::new()
        .target("dear", MODEL, &base, "dear", priced(0.1, 0.1))
        .target("cheap", MODEL, &base, "cheap", priced(0.001, 0.001))
        .target("other-1", "n", &base, "other", json!({ "weight": 1 }))
        .target("other-2", "n", &base, "other", json!({ "weight": 1 }))
        .set("tollgate", json!({ "groups": { MODEL: { "routing_strategy": "cost-based-routing" } } }));
    let gateway = Gateway::start(&config).await;
    let mut others = std::collections::HashSet::new();
    for _ in 0..10 {
        assert_eq!(ask(&gateway, &chat()).await, "cheap");
        others.insert(ask(&gateway, &with(chat(), json!({ "model": "n" }))).await);
    }
    assert_eq!(others.len(), 2, "the rest is shuffled");
}

#[tokio::test]
async fn tags_of_the_call_and_of_its_key_decide() {
    let rows = [
        ("free", "ok", json!({ "tags": ["free"] })),
        ("paid", "ok", json!({ "tags": ["paid"] })),
        ("rest", "ok", json!({ "tags": ["default"] })),
    ];
    let (_simulator, mut gateway) = gateway(&rows, json!({ "enable_tag_filtering": true })).await;
    let tagged = |tag: &str| with(chat(), json!({ "metadata": { "tags": [tag] } }));
    for _ in 0..5 {
        assert_eq!(ask(&gateway, &tagged("paid")).await, "paid");
        assert_eq!(ask(&gateway, &tagged("unheard")).await, "rest");
        assert_eq!(ask(&gateway, &chat()).await, "rest");
    }
    let by_header = gateway.post_with(CHAT, &[("x-litellm-tags", "free, x")], &chat()).await;
    assert_eq!(by_header.header("x-litellm-model-id"), Some("free"));
    let mint = async |metadata: Value| {
        let answer = gateway.post("/key/generate", &json!({ "metadata": metadata })).await;
        answer.json()["key"].as_str().unwrap().to_owned()
    };
    let bound = mint(json!({ "tags": ["free"] })).await;
    let open = mint(json!({ "allow_client_tags": true })).await;
    gateway.key = bound;
    assert_eq!(ask(&gateway, &tagged("paid")).await, "free", "the key's tags hold, the client's do not");
    gateway.key = open;
    assert_eq!(ask(&gateway, &tagged("paid")).await, "paid");
}

#[tokio::test]
async fn tags_that_fit_nothing_are_refused() {
    let rows = [("free", "ok", json!({ "tags": ["free"] }))];
    let (simulator, gateway) = gateway(&rows, json!({ "enable_tag_filtering": true })).await;
    let answer = gateway.post(CHAT, &with(chat(), json!({ "tags": ["paid"] }))).await;
    assert_eq!(answer.status(), 401, "{}", answer.text());
    assert!(
        answer.text().contains("Not allowed to access model due to tags configuration"),
        "{}",
        answer.text()
    );
    assert_eq!(simulator.seen().len(), 0);
}

#[tokio::test]
async fn a_long_prompt_goes_where_it_fits() {
    let simulator = upstream_of(&[("small", "ok"), ("large", "ok")]).await;
    let entry = |id: &str, most: u64| {
        json!({
            "model_name": MODEL,
            "litellm_params": { "model": "openai/m", "api_base": simulator.base_url(), "api_key": id, "order": most },
            "model_info": { "id": id, "max_input_tokens": most },
        })
    };
    let config = Config::new()
        .entry(entry("small", 100))
        .entry(entry("large", 1000))
        .set("router_settings", json!({ "enable_pre_call_checks": true }));
    let gateway = Gateway::start(&config).await;
    let long = |words: usize| {
        with(chat(), json!({ "messages": [{ "role": "user", "content": "word ".repeat(words) }] }))
    };
    assert_eq!(ask(&gateway, &chat()).await, "small");
    assert_eq!(ask(&gateway, &long(300)).await, "large");
    let answer = gateway.post(CHAT, &long(3000)).await;
    assert_eq!(answer.status(), 400, "{}", answer.text());
    assert!(answer.text().contains("ContextWindowExceededError"), "{}", answer.text());
    assert!(answer.text().contains("Max Input Tokens=1000"), "{}", answer.text());
    assert_eq!(simulator.seen().len(), 2);
}

#[tokio::test]
async fn calls_of_one_group_are_shared_over_a_thousand_deployments() {
    let simulator = upstream_of(&[("k", "ok")]).await;
    let base = simulator.base_url();
    let many = (0..1000)
        .fold(Config::new(), |config, n| config.target(&format!("d{n}"), MODEL, &base, "k", json!({})));
    let gateway = Gateway::start(&many).await;
    let bytes = request("POST", CHAT, &[("authorization", &gateway.bearer())], chat().to_string().as_bytes());
    let answers = Load::of(500).run(&gateway, 8, &bytes).await;
    let ids: std::collections::HashSet<&str> =
        answers.iter().map(|answer| answer.header("x-litellm-model-id").unwrap()).collect();
    assert!(ids.len() > 300, "{} of 1000 were used", ids.len());
    eventually("all is noted", async || (simulator.seen().len() == 500).then_some(())).await;
    assert!(simulator.wait_until(LONG, |seen| seen.len() == 500).await);
}
