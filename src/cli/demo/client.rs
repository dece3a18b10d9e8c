//! A client just large enough for the demonstration: one streamed call on a plain socket.

use super::page::Page;
use serde_json::{Value, json};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// What is told about the answer.
pub(super) struct Answer {
    pub(super) served_by: String,
    pub(super) retries: String,
    pub(super) prompt_tokens: u64,
    pub(super) completion_tokens: u64,
    pub(super) first_token: Duration,
}

/// Polls until the gateway takes connections; false when it ended or `limit` is over.
pub(super) fn wait_until_up(address: SocketAddr, limit: Duration, ended: impl Fn() -> bool) -> bool {
    let until = Instant::now() + limit;
    while Instant::now() < until && !ended() {
        if get(address, "/health/liveliness").is_ok() {
            return true;
        }
        thread::sleep(Duration::from_millis(20));
    }
    false
}

/// The sum of a metric's samples as soon as it is above zero: a call is counted just after its last byte.
/// Zero if that takes longer than `limit`.
pub(super) fn counted(address: SocketAddr, name: &str, limit: Duration) -> f64 {
    let until = Instant::now() + limit;
    while Instant::now() < until {
        if let Some(sum) = metric(address, name).filter(|sum| *sum > 0.0) {
            return sum;
        }
        thread::sleep(Duration::from_millis(5));
    }
    0.0
}

fn metric(address: SocketAddr, name: &str) -> Option<f64> {
    let text = get(address, "/metrics").ok()?;
    let samples = text.lines().filter(|line| line.starts_with(name));
    samples.map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// Asks and writes each word the moment it comes.
pub(super) fn stream(
    page: &mut Page<'_, impl Write>,
    address: SocketAddr,
    key: &str,
    model: &str,
    question: &str,
) -> io::Result<Answer> {
    let body = json!({
        "model": model,
        "stream": true,
        "stream_options": { "include_usage": true },
        "messages": [{ "role": "user", "content": question }],
    })
    .to_string();
    let asked = Instant::now();
    let mut reader = send(address, "POST /v1/chat/completions", key, &body)?;
    let head = head(&mut reader)?;
    let mut answer = Answer {
        served_by: header(&head, "x-litellm-model-id"),
        retries: header(&head, "x-litellm-attempted-retries"),
        prompt_tokens: 0,
        completion_tokens: 0,
        first_token: Duration::ZERO,
    };
    let mut text = String::new();
    while let Some(chunk) = chunk(&mut reader)? {
        text.push_str(&chunk);
        while let Some((event, rest)) = text.split_once("\n\n") {
            if let Some(word) = answer.take(event) {
                if answer.first_token.is_zero() {
                    answer.first_token = asked.elapsed();
                }
                page.write(&word)?;
            }
            text = rest.to_owned();
        }
    }
    Ok(answer)
}

impl Answer {
    /// The words of an event; its usage is noted.
    fn take(&mut self, event: &str) -> Option<String> {
        let value: Value = serde_json::from_str(event.strip_prefix("data: ")?).ok()?;
        let count = |name: &str| value["usage"][name].as_u64();
        self.prompt_tokens = count("prompt_tokens").unwrap_or(self.prompt_tokens);
        self.completion_tokens = count("completion_tokens").unwrap_or(self.completion_tokens);
        let word = value["choices"][0]["delta"]["content"].as_str()?;
        (!word.is_empty()).then(|| word.to_owned())
    }
}

fn send(address: SocketAddr, line: &str, key: &str, body: &str) -> io::Result<BufReader<TcpStream>> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(Duration::from_secs(30)))?;
    write!(
        socket,
        "{line} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    Ok(BufReader::new(socket))
}

fn get(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut reader = send(address, &format!("GET {path}"), "none", "")?;
    head(&mut reader)?;
    let mut body = String::new();
    reader.read_to_string(&mut body)?;
    Ok(body)
}

fn head(reader: &mut impl BufRead) -> io::Result<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            return Ok(lines);
        }
        lines.push(line);
    }
}

fn header(head: &[String], name: &str) -> String {
    let value =
        head.iter().filter_map(|line| line.split_once(": ")).find(|(n, _)| n.eq_ignore_ascii_case(name));
    value.map_or_else(String::new, |(_, value)| value.to_owned())
}

fn chunk(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut size = String::new();
    reader.read_line(&mut size)?;
    let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
    if size == 0 {
        return Ok(None);
    }
    let mut bytes = vec![0; size + 2];
    reader.read_exact(&mut bytes)?;
    Ok(Some(String::from_utf8_lossy(&bytes[..size]).into_owned()))
}
