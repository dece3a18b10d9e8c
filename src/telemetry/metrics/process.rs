//! The process as Linux sees it, read at scrape time; absent where `/proc` is.

use super::render::header;
use std::fmt::Write;
use std::fs;

/// `USER_HZ`, which Linux fixes at 100 for what it tells programs on all architectures we run on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Writes the families that could be read.
pub(super) fn write(text: &mut String) {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field is the program's name in brackets and may hold anything, so count from its end.
    let fields: Vec<&str> =
        stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok().map(|ticks| ticks / TICKS_PER_SECOND);
    let cpu = ticks(11).and_then(|user| Some(user + ticks(12)?));
    let start = ticks(19).and_then(|since_boot| Some(since_boot + booted()?));
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bytes = |name: &str| number_after(&status, name).map(|kilobytes| kilobytes * 1024.0);
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();

    gauge(text, "process_resident_memory_bytes", "Resident memory, bytes", bytes("VmRSS:"));
    gauge(text, "process_virtual_memory_bytes", "Virtual memory, bytes", bytes("VmSize:"));
    gauge(text, "process_start_time_seconds", "Start of the process, seconds since 1970", start);
    gauge(text, "process_open_fds", "Open file descriptors", open_files());
    let most = number_after(&limits, "Max open files");
    gauge(text, "process_max_fds", "Most open file descriptors", most);
    family(text, "process_cpu_seconds_total", "CPU time of user and system, seconds", "counter", cpu);
}

fn gauge(text: &mut String, name: &str, help: &str, value: Option<f64>) {
    family(text, name, help, "gauge", value);
}

fn family(text: &mut String, name: &str, help: &str, kind: &str, value: Option<f64>) {
    if let Some(value) = value {
        header(text, name, help, kind);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name} {value}");
    }
}

/// When the machine was started, in seconds since 1970.
fn booted() -> Option<f64> {
    number_after(&fs::read_to_string("/proc/stat").ok()?, "btime")
}

#[expect(clippy::cast_precision_loss, reason = "a count of files is far below 2^52")]
fn open_files() -> Option<f64> {
    // One of them is the directory being read.
    Some(fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as f64)
}

fn number_after(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
