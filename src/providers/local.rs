//! Servers that somebody runs near the gateway, and what they tell of themselves without loading a model.

use serde_json::Value;

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LocalServer {
    /// llama-swap: loads one model or a few, on demand.
    LlamaSwap,
    /// Ollama.
    Ollama,
    /// vLLM: one model, with a queue.
    Vllm,
}

/// How much a server has to do.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// Requests that run or wait.
    pub requests: u64,
    /// How full its KV cache is, from 0 to 1.
    pub kv_cache: f64,
}

/// More models than this are not kept of one server.
const MOST: usize = 2000;
/// Longest name of a model, in bytes.
const LONGEST: usize = 256;

impl LocalServer {
    /// All names that `model_info.local_server` may have.
    pub const NAMES: [&'static str; 3] = ["llama-swap", "ollama", "vllm"];

    /// The kind of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "llama-swap" => Some(Self::LlamaSwap),
            "ollama" => Some(Self::Ollama),
            "vllm" => Some(Self::Vllm),
            _ => None,
        }
    }

    /// What a provider's servers are, if its prefix says so.
    #[must_use]
    pub fn of_provider(prefix: &str) -> Option<Self> {
        match prefix {
            "ollama" | "ollama_chat" => Some(Self::Ollama),
            "hosted_vllm" => Some(Self::Vllm),
            _ => None,
        }
    }

    /// Where it says which models are in memory, from the root of the server.
    #[must_use]
    pub const fn loaded_path(self) -> Option<&'static str> {
        match self {
            Self::LlamaSwap => Some("/running"),
            Self::Ollama => Some("/api/ps"),
            Self::Vllm => None,
        }
    }

    /// Where it says how much it has to do, from the root of the server.
    #[must_use]
    pub const fn load_path(self) -> Option<&'static str> {
        match self {
            Self::Vllm => Some("/metrics"),
            Self::LlamaSwap | Self::Ollama => None,
        }
    }

    /// A model's name as the server's lists are compared: Ollama adds a tag to those that have none.
    #[must_use]
    pub fn plain(self, model: &str) -> &str {
        if self == Self::Ollama { model.strip_suffix(":latest").unwrap_or(model) } else { model }
    }

    /// The models that are in memory or on their way there; `None` for an answer of another kind.
    #[must_use]
    pub fn loaded(self, body: &[u8]) -> Option<Vec<String>> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let rows = match self {
            Self::LlamaSwap => body["running"].as_array()?,
            Self::Ollama => body["models"].as_array()?,
            Self::Vllm => return None,
        };
        let is_going =
            |row: &&Value| matches!(row["state"].as_str(), Some("stopping" | "stopped" | "shutdown"));
        let names = rows.iter().filter(|row| !is_going(row)).filter_map(name);
        Some(names.map(|name| self.plain(name).to_owned()).take(MOST).collect())
    }
}

/// The models of a list in OpenAI's shape or Ollama's; `None` for an answer of another kind.
#[must_use]
pub fn listed(body: &[u8]) -> Option<Vec<String>> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let rows = body["data"].as_array().or_else(|| body["models"].as_array())?;
    let mut names: Vec<String> = rows.iter().filter_map(name).take(MOST).map(str::to_owned).collect();
    names.sort_unstable();
    names.dedup();
    Some(names)
}

fn name(row: &Value) -> Option<&str> {
    let name = [&row["id"], &row["model"], &row["name"]].into_iter().find_map(Value::as_str)?;
    let is_fit =
        !name.is_empty() && name.len() <= LONGEST && !name.contains(|c: char| c.is_control() || c == '*');
    is_fit.then_some(name)
}

/// What vLLM's metrics say of this model; of all its models if it is known by another name there.
#[must_use]
pub fn vllm_load(text: &str, model: &str) -> Option<Load> {
    let own = format!("model_name=\"{model}\"");
    let (mut own_load, mut all) = (None, None);
    for line in text.lines() {
        let Some((labels, value)) = line.strip_prefix("vllm:").and_then(|line| line.rsplit_once(' ')) else {
            continue;
        };
        let metric = labels.split('{').next().unwrap_or_default();
        let Some(value) = value.parse::<f64>().ok().filter(|value| value.is_finite() && *value >= 0.0) else {
            continue;
        };
        if labels.contains(&own) {
            note(&mut own_load, metric, value);
        }
        note(&mut all, metric, value);
    }
    own_load.or(all)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "requests are few; a float's cast saturates"
)]
fn note(load: &mut Option<Load>, metric: &str, value: f64) {
    match metric {
        "num_requests_running" | "num_requests_waiting" => {
            let load = load.get_or_insert_with(Load::default);
            load.requests = load.requests.saturating_add(value as u64);
        }
        // The second one is its name in older releases. Several engines are as full as the fullest.
        "kv_cache_usage_perc" | "gpu_cache_usage_perc" => {
            let load = load.get_or_insert_with(Load::default);
            load.kv_cache = load.kv_cache.max(value.min(1.0));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_loaded_is_read_of_both_servers() {
        let swap = br#"{"running":[{"model":"qwen3-30b-a3b","state":"ready","cmd":"llama-server"},{"model":"old","state":"stopping"},{"model":"new","state":"starting"}]}"#;
        assert_eq!(LocalServer::LlamaSwap.loaded(swap).unwrap(), ["qwen3-30b-a3b", "new"]);
        let ollama = br#"{"models":[{"name":"llama2:latest","model":"llama2:latest"},{"name":"qwen3:8b"}]}"#;
        assert_eq!(LocalServer::Ollama.loaded(ollama).unwrap(), ["llama2", "qwen3:8b"]);
        assert_eq!(LocalServer::Ollama.loaded(swap), None);
        assert_eq!(LocalServer::LlamaSwap.loaded(b"no"), None);
    }

    #[test]
    fn lists_are_read_in_both_shapes_and_odd_names_are_left_out() {
        assert_eq!(
            listed(
                br#"{"object":"list","data":[{"id":"b"},{"id":"a"},{"id":"a"},{"id":"*"},{"id":"x\ny"},{}]}"#
            )
            .unwrap(),
            ["a", "b"]
        );
        assert_eq!(listed(br#"{"models":[{"name":"llama2:latest"}]}"#).unwrap(), ["llama2:latest"]);
        assert_eq!(listed(br#"{"error":"no"}"#), None);
    }

    #[test]
    fn the_queue_of_a_model_is_summed_over_its_engines() {
        let text = "# HELP vllm:num_requests_running Number\nvllm:num_requests_running{engine=\"0\",model_name=\"a\"} 3.0\n\
                    vllm:num_requests_running{engine=\"1\",model_name=\"a\"} 2.0\nvllm:num_requests_waiting{engine=\"0\",model_name=\"a\"} 4.0\n\
                    vllm:num_requests_running{engine=\"0\",model_name=\"b\"} 100.0\nvllm:kv_cache_usage_perc{engine=\"0\",model_name=\"a\"} 0.25\n\
                    vllm:kv_cache_usage_perc{engine=\"1\",model_name=\"a\"} 0.5\nvllm:num_requests_waiting_by_reason{model_name=\"a\"} 9\n";
        assert_eq!(vllm_load(text, "a"), Some(Load { requests: 9, kv_cache: 0.5 }));
        assert_eq!(vllm_load(text, "else").unwrap().requests, 109);
        let old =
            "vllm:num_requests_running{model_name=\"a\"} 1\nvllm:gpu_cache_usage_perc{model_name=\"a\"} 0.75";
        assert_eq!(vllm_load(old, "a"), Some(Load { requests: 1, kv_cache: 0.75 }));
        assert_eq!(vllm_load("vllm:num_requests_running NaN\nother 1\n", "a"), None);
    }

    proptest! {
        #[test]
        fn nothing_that_a_server_says_makes_it_panic(body in ".{0,200}", number in "[-+0-9.eEnaif]{0,12}") {
            drop((listed(body.as_bytes()), LocalServer::Ollama.loaded(body.as_bytes())));
            let _ = vllm_load(&body, "a");
            let _ = vllm_load(&format!("vllm:num_requests_running {number}\nvllm:kv_cache_usage_perc {number}"), "");
        }
    }
}
