use super::reading::Reading;
use super::samples::samples;
use super::text;
use super::view::{Look, View, age, bytes, short, span};
use proptest::prelude::*;
use std::fmt::Write;
use std::time::{Duration, Instant};

/// The metrics of a gateway with `deployments`, after so many seconds of the same traffic.
fn metrics(seconds: u32, deployments: u32) -> String {
    let mut out = String::from("# HELP x y\n# TYPE x counter\ntollgate_build_info{version=\"0.1.0\"} 1\n");
    let s = f64::from(seconds);
    let mut line = |name: &str, labels: &str, value: f64| {
        let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        _ = writeln!(out, "{name}{labels} {value}");
    };
    line("litellm_proxy_total_requests_metric_total", "model_id=\"d0\"", 30.0 * s);
    line("litellm_proxy_total_requests_metric_total", "model_id=\"d1\"", 10.0 * s);
    line("litellm_proxy_failed_requests_metric_total", "model_id=\"None\"", 2.0 * s);
    line("litellm_input_tokens_metric_total", "", 12_345.0 * s);
    line("litellm_output_tokens_metric_total", "", 987.0 * s);
    line("litellm_spend_metric_total", "", 0.004 * s);
    line("litellm_in_flight_requests", "", 17.0);
    line("tollgate_ledger_waiting_records", "", 1200.0);
    line("tollgate_ledger_lag_seconds", "", 95.0);
    line("tollgate_ledger_lost_records", "", 0.0);
    line("tollgate_ledger_journal_bytes", "", 7e6);
    line("tollgate_queue_depth", "group=\"a\"", 3.0);
    line("tollgate_queue_depth", "group=\"b\"", 4.0);
    line("process_resident_memory_bytes", "", 37e6);
    line("process_cpu_seconds_total", "", 0.4 * s);
    line("process_start_time_seconds", "", 1_000_000.0);
    for (bound, share) in [("0.1", 0.2), ("0.25", 0.5), ("1.0", 0.95), ("2.5", 1.0), ("+Inf", 1.0)] {
        let labels = format!("model=\"a\",le=\"{bound}\"");
        line("litellm_custom_ttft_seconds_bucket", &labels, 10.0 * s * share);
        line("litellm_request_total_latency_metric_bucket", &labels, 40.0 * s * share);
    }
    for n in 0..deployments {
        let labels = format!(
            "api_base=\"https://maas.example/openai/v1\",litellm_model_name=\"glm-5.{n}\",model_id=\"d{n}\""
        );
        line("litellm_deployment_state", &labels, f64::from(n % 3));
        line("litellm_deployment_total_requests_total", &labels, f64::from(n) * s);
        line("litellm_deployment_failure_responses_total", &labels, 0.25 * f64::from(n) * s);
        line("litellm_deployment_cooled_down_total", &labels, f64::from(n));
        line("litellm_deployment_rpm_limit", &labels, 30.0);
        line("litellm_deployment_tpm_limit", &labels, 500_000.0);
        if n % 2 == 0 {
            line("litellm_remaining_requests_metric", &labels, 12.0);
            line("litellm_remaining_tokens_metric", &labels, 431_000.0);
        }
    }
    out
}

fn view(deployments: u32) -> View {
    let start = Instant::now();
    let mut view = View::new("http://127.0.0.1:4000".to_owned());
    for seconds in (0..=300).step_by(2) {
        // The traffic comes in waves.
        let counted = if seconds % 60 < 30 { seconds } else { seconds - 1 };
        view.take(Look {
            reading: Ok(Reading::of(
                &metrics(counted, deployments),
                start + Duration::from_secs(seconds.into()),
            )),
            database: Some("connected".to_owned()),
            now: 1_011_000.0,
        });
    }
    view
}

#[test]
fn a_frame_looks_right_on_a_small_and_a_large_screen() {
    for (width, height, deployments, golden) in
        [(80, 24, 5, include_str!("golden/80x24.txt")), (200, 50, 12, include_str!("golden/200x50.txt"))]
    {
        let text = text(&view(deployments), width, height).unwrap();
        if std::env::var_os("TOLLGATE_WRITE_GOLDEN").is_some() {
            let file = format!("{}/src/cli/top/golden/{width}x{height}.txt", env!("CARGO_MANIFEST_DIR"));
            std::fs::write(file, &text).unwrap();
        } else {
            assert_eq!(text, golden, "TOLLGATE_WRITE_GOLDEN=1 writes it anew:\n{text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= usize::from(width)));
        assert_eq!(text.lines().count(), usize::from(height));
    }
}

#[test]
fn rates_are_of_the_window_and_a_restart_is_no_dip() {
    let view = view(5);
    assert!((view.rates.calls - 40.0).abs() < 3.0, "{}", view.rates.calls);
    assert!((view.rates.output - 987.0).abs() < 70.0);
    let (median, high) = view.rates.first_token.unwrap();
    assert!((median - 0.25).abs() < 0.01 && (high - 1.0).abs() < 0.01, "{median} {high}");
    assert_eq!(view.rates.deployments.len(), 5);
    let start = Instant::now();
    let [before, after] =
        [(100, 0), (2, 2)].map(|(s, at)| Reading::of(&metrics(s, 1), start + Duration::from_secs(at)));
    let rates = after.since(&before);
    assert!((rates.calls - 40.0).abs() < 0.1, "what it counted since its start: {}", rates.calls);
}

#[test]
fn a_gateway_that_is_away_is_told_and_the_last_figures_stay() {
    let mut view = view(2);
    view.take(Look {
        reading: Err("nothing listens at http://127.0.0.1:4000".to_owned()),
        database: None,
        now: 0.0,
    });
    let frame = text(&view, 100, 24).unwrap();
    assert!(frame.contains("nothing listens at") && frame.contains("glm-5.1"), "{frame}");
    // And one that was never there, on any screen.
    let mut view = View::new("http://x".to_owned());
    view.take(Look { reading: Err("no such host".to_owned()), database: None, now: 0.0 });
    for (width, height) in [(80, 24), (1, 1), (20, 5)] {
        text(&view, width, height).unwrap();
    }
}

#[test]
fn numbers_are_short() {
    let shown = [0.0, 7.0, 0.125, 99.94, 1234.0, 12_345.0, 1.5e6, 2e9].map(short);
    assert_eq!(shown, ["0", "7", "0.12", "99.9", "1234", "12.3k", "1.50M", "2G"]);
    assert_eq!((span(0.0451), span(1.2)), ("45 ms".to_owned(), "1.20 s".to_owned()));
    assert_eq!([3.0, 3_700.0, 90_000.0].map(age), ["0m 3s", "1h 1m", "1d 1h"]);
    assert_eq!([5e3, 37e6, 1.26e9].map(bytes), ["5 kB", "37 MB", "1.3 GB"]);
}

#[test]
fn labels_may_hold_anything() {
    let text = "a{x=\"1,y=\\\"2\",y=\"}\"} 3 1700000000\nb 4\n# c 5\nd{x=\"1\" 6\n";
    let found: Vec<_> = samples(text)
        .map(|s| (s.name, s.label("x").map(str::to_owned), s.label("y").map(str::to_owned), s.value))
        .collect();
    assert_eq!(found[0], ("a", Some("1,y=\\\"2".to_owned()), Some("}".to_owned()), 3.0));
    assert_eq!(found[1], ("b", None, None, 4.0));
    assert_eq!(found.len(), 2, "{found:?}");
}

proptest! {
    #[test]
    fn any_text_is_read(text in "(?s).{0,200}", lines in "[a-z{}=\",\\\\ 0-9\n]{0,200}") {
        let at = Instant::now();
        for text in [text, lines] {
            Reading::of(&text, at);
            assert!(samples(&text).all(|sample| sample.label("le").is_none_or(|le| le.len() <= text.len())));
        }
    }
}
