//! What the seed documents show, run as it stands in a shell: only hosts and keys are put in. Where LiteLLM itself
//! does something else than a document says, LiteLLM is followed, and the line says so.

use crate::databases::{Database, both};
use crate::harness::{Config, Gateway, Launch, MASTER_KEY, eventually, upstream};
use crate::support::{run, sha256};
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use tollgate::simulator::Simulator;

/// The hosts of the documents; all stand for the gateway.
const HOSTS: [&str; 4] = [
    "http://localhost:4000",
    "https://llm.haiven.local",
    "http://litellm.litellm.svc.cluster.local:4000",
    "http://litellm.api.prod.everycure.org",
];

/// Says what is missing, if something is.
fn has_tools() -> bool {
    let missing = ["curl", "jq", "bash"].into_iter().filter(|tool| {
        let tried = Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        !tried.is_ok_and(|status| status.success())
    });
    let missing: Vec<&str> = missing.collect();
    if !missing.is_empty() {
        eprintln!("left out, for want of {}: run tests/run needs", missing.join(" and "));
    }
    missing.is_empty()
}

/// Runs lines of a document against a gateway; `key` stands for `sk-...`, `$API_KEY` and the master key.
struct Shell<'a> {
    gateway: &'a Gateway,
    key: String,
}

impl Shell<'_> {
    fn admin(gateway: &Gateway) -> Shell<'_> {
        Shell { gateway, key: MASTER_KEY.to_owned() }
    }

    /// What the lines print, for `sk-...` as another key.
    async fn about(&self, key: &str, lines: &str) -> String {
        let text = lines.replace("sk-...", key);
        let text = HOSTS.iter().fold(text, |text, host| text.replace(host, &self.gateway.url()));
        let mut shell = Command::new("bash");
        shell.arg("-c").arg(&text).env_clear().stdin(Stdio::null());
        shell.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        shell.env("LITELLM_MASTER_KEY", &self.key).env("API_KEY", &self.key);
        let ended = run(shell).await;
        assert!(!ended.stdout.trim().is_empty(), "{text}\nprints nothing: {ended:?}");
        ended.stdout
    }

    async fn run(&self, lines: &str) -> String {
        self.about(&self.key, lines).await
    }

    /// The JSON that the lines print.
    async fn json(&self, lines: &str) -> Value {
        let printed = self.run(lines).await;
        serde_json::from_str(&printed).unwrap_or_else(|_| panic!("{lines}\nprints no JSON: {printed}"))
    }

    async fn json_about(&self, key: &str, lines: &str) -> Value {
        let printed = self.about(key, lines).await;
        serde_json::from_str(&printed).unwrap_or_else(|_| panic!("{lines}\nprints no JSON: {printed}"))
    }
}

/// The first document's configuration as it stands, with two upstream keys, on each database.
async fn maas(upstream: &Simulator, database: &Database) -> Gateway {
    let launch = Launch::of_text(include_str!("../fixtures/seeds/seed0.yaml"))
        .variable("LITELLM_MASTER_KEY", MASTER_KEY)
        .variable("HUAWEI_MAAS_API_BASE", &upstream.base_url())
        .variable("HUAWEI_MAAS_API_KEY", "first")
        .variable("HUAWEI_MAAS_EXTRA_API_KEYS", "second");
    database.under(launch).start().await
}

const CHAT_0: &str = r#"curl -s http://localhost:4000/v1/chat/completions \
-H "Authorization: Bearer $LITELLM_MASTER_KEY" \
-H "Content-Type: application/json" \
-d '{"model": "glm-5.1", "messages": [{"role": "user", "content": "Hello!"}]}'"#;

const INFO_0: &str = r#"curl -s -X POST http://localhost:4000/key/info \
-H "Authorization: Bearer $LITELLM_MASTER_KEY" \
-H "Content-Type: application/json" \
-d '{"key": "sk-..."}'"#;

#[tokio::test]
async fn the_first_document_validates_a_deployment() {
    if !has_tools() {
        return;
    }
    let upstream = upstream("ok").await;
    let gateway = maas(&upstream, &both().await[0]).await;
    let shell = Shell::admin(&gateway);
    let alive = shell.json("curl -s http://localhost:4000/health/liveliness").await;
    assert_eq!(alive, "I'm alive!", "LiteLLM's own words; a document says {{\"status\": \"healthy\"}}");
    let health = r#"curl -s http://localhost:4000/health \
-H "Authorization: Bearer $LITELLM_MASTER_KEY" | jq '.healthy_count, .unhealthy_count'"#;
    assert_eq!(shell.run(health).await, "10\n0\n", "five models with two keys");
    let said = r#"curl -s http://localhost:4000/v1/chat/completions \
-H "Authorization: Bearer $LITELLM_MASTER_KEY" \
-H "Content-Type: application/json" \
-d '{"model": "glm-5.1", "messages": [{"role": "user", "content": "Reply with OK only."}]}' | jq '.choices[0].message.content'"#;
    assert!(shell.json(said).await.is_string());
    let stream = r#"curl -s http://localhost:4000/v1/chat/completions \
-H "Authorization: Bearer $LITELLM_MASTER_KEY" \
-H "Content-Type: application/json" \
-d '{"model": "deepseek-v4-flash", "messages": [{"role": "user", "content": "Count to 3."}], "stream": true}' | head -5"#;
    assert!(shell.run(stream).await.starts_with("data: {"));
    let thinking = r#"curl -s http://localhost:4000/v1/chat/completions \
-H "Authorization: Bearer $LITELLM_MASTER_KEY" \
-H "Content-Type: application/json" \
-d '{"model": "deepseek-v4-pro", "messages": [{"role": "user", "content": "Solve step by step."}], "extra_body": {"thinking": {"type": "enabled"}}}'"#;
    assert_eq!(shell.json(thinking).await["model"], "deepseek-v4-pro");
    // LiteLLM answers 307 here, so that its own document counts 0.
    let families = shell.json(r#"curl -s http://localhost:4000/metrics | grep -c "litellm_""#).await;
    assert!(families.as_u64().unwrap() > 20, "{families}");
    let models = r#"curl -s http://localhost:4000/v1/models -H "Authorization: Bearer $LITELLM_MASTER_KEY" | jq '.data[].id'"#;
    let listed = shell.run(models).await;
    assert_eq!(listed.lines().count(), 5, "{listed}");
    assert!(listed.starts_with("\"glm-5.1\"\n"), "{listed}");
    // In LiteLLM the prices are below `model_info` only, so that this line shows nulls.
    let prices = r#"curl -s http://localhost:4000/model/info -H "Authorization: Bearer $LITELLM_MASTER_KEY" | jq '.data[] | {model: .model_name, input_cost: .input_cost_per_token, output_cost: .output_cost_per_token}'"#;
    let first = shell.run(prices).await;
    let first: Value = serde_json::Deserializer::from_str(&first).into_iter().next().unwrap().unwrap();
    let expected = json!({ "model": "glm-5.1", "input_cost": 0.000001078, "output_cost": 0.000003774 });
    assert_eq!(first, expected);
    let count = r#"curl -s http://localhost:4000/model/info -H "Authorization: Bearer $LITELLM_MASTER_KEY" | jq '[.data[].model_name] | length'"#;
    assert_eq!(shell.run(count).await, "10\n");
}

#[tokio::test]
async fn the_first_document_keeps_keys() {
    if !has_tools() {
        return;
    }
    for database in both().await {
        let upstream = upstream("ok").await;
        let gateway = maas(&upstream, &database).await;
        let shell = Shell::admin(&gateway);
        let minted = r#"curl -s -X POST http://localhost:4000/key/generate \
-H "Authorization: Bearer $LITELLM_MASTER_KEY" \
-H "Content-Type: application/json" \
-d '{"models": ["glm-5.1"], "max_budget": 1.0, "duration": "1d"}' | jq '.key'"#;
        let minted = shell.json(minted).await;
        assert!(minted.as_str().unwrap().starts_with("sk-"), "{minted}");
        let generate = r#"curl -s -X POST http://localhost:4000/key/generate \
-H "Authorization: Bearer $LITELLM_MASTER_KEY" \
-H "Content-Type: application/json" \
-d '{"models": ["glm-5.1", "deepseek-v4-flash"], "max_budget": 10.0, "duration": "30d"}'"#;
        let made = shell.json(generate).await;
        let key = made["key"].as_str().unwrap().to_owned();
        assert!(made["expires"].is_string() && made["max_budget"] == 10.0, "{made}");
        // The multi-user path: its own calls, its own spend.
        let user = Shell { gateway: &gateway, key: key.clone() };
        let answer = user.json(CHAT_0).await;
        let usage = |name: &str| answer["usage"][name].as_f64().unwrap();
        let cost = usage("prompt_tokens") * 0.000001078 + usage("completion_tokens") * 0.000003774;
        let info = eventually("the key's spend", async || {
            let info = shell.json_about(&key, INFO_0).await["info"].clone();
            (info["spend"] != 0.0).then_some(info)
        })
        .await;
        assert!((info["spend"].as_f64().unwrap() - cost).abs() < 1e-12, "{info}, not {cost}");
        assert_eq!(info["models"], json!(["glm-5.1", "deepseek-v4-flash"]));
        let denied = user.json(&CHAT_0.replace("glm-5.1", "glm-5")).await;
        // A document says 403; LiteLLM says 401.
        assert_eq!(
            (&denied["error"]["code"], &denied["error"]["type"]),
            (&json!("401"), &json!("key_model_access_denied"))
        );
        let update = r#"curl -s -X POST http://localhost:4000/key/update \
-H "Authorization: Bearer $LITELLM_MASTER_KEY" \
-H "Content-Type: application/json" \
-d '{"key": "sk-...", "max_budget": 50.0}'"#;
        assert_eq!(shell.json_about(&key, update).await["max_budget"], 50.0);
        let spent = format!("{cost:.15}");
        assert!(shell.json_about(&key, &update.replace("50.0", &spent)).await["max_budget"].is_f64());
        let over = user.json(CHAT_0).await["error"].clone();
        assert_eq!((&over["code"], &over["type"]), (&json!("400"), &json!("budget_exceeded")), "{over}");
        let delete = r#"curl -s -X POST http://localhost:4000/key/delete \
-H "Authorization: Bearer $LITELLM_MASTER_KEY" \
-H "Content-Type: application/json" \
-d '{"keys": ["sk-..."]}'"#;
        assert_eq!(shell.json_about(&key, delete).await, json!({ "deleted_keys": [key] }));
        let gone = user.json(CHAT_0).await["error"].clone();
        assert_eq!((&gone["code"], &gone["type"]), (&json!("401"), &json!("token_not_found_in_db")));
        assert_eq!(shell.json_about(&key, INFO_0).await["error"]["code"], "404");
    }
}

#[tokio::test]
async fn the_second_document_gives_a_user_a_key() {
    if !has_tools() {
        return;
    }
    for database in both().await {
        let upstream = upstream("ok").await;
        let base = upstream.base_url();
        let text =
            include_str!("../fixtures/seeds/seed1.yaml").replace("http://llama-swap:8080/v1", base.as_str());
        let launch = Launch::of_text(text).variable("LITELLM_MASTER_KEY", MASTER_KEY);
        let gateway = database.under(launch).start().await;
        let shell = Shell::admin(&gateway);
        // LiteLLM wants a key for both; a document shows them without.
        let open = shell.json("curl -s https://llm.haiven.local/health").await;
        assert_eq!(open["error"]["code"], "401");
        let open = shell.json("curl -s https://llm.haiven.local/v1/models").await;
        assert_eq!(open["error"]["code"], "401");
        let said = r#"curl -s https://llm.haiven.local/v1/chat/completions \
  -H "Content-Type: application/json" \
  -H "Authorization: Bearer $LITELLM_MASTER_KEY" \
  -d '{
    "model": "qwen3-30b-a3b",
    "messages": [{"role": "user", "content": "Hello!"}],
    "max_tokens": 100
  }' | jq '.choices[0].message.content'"#;
        assert!(shell.json(said).await.is_string());
        let generate = r#"curl -s https://llm.haiven.local/key/generate \
  -H "Authorization: Bearer $LITELLM_MASTER_KEY" \
  -H "Content-Type: application/json" \
  -d '{
    "models": ["gpt-4", "gpt-3.5-turbo"],
    "user_id": "user@example.com",
    "max_budget": 100.00,
    "duration": "30d"
  }' | jq"#;
        let made = shell.json(generate).await;
        assert_eq!(made["user_id"], "user@example.com");
        assert_eq!(made["max_budget"].as_f64(), Some(100.0), "{made}");
        let key = made["key"].as_str().unwrap();
        let user = Shell { gateway: &gateway, key: key.to_owned() };
        let stream = r#"curl -X POST https://llm.haiven.local/v1/chat/completions \
  -H "Content-Type: application/json" \
  -H "Authorization: Bearer $API_KEY" \
  -d '{
    "model": "gpt-4",
    "messages": [{"role": "user", "content": "Write a haiku about coding"}],
    "stream": true
  }'"#;
        let streamed = user.run(stream).await;
        assert!(streamed.starts_with("data: {") && streamed.trim_end().ends_with("data: [DONE]"));
        let other = r#"curl -X POST https://llm.haiven.local/v1/chat/completions \
  -H "Content-Type: application/json" \
  -H "Authorization: Bearer $API_KEY" \
  -d '{
    "model": "qwen3-30b-a3b",
    "messages": [
      {"role": "system", "content": "You are a helpful assistant."},
      {"role": "user", "content": "Explain quantum computing in simple terms."}
    ],
    "temperature": 0.7,
    "max_tokens": 500,
    "stream": false
  }'"#;
        assert_eq!(user.json(other).await["error"]["type"], "key_model_access_denied");
        assert!(shell.json(other).await["choices"].is_array());
        // The table of endpoints: GET /key/info, GET /spend/logs, GET /user/info.
        let with_key = r#"-H "Authorization: Bearer $LITELLM_MASTER_KEY""#;
        let info = format!("curl -s https://llm.haiven.local/key/info?key={key} {with_key}");
        assert_eq!(shell.json(&info).await["info"]["user_id"], "user@example.com");
        let logs = format!("curl -s https://llm.haiven.local/spend/logs?api_key={key} {with_key}");
        let row = eventually("a row of the ledger", async || {
            let rows = shell.json(&logs).await;
            rows.as_array()?.iter().find(|row| row["status"] == "success").cloned()
        })
        .await;
        assert_eq!((&row["user"], &row["api_key"]), (&json!("user@example.com"), &made["token"]));
        assert_eq!(row["model_group"], "gpt-4", "{row}");
        let own = shell.json(&format!("curl -s https://llm.haiven.local/user/info {with_key}")).await;
        assert!(own["keys"].as_array().unwrap().iter().any(|row| row["token"] == made["token"]), "{own}");
        let metrics = shell.run("curl -s https://llm.haiven.local/metrics").await;
        assert!(metrics.contains("litellm_spend_metric_total"), "{metrics}");
    }
}

#[tokio::test]
async fn the_other_documents_use_the_master_key_and_ask_the_database() {
    if !has_tools() {
        return;
    }
    for database in both().await {
        let upstream = upstream("ok").await;
        let config = ["gpt-oss-120b", "qwen-30b", "gpt-4o"].iter().fold(Config::new(), |config, name| {
            let prices = json!({ "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6 });
            config.target(name, name, &upstream.base_url(), "sk-up", prices)
        });
        let gateway = database.gateway(&config, &[]).await;
        let shell = Shell::admin(&gateway);
        let health = r#"curl -H "Authorization: Bearer $LITELLM_MASTER_KEY" http://localhost:4000/health"#;
        assert_eq!(shell.json(health).await["healthy_count"], 3);
        for models in [
            r#"curl http://localhost:4000/v1/models \
  -H "Authorization: Bearer $LITELLM_MASTER_KEY" | jq"#,
            r#"curl -H "Authorization: Bearer $LITELLM_MASTER_KEY" http://localhost:4000/v1/models"#,
            r#"curl -H "Authorization: Bearer $LITELLM_MASTER_KEY" \
-H "Content-Type: application/json" \
http://litellm.api.prod.everycure.org/v1/models | jq ."#,
        ] {
            assert_eq!(shell.json(models).await["data"].as_array().unwrap().len(), 3);
        }
        let mut costs = Vec::new();
        for chat in [
            r#"curl http://localhost:4000/v1/chat/completions \
  -H "Content-Type: application/json" \
  -H "Authorization: Bearer $LITELLM_MASTER_KEY" \
  -d '{
    "model": "gpt-oss-120b",
    "messages": [
      {"role": "user", "content": "Explain quantum computing in one sentence"}
    ],
    "max_tokens": 100,
    "temperature": 0.7
  }' | jq"#,
            r#"curl -s \
-H "Content-Type: application/json" \
-H "Authorization: Bearer $LITELLM_MASTER_KEY" \
http://litellm.litellm.svc.cluster.local:4000/v1/chat/completions \
-d '{
"model": "gpt-4o",
"messages": [
{"role": "user", "content": "Say hello in 5 words"}
]
}' | jq ."#,
        ] {
            let usage = shell.json(chat).await["usage"].clone();
            let tokens = |name: &str| usage[name].as_f64().unwrap();
            costs.push(tokens("prompt_tokens") * 1e-6 + tokens("completion_tokens") * 2e-6);
        }
        let ping = r#"curl -H "Authorization: Bearer $LITELLM_MASTER_KEY" \
-H "Content-Type: application/json" \
-d '{"model":"gpt-4o","messages":[{"role":"user","content":"ping"}]}' \
http://litellm.litellm.svc.cluster.local:4000/v1/chat/completions | jq '.id'"#;
        assert!(shell.json(ping).await.is_string());
        let stream = r#"curl http://localhost:4000/v1/chat/completions \
  -H "Content-Type: application/json" \
  -H "Authorization: Bearer $LITELLM_MASTER_KEY" \
  -d '{
    "model": "qwen-30b",
    "messages": [
      {"role": "user", "content": "Write a Python function to calculate fibonacci"}
    ],
    "stream": true,
    "max_tokens": 200
  }'"#;
        assert!(shell.run(stream).await.starts_with("data: {"));
        // "View usage by model". The document's `litellm_spend` and `response_cost` exist nowhere: LiteLLM's table
        // and column are these.
        let by_model = r#"SELECT model, COUNT(*) as requests, SUM(spend) as total_cost
FROM "LiteLLM_SpendLogs"
GROUP BY model"#;
        let rows = eventually("four rows of the ledger", async || {
            let rows = database.sums(by_model).await;
            (rows.iter().map(|(_, count, _)| count).sum::<i64>() == 4).then_some(rows)
        })
        .await;
        let of = |name: &str| rows.iter().find(|(model, _, _)| model == name).cloned().unwrap();
        let (_, calls, spent) = of("openai/gpt-oss-120b");
        assert!(calls == 1 && (spent - costs[0]).abs() < 1e-12, "{rows:?}, not {costs:?}");
        assert!(of("openai/gpt-4o").1 == 2 && of("openai/gpt-4o").2 > costs[1], "{rows:?}");
        let keys = r#"SELECT COALESCE(key_alias, '') AS model, COUNT(*) AS requests, SUM(spend) AS total_cost
FROM "LiteLLM_VerificationToken" WHERE max_budget > 0 GROUP BY key_alias"#;
        let made = gateway.post("/key/generate", &json!({ "key_alias": "of a seed", "max_budget": 2 })).await;
        assert_eq!(made.status(), 200, "{}", made.text());
        assert_eq!(database.sums(keys).await, [("of a seed".to_owned(), 1, 0.0)]);
        let of_key = format!(
            r#"SELECT s.status AS model, COUNT(*) AS requests, SUM(s.spend) AS total_cost FROM "LiteLLM_SpendLogs" s
LEFT JOIN "LiteLLM_VerificationToken" v ON v.token = s.api_key
WHERE s.api_key = '{}' AND s."startTime" > '2020-01-01' GROUP BY s.status"#,
            sha256(MASTER_KEY.as_bytes())
        );
        assert_eq!(database.sums(&of_key).await[0].1, 4);
    }
}
