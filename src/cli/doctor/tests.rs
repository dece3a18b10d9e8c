use super::finding::{Finding, Verdict};
use super::report::Report;
use super::trouble::Trouble;
use crate::cli::style::Style;
use crate::domain::Secret;
use serde_json::Value;
use std::time::Duration;

const TOOK: Duration = Duration::from_millis(12);

fn told(width: usize, is_json: bool) -> (String, bool) {
    let mut out = Vec::new();
    let mut report = Report::new(&mut out, Style::plain(width), is_json, "http://127.0.0.1:4000".to_owned());
    report.begin().unwrap();
    let secrets = [Secret::new("sk-canary-0123456789").unwrap()];
    let steps = [
        (
            "configuration",
            Finding::pass(
                "conf/tollgate.yaml: 10 deployments of 5 models, 1 warning (tollgate check conf/tollgate.yaml)",
            ),
        ),
        (".env", Finding::fail(Trouble::EnvOpen, "others can read .env")),
        (
            "upstream keys",
            Finding::fail(
                Trouble::UpstreamRefuses,
                "5 of 10 deployments: key 1: the upstream refuses the key (status 403) sk-canary-0123456789 (deepseek-v3.2, deepseek-v4-flash, deepseek-v4-pro, glm-5, glm-5.1)",
            ),
        ),
        ("prices", Finding::warn(Trouble::NoPrice, "none for local-model")),
        ("completion", Finding::skip("costs tokens; --spend asks for it")),
    ];
    for (name, found) in &steps {
        report.start(name).unwrap();
        report.end(name, found, TOOK, &secrets).unwrap();
    }
    let is_well = report.finish().unwrap();
    (String::from_utf8(out).unwrap(), is_well)
}

#[test]
fn the_report_looks_right_on_a_small_and_a_large_screen() {
    for (width, golden) in [(80, include_str!("golden/80.txt")), (200, include_str!("golden/200.txt"))] {
        let (text, is_well) = told(width, false);
        assert!(!is_well);
        if std::env::var_os("TOLLGATE_WRITE_GOLDEN").is_some() {
            let file = format!("{}/src/cli/doctor/golden/{width}.txt", env!("CARGO_MANIFEST_DIR"));
            std::fs::write(file, &text).unwrap();
        } else {
            assert_eq!(text, golden, "TOLLGATE_WRITE_GOLDEN=1 writes it anew:\n{text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
        assert!(!text.contains("canary"), "{text}");
    }
}

#[test]
fn the_document_for_programs_says_the_same() {
    let (text, _) = told(80, true);
    let all: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&all["ok"], &all["url"]), (&Value::Bool(false), &"http://127.0.0.1:4000".into()));
    let verdicts: Vec<_> =
        all["steps"].as_array().unwrap().iter().map(|step| step["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["pass", "fail", "fail", "warn", "skip"]);
    assert_eq!(all["steps"][1]["cure"], Trouble::EnvOpen.cure());
    assert!(all["steps"][0]["cause"].is_null() && !text.contains("canary"), "{text}");
}

#[test]
fn warnings_and_steps_left_out_are_no_failure() {
    let mut report = Report::new(Vec::new(), Style::plain(80), false, String::new());
    for found in [Finding::pass("a"), Finding::skip("b"), Finding::warn(Trouble::NoPrice, "c")] {
        assert_ne!(found.verdict, Verdict::Fail);
        report.end("step", &found, TOOK, &[]).unwrap();
    }
    assert!(report.finish().unwrap());
}

/// The failure table of the documents is the one that is printed.
#[test]
fn the_table_of_troubles_is_in_the_documents() {
    let text = include_str!("../../../docker/README.md");
    for trouble in Trouble::ALL {
        let row = format!("| {} | {} |", trouble.cause(), trouble.cure());
        assert!(text.contains(&row), "missing in docker/README.md: {row}");
    }
}
