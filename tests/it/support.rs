//! What the promises about requests and answers share: bodies that can be told apart, and what is read of answers.

use crate::harness::{Config, Gateway, MASTER_KEY, Response, eventually, program, request};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tollgate::simulator::{Behaviour, Kind, Script, Simulator};

/// "Useful PromQL" of the first seed document, as it stands there.
pub(crate) const SEEDS_PROMQL: [&str; 7] = [
    "rate(litellm_proxy_total_requests_metric[5m]) * 60",
    "histogram_quantile(0.99, rate(litellm_request_total_latency_metric_bucket[5m]))",
    "rate(litellm_spend_metric[1d])",
    "rate(litellm_input_tokens_metric[5m])*60 + rate(litellm_output_tokens_metric[5m])*60",
    "litellm_deployment_state == 2",
    "histogram_quantile(0.95, rate(litellm_custom_ttft_seconds_bucket[5m]))",
    "rate(litellm_custom_tpot_seconds_sum[5m]) / rate(litellm_custom_tpot_seconds_count[5m])",
];

pub(crate) const CHAT: &str = "/v1/chat/completions";

/// The master key as most clients send it.
pub(crate) fn bearer() -> (&'static str, &'static str) {
    const BEARER: &str = "Bearer sk-master-0f9a1c77e2";
    assert_eq!(BEARER.strip_prefix("Bearer "), Some(MASTER_KEY));
    ("authorization", BEARER)
}

pub(crate) fn post(path: &str, body: &[u8]) -> Vec<u8> {
    request("POST", path, &[bearer(), ("content-type", "application/json")], body)
}

pub(crate) fn get(path: &str) -> Vec<u8> {
    request("GET", path, &[bearer()], b"")
}

/// The bytes of a chat request with these members besides model and messages.
pub(crate) fn chat(model: &str, more: &str) -> Vec<u8> {
    format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"hi there"}}]{more}}}"#).into_bytes()
}

/// A chat request of exactly so many bytes, no two stretches of which are the same.
pub(crate) fn sized_chat(model: &str, size: usize) -> Vec<u8> {
    let mut body = format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":""#).into_bytes();
    let end = br#""}]}"#;
    let room = size.checked_sub(body.len() + end.len()).expect("too small for a chat");
    let mut state = 0x9E37_79B9_7F4A_7C15_u64 ^ size as u64;
    body.extend((0..room).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        b'a' + u8::try_from((state >> 40) % 26).unwrap()
    }));
    body.extend_from_slice(end);
    assert_eq!(body.len(), size);
    body
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What an echoing upstream says of a body that came through unchanged.
pub(crate) fn echo_of(body: &[u8]) -> String {
    format!("{} {}", body.len(), sha256(body))
}

/// A body in chunks of so many bytes, with its last chunk.
pub(crate) fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + body.len() / size * 8 + 16);
    for chunk in body.chunks(size) {
        out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}

/// An upstream that answers with what it was sent, and a gateway to it under the name `echo`.
pub(crate) async fn echoing(sections: impl FnOnce(Config) -> Config) -> (Simulator, Gateway) {
    let behaviour = Behaviour { kind: Kind::Echo, ..Behaviour::default() };
    let simulator = Simulator::start(Script::of(behaviour)).await.unwrap();
    let config = Config::new().deployment("echo", "echo", &simulator.base_url(), "upstream-key");
    let gateway = Gateway::start(&sections(config)).await;
    (simulator, gateway)
}

/// The text of a chat answer.
pub(crate) fn content(response: &Response) -> String {
    let value = response.json();
    let text = value["choices"][0]["message"]["content"].as_str();
    text.unwrap_or_else(|| panic!("no content: {value}")).to_owned()
}

/// `error.message`, after a look at the rest of LiteLLM's shape.
pub(crate) fn error(response: &Response) -> String {
    let value = response.json();
    let error = &value["error"];
    assert_eq!(error["code"], response.status().to_string(), "{value}");
    assert!(error.get("type").is_some() && error.get("param").is_some(), "{value}");
    error["message"].as_str().unwrap_or_else(|| panic!("no message: {value}")).to_owned()
}

/// An upstream that gives each request the same bytes and closes; its base as in `http://127.0.0.1:1/v1`.
pub(crate) async fn canned(answer: impl Into<Vec<u8>>) -> String {
    let answer: Vec<u8> = answer.into();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !is_whole(&request) && socket.read_buf(&mut request).await.is_ok_and(|n| n > 0) {}
                drop(socket.write_all(&answer).await);
                drop(socket.shutdown().await);
            });
        }
    });
    format!("http://{address}/v1")
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_none_or(|length| body.len() >= length.trim().parse().unwrap())
}

/// An answer of an upstream, with its length.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut out =
        format!("HTTP/1.1 {status} Said\r\ncontent-length: {}\r\nconnection: close\r\n", body.len());
    for (name, value) in headers {
        let _ = write!(out, "{name}: {value}\r\n");
    }
    format!("{out}\r\n{body}").into_bytes()
}

/// The head and body of a response, to look for what must not be there.
pub(crate) fn everything(response: &Response) -> String {
    format!("{:?}\n{}", response.head, response.text())
}

/// The program with nothing of our environment, in this folder.
pub(crate) fn tollgate(folder: &Path) -> Command {
    let mut command = Command::new(program());
    command.env_clear().current_dir(folder).stdin(Stdio::null());
    command
}

/// A process that does not outlive its test.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only for a process that has ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// What a command said and how it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a command that ends by itself.
pub(crate) async fn run(mut command: Command) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    let (out, err) = (folder.path().join("out"), folder.path().join("err"));
    command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
    let mut child = Running(command.spawn().unwrap());
    let status = eventually("the command ends", async || child.0.try_wait().unwrap()).await;
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    Ended { code: status.code().expect("no signal ended it"), stdout: read(&out), stderr: read(&err) }
}
