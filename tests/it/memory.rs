//! A gateway at rest is small, and stays so.

use crate::harness::{Config, Connection, Gateway};
use crate::support::{CHAT, chat, post};
use tollgate::simulator::{Script, Simulator};

/// What 2,000 calls may add, caches and the allocator's habits included. A leak of one answer each is over it.
const MAY_GROW: u64 = 16 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_calls_leave_nothing_behind() {
    let simulator = Simulator::start(Script { record: 0, ..Script::default() }).await.unwrap();
    let config = Config::new()
        .deployment("sim-bytes=8000", "sim-bytes=8000", &simulator.base_url(), "k")
        .deployment("sim-500", "sim-500", &simulator.base_url(), "k");
    let gate = Gateway::start(&config).await;
    let idle = gate.resident();
    let prompt = format!(r#","x":"{}""#, "y".repeat(8000));
    let bodies = [
        (chat("sim-bytes=8000", &prompt), 200),
        (chat("sim-bytes=8000", &format!(r#"{prompt},"stream":true"#)), 200),
        (chat("sim-500", &prompt), 500),
        (chat("nope", &prompt), 400),
    ];
    let calls = async |count: usize| {
        let mut connection = gate.connect().await;
        for i in 0..count {
            if i % 50 == 0 {
                connection = gate.connect().await;
            }
            let (body, status) = &bodies[i % bodies.len()];
            assert_eq!(connection.ask(&post(CHAT, body)).await.status(), *status);
        }
    };
    calls(400).await;
    let warm = gate.resident();
    calls(2000).await;
    let after = gate.resident();
    eprintln!(
        "resident: {} KiB idle, {} KiB after 400 calls, {} KiB after 2,000 more",
        idle >> 10,
        warm >> 10,
        after >> 10
    );
    assert!(after < warm + MAY_GROW, "{warm} bytes grew to {after}");
}

/// What an open stream may keep, with a prompt of a megabyte: Pingora's own copies of its first 64 KiB, buffers, and what
/// the allocator wastes.
const MAY_KEEP: u64 = 512 << 10;
const STREAMS: u64 = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_stream_keeps_no_prompt() {
    const MODEL: &str = "sim-gap=600000";
    let simulator = Simulator::start(Script { record: 0, ..Script::default() }).await.unwrap();
    let gate = Gateway::start(&Config::new().deployment(MODEL, MODEL, &simulator.base_url(), "k")).await;
    let prompt = format!(r#","stream":true,"x":"{}""#, "y".repeat(1 << 20));
    let request = post(CHAT, &chat(MODEL, &prompt));
    let mut open: Vec<Connection> = Vec::new();
    let mut begin = async |count: u64| {
        for _ in 0..count {
            let mut stream = gate.connect().await;
            stream.send(&request).await;
            assert_eq!(stream.read_head().await.status, 200);
            assert!(stream.next_event().await.is_some());
            open.push(stream);
        }
        gate.resident()
    };
    let few = begin(8).await;
    let many = begin(STREAMS).await;
    let each = many.saturating_sub(few) / STREAMS;
    eprintln!("{} KiB for each open stream", each >> 10);
    assert!(each < MAY_KEEP, "each stream keeps {each} bytes");
}
