//! Each upstream key gets its share of the calls, and nothing of the client's goes upstream.

use crate::harness::{CHAT, Config, Gateway, Load, MASTER_KEY, MODEL, chat, request};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use tollgate::simulator::{Script, Seen, Simulator};

const CALLS: usize = 10_000;
const KEYS: [(&str, u32); 4] = [("sk-up-a", 4), ("sk-up-b", 3), ("sk-up-c", 2), ("sk-up-d", 1)];

fn simulator() -> Simulator {
    Simulator::start_thread(SocketAddr::from(([127, 0, 0, 1], 0)), Script::default()).unwrap()
}

async fn gateway(simulator: &Simulator, params: impl Fn(u32) -> Value) -> Gateway {
    let base = simulator.base_url();
    let config = KEYS
        .iter()
        .fold(Config::new(), |config, (key, share)| config.target(key, MODEL, &base, key, params(*share)));
    Gateway::start(&config).await
}

/// What a client may send besides its key; none of it is the upstream's business.
const CANARIES: [(&str, &str); 14] = [
    ("cookie", "session=canary"),
    ("x-forwarded-for", "canary"),
    ("forwarded", "for=canary"),
    ("x-real-ip", "canary"),
    ("x-api-key", "sk-canary"),
    ("api-key", "sk-canary"),
    ("x-goog-api-key", "sk-canary"),
    ("proxy-authorization", "Basic canary"),
    ("openai-organization", "org-canary"),
    ("user-agent", "canary/1.0"),
    ("referer", "http://canary/"),
    ("traceparent", "00-canary"),
    ("x-litellm-call-id", "canary-call"),
    ("x-canary", "canary"),
];

async fn shares(params: impl Fn(u32) -> Value) -> Vec<Seen> {
    let simulator = simulator();
    let gateway = gateway(&simulator, params).await;
    let bearer = gateway.bearer();
    let headers = [&[("authorization", bearer.as_str())], &CANARIES[..]].concat();
    let bytes = request("POST", CHAT, &headers, chat().to_string().as_bytes());
    let responses = Load::of(CALLS).run(&gateway, 32, &bytes).await;
    let refused = responses.iter().find(|response| response.status() != 200);
    assert!(refused.is_none(), "{:?}", refused.unwrap().text());
    let counts = simulator.counts_by_key();
    assert_eq!(counts.values().sum::<u64>(), 10_000, "{counts:?}");
    for (key, share) in KEYS {
        let wanted = f64::from(share) * 1000.0;
        let got = f64::from(u32::try_from(counts[key]).unwrap());
        assert!((got - wanted).abs() <= wanted * 0.03, "{key}: {got} of {wanted}; {counts:?}");
    }
    simulator.seen()
}

fn is_the_gateways_own(seen: &Seen) {
    const OWN: [&str; 7] = [
        "host",
        "content-type",
        "content-length",
        "accept",
        "accept-encoding",
        "user-agent",
        "authorization",
    ];
    let keys: HashMap<String, u32> =
        KEYS.iter().map(|(key, share)| (format!("Bearer {key}"), *share)).collect();
    for (name, value) in &seen.headers {
        assert!(OWN.contains(&name.to_lowercase().as_str()), "{name}: {value} went upstream");
        assert!(!value.contains("canary") && !value.contains(MASTER_KEY), "{name}: {value} went upstream");
    }
    let credentials: Vec<_> = seen.headers.iter().filter(|(name, _)| name == "authorization").collect();
    assert_eq!(credentials.len(), 1, "{credentials:?}");
    assert!(keys.contains_key(&credentials[0].1), "{credentials:?}");
    assert!(!seen.path.contains("canary"), "{}", seen.path);
}

#[tokio::test]
async fn keys_are_used_by_their_weights_and_clients_headers_stay_behind() {
    let seen = shares(|share| json!({ "weight": share })).await;
    assert_eq!(seen.len(), CALLS);
    seen.iter().for_each(is_the_gateways_own);
}

#[tokio::test]
async fn keys_are_used_by_their_rpm() {
    shares(|share| json!({ "rpm": share * 60 })).await;
}
