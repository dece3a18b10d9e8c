//! One line: what it says of a call, and that it says nothing else.

use crate::dialects::json::put_text;
use crate::domain::{AttemptRecord, Money, UpstreamClass, UsageRecord};
use crate::telemetry::spans::Spans;
use std::io::Write;
use std::time::SystemTime;

/// Longest text that a client can put into a line, in bytes.
const LONGEST_NAME: usize = 256;

/// Appends a record's line, with its newline.
pub(super) fn append(to: &mut Vec<u8>, record: &UsageRecord) {
    let (outcome, error_class) = record.outcome.words();
    let (usage, spans) = (&record.usage, Spans::of(record));
    let mut line = Line(to);
    line.raw(b"{\"ts\":\"");
    line.time(record.arrived);
    line.raw(b"\",\"call_id\":");
    line.text(record.call_id.as_str());
    line.raw(b",\"route\":");
    // A query may hold a key.
    line.text(shortened(record.route.split('?').next().unwrap_or_default()));
    line.word(b",\"call_type\":", Some(record.endpoint.call_type()));
    line.raw(b",\"requested_model\":");
    line.text(shortened(&record.requested_model));
    line.maybe(b",\"model_group\":", record.group.as_deref());
    line.maybe(b",\"model_id\":", record.target.as_ref().map(|target| target.as_str()));
    line.maybe(b",\"model\":", record.upstream_model.as_deref().map(shortened));
    line.maybe(b",\"provider\":", record.provider.as_deref());
    line.maybe(b",\"api_key\":", record.key_hash.as_deref());
    line.flag(b",\"stream\":", record.stream);
    line.number(b",\"status\":", record.status.into());
    line.word(b",\"outcome\":", Some(outcome));
    line.word(b",\"error_class\":", error_class);
    line.attempts(&record.attempts);
    line.number(b",\"prompt_tokens\":", usage.prompt);
    line.number(b",\"completion_tokens\":", usage.completion);
    line.number(b",\"cached_tokens\":", usage.cached);
    line.number(b",\"reasoning_tokens\":", usage.reasoning);
    line.number(b",\"total_tokens\":", usage.total());
    line.word(b",\"usage_source\":", Some(record.usage_source.as_str()));
    line.spend(record.cost);
    line.flag(b",\"priced\":", record.priced);
    line.milliseconds(b",\"duration_ms\":", Some(spans.total));
    line.milliseconds(b",\"ttft_ms\":", spans.ttft);
    line.milliseconds(b",\"upstream_ms\":", spans.upstream);
    line.milliseconds(b",\"overhead_ms\":", spans.overhead);
    line.raw(b"}\n");
}

/// A line under way. Each member's name comes with the comma before it and the colon after.
struct Line<'a>(&'a mut Vec<u8>);

impl Line<'_> {
    fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn text(&mut self, text: &str) {
        put_text(self.0, text);
    }

    fn maybe(&mut self, name: &[u8], text: Option<&str>) {
        self.raw(name);
        match text {
            Some(text) => self.text(text),
            None => self.raw(b"null"),
        }
    }

    /// Text from a table in code, which has nothing to escape.
    fn word(&mut self, name: &[u8], word: Option<&'static str>) {
        self.raw(name);
        let Some(word) = word else { return self.raw(b"null") };
        self.raw(b"\"");
        self.raw(word.as_bytes());
        self.raw(b"\"");
    }

    fn flag(&mut self, name: &[u8], flag: bool) {
        self.raw(name);
        self.raw(if flag { b"true" } else { b"false" });
    }

    fn number(&mut self, name: &[u8], number: u64) {
        self.raw(name);
        self.digits(number, 1);
    }

    /// A number in at least so many digits.
    fn digits(&mut self, mut number: u64, least: usize) {
        let mut digits = [b'0'; 20];
        let mut at = digits.len();
        while number > 0 {
            at -= 1;
            digits[at] += (number % 10) as u8;
            number /= 10;
        }
        self.raw(&digits[at.min(digits.len() - least)..]);
    }

    /// To the microsecond, which is more than these clocks mean.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast from float saturates"
    )]
    fn milliseconds(&mut self, name: &[u8], seconds: Option<f64>) {
        self.raw(name);
        let Some(seconds) = seconds else { return self.raw(b"null") };
        let micros = (seconds * 1e6).round() as u64;
        self.digits(micros / 1000, 1);
        self.raw(b".");
        self.digits(micros % 1000, 3);
    }

    fn spend(&mut self, cost: Money) {
        if cost.is_zero() {
            return self.raw(b",\"spend\":0.0,\"spend_pico\":0");
        }
        self.raw(b",\"spend\":");
        self.raw(cost.text().as_str().as_bytes());
        self.raw(if cost.pico() < 0 { b",\"spend_pico\":-" } else { b",\"spend_pico\":" });
        self.digits(cost.pico().unsigned_abs(), 1);
    }

    fn attempts(&mut self, attempts: &[AttemptRecord]) {
        self.number(b",\"attempts\":", attempts.len() as u64);
        self.raw(b",\"attempt_details\":[");
        for (i, attempt) in attempts.iter().enumerate() {
            self.raw(if i == 0 { b"{\"model_id\":" } else { b",{\"model_id\":" });
            self.text(attempt.target.as_str());
            self.number(b",\"status\":", attempt.status.into());
            self.word(b",\"error\":", attempt.failure.map(UpstreamClass::word));
            self.milliseconds(b",\"duration_ms\":", Some(attempt.duration.as_secs_f64()));
            self.raw(b"}");
        }
        self.raw(b"]");
    }

    /// RFC 3339 in UTC with milliseconds. A clock outside 1970 to 9999 is shown as far as it goes.
    fn time(&mut self, at: SystemTime) {
        // Writing to a Vec cannot fail; a date beyond 9999 is left out.
        let _ = write!(self.0, "{}", humantime::format_rfc3339_millis(at.max(SystemTime::UNIX_EPOCH)));
    }
}

fn shortened(name: &str) -> &str {
    name.get(..name.floor_char_boundary(LONGEST_NAME)).unwrap_or(name)
}
