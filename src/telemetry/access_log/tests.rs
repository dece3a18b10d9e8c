use super::*;
use crate::domain::Outcome;
use crate::telemetry::fixture::{KEY_HASH, failure, stream, success, unknown_model};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc::channel;

fn counters() -> LogCounters {
    let counter = |name| IntCounter::new(name, "x").unwrap();
    LogCounters { dropped: counter("dropped"), failed: counter("failed") }
}

fn to_file(path: &Path) -> AccessLog {
    AccessLog::start(Target::File(path.to_owned()), counters()).unwrap()
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_line_says_what_is_known_of_a_call() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    let log = to_file(&path);
    log.push(&stream());
    log.push(&failure());
    log.close();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let lines = lines(&path);
    let expected = serde_json::json!({
        "ts": "2025-06-15T15:06:40.123Z",
        "call_id": "3f1c0a52-0000-4000-8000-000000000001",
        "route": "/v1/chat/completions",
        "call_type": "acompletion",
        "requested_model": "glm",
        "model_group": "glm",
        "model_id": "a",
        "model": "openai/glm-5.1",
        "provider": "openai",
        "api_key": KEY_HASH,
        "stream": true,
        "status": 200,
        "outcome": "completed",
        "error_class": null,
        "attempts": 1,
        "attempt_details": [{"model_id": "a", "status": 200, "error": null, "duration_ms": 240.0}],
        "prompt_tokens": 11,
        "completion_tokens": 7,
        "cached_tokens": 4,
        "reasoning_tokens": 2,
        "total_tokens": 18,
        "usage_source": "upstream",
        "spend": 3.3964e-5,
        "spend_pico": 33_964_000,
        "priced": true,
        "duration_ms": 250.0,
        "ttft_ms": 100.0,
        "upstream_ms": 240.0,
        "overhead_ms": 10.0,
    });
    assert_eq!(lines[0], expected);
    let order = |line: &Value| line.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(order(&lines[0]), order(&expected));
    assert_eq!(lines[1]["outcome"], "refused");
    assert_eq!(lines[1]["error_class"], "RateLimitError");
    assert_eq!(lines[1]["attempts"], 2);
    assert_eq!(lines[1]["attempt_details"][0]["error"], "InternalServerError");
    assert_eq!(lines[1]["ttft_ms"], Value::Null);
}

#[test]
fn neither_a_query_nor_a_prompt_in_place_of_a_model_gets_into_a_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    let log = to_file(&path);
    let mut record = unknown_model(&format!("{}canary-prompt", "ü".repeat(4000)));
    record.route = "/v1/chat/completions?key=sk-canary".into();
    log.push(&record);
    log.push(&unknown_model("line\nbreak"));
    log.close();
    assert!(!std::fs::read_to_string(&path).unwrap().contains("canary"));
    let lines = lines(&path);
    assert_eq!(lines[0]["route"], "/v1/chat/completions");
    assert_eq!(lines[0]["requested_model"].as_str().unwrap().len(), 256);
    assert_eq!(lines[1]["requested_model"], "line\nbreak");
}

#[test]
fn closing_writes_all_that_is_queued_and_later_records_are_counted_as_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    let log = to_file(&path);
    for _ in 0..5000 {
        log.push(&success());
    }
    log.close();
    assert_eq!(lines(&path).len(), 5000);
    assert_eq!(log.counters.dropped.get(), 0);
    log.push(&success());
    log.close();
    assert_eq!(log.counters.dropped.get(), 1);
}

/// Waits in its first write until it is let go.
struct Stuck(Receiver<()>);

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.recv();
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_queue_drops_and_counts_and_never_waits() {
    let (release, stuck) = channel();
    let log = AccessLog::with_sink(Box::new(Stuck(stuck)), None, 4 * 1024, counters()).unwrap();
    for _ in 0..1000 {
        log.push(&success());
    }
    let dropped = log.counters.dropped.get();
    assert!((1..=1000).contains(&dropped), "{dropped}");
    drop(release);
    log.close();
}

#[test]
fn a_reopened_log_goes_on_in_a_new_file() {
    let dir = tempfile::tempdir().unwrap();
    let (path, old) = (dir.path().join("access.log"), dir.path().join("access.log.1"));
    let log = to_file(&path);
    log.push(&success());
    std::fs::rename(&path, &old).unwrap();
    log.reopen();
    while !path.exists() {
        thread::yield_now();
    }
    log.push(&stream());
    log.close();
    assert_eq!(lines(&old).len(), 1);
    assert_eq!(lines(&path)[0]["stream"], true);
}

/// Takes some bytes, then fails once, then works.
struct Flaky {
    room: Option<usize>,
    sent: std::sync::mpsc::Sender<Vec<u8>>,
}

impl Write for Flaky {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = match self.room {
            Some(0) => {
                self.room = None;
                return Err(io::ErrorKind::StorageFull.into());
            }
            Some(room) => room.min(bytes.len()),
            None => bytes.len(),
        };
        self.room = self.room.map(|room| room - taken);
        let _ = self.sent.send(bytes[..taken].to_vec());
        Ok(taken)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_costs_its_lines_and_no_others() {
    let (sent, got) = channel();
    let log =
        AccessLog::with_sink(Box::new(Flaky { room: Some(100), sent }), None, ROOM, counters()).unwrap();
    log.push(&success());
    while log.counters.failed.get() == 0 {
        thread::yield_now();
    }
    log.push(&stream());
    log.close();
    let text = String::from_utf8(got.iter().flatten().collect()).unwrap();
    let (torn, whole) = text.split_once('\n').unwrap();
    assert_eq!(torn.len(), 100);
    assert_eq!(serde_json::from_str::<Value>(whole).unwrap()["stream"], true);
    assert_eq!(log.counters.failed.get(), 1);
}

#[test]
fn a_log_that_is_off_takes_records_and_does_nothing() {
    let log = AccessLog::start(Target::Off, counters()).unwrap();
    log.push(&UsageRecord { outcome: Outcome::ClientGone, ..success() });
    log.reopen();
    log.close();
    assert_eq!(log.counters.dropped.get(), 0);
}

/// `cargo test --release --lib telemetry -- --ignored --nocapture cost`
#[test]
#[ignore = "a measurement"]
fn the_cost_of_handing_over_a_record() {
    let log = to_file(Path::new("/dev/null"));
    for round in 0..5 {
        let records: Vec<_> = (0..4000).map(|_| stream()).collect();
        let started = std::time::Instant::now();
        for record in records {
            log.push(&record);
        }
        println!("round {round}: {} ns a record", started.elapsed().as_nanos() / 4000);
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(log.counters.dropped.get(), 0);
}
