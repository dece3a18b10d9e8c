use super::{Fault, MAX_DEPTH, MAX_MEMBERS, object};
use proptest::prelude::*;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

fn members(body: &str) -> Vec<(String, String)> {
    let found = object(body.as_bytes()).unwrap();
    let part = |m: &super::Member| {
        let value = String::from_utf8(m.value.of(body.as_bytes()).to_vec()).unwrap();
        (m.name(body.as_bytes()).into_owned(), value)
    };
    found.iter().map(part).collect()
}

fn said(body: &str) -> String {
    object(body.as_bytes()).unwrap_err().describe(body.as_bytes())
}

#[test]
fn members_are_found_by_their_spans() {
    let body = " { \"a\" : 1 , \"b\":{\"x\":[\"]}\\\"\"]},\"\\u0063\":\"\\\"\", \"d\":-1.5e+3,\"e\":null}\n";
    let found = members(body);
    let expected =
        [("a", "1"), ("b", "{\"x\":[\"]}\\\"\"]}"), ("c", "\"\\\"\""), ("d", "-1.5e+3"), ("e", "null")];
    assert_eq!(found, expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
    assert!(members("{}").is_empty());
    let c = object(body.as_bytes()).unwrap()[2];
    assert!(c.escaped && c.is(body.as_bytes(), "c") && !c.is(body.as_bytes(), "d"));
}

#[test]
fn faults_are_placed_as_python_places_them() {
    assert_eq!(said("{\"model\":\"ok\","), "unexpected end of data: line 1 column 15 (char 14)");
    assert_eq!(said("{\"ü\":\n x}"), "unexpected character: line 2 column 2 (char 7)");
    assert_eq!(said("{\"a\":1}x"), "unexpected content after document: line 1 column 8 (char 7)");
    assert_eq!(said("{\"a\":1,}"), "trailing comma is not allowed: line 1 column 8 (char 7)");
    assert_eq!(said("   "), "unexpected end of data: line 1 column 4 (char 3)");
}

#[test]
fn what_is_no_object_is_told_from_what_is_no_json() {
    for body in ["[]", "[{\"a\":1}]", "\"x\"", "1", "true", " null "] {
        assert_eq!(object(body.as_bytes()), Err(Fault::NotAnObject), "{body}");
    }
    for body in [
        "",
        "[",
        "[}",
        "x",
        "[] []",
        "nul",
        "{",
        "{\"a\"",
        "{a:1}",
        "{,}",
        "{\"a\":01}",
        "{\"a\":1.}",
        "{\"a\":-}",
    ] {
        assert!(matches!(object(body.as_bytes()), Err(Fault::Syntax { .. })), "{body}");
    }
    assert!(matches!(object(b"{\"a\":\"\xff\"}"), Err(Fault::Syntax { .. })));
}

#[test]
fn depth_and_count_are_bounded() {
    let nested = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    let most = MAX_DEPTH as usize - 1;
    assert!(object(nested(most).as_bytes()).is_ok());
    assert!(serde_json::from_str::<serde_json::Value>(&nested(most)).is_ok());
    assert_eq!(object(nested(most + 1).as_bytes()), Err(Fault::TooDeep));
    assert!(serde_json::from_str::<serde_json::Value>(&nested(most + 1)).is_err());
    let wide = |count: usize| format!("{{{}}}", vec!["\"a\":1"; count].join(","));
    assert!(object(wide(MAX_MEMBERS).as_bytes()).is_ok());
    assert_eq!(object(wide(MAX_MEMBERS + 1).as_bytes()), Err(Fault::TooManyMembers));
}

#[test]
fn long_plain_runs_are_skipped_to_the_very_byte() {
    for length in 0..200 {
        let run = "1".repeat(length);
        let body = format!("{{\"a\":[{run}],\"b\":[[{run}[],{run}]]}}");
        assert_eq!(members(&body)[0].1, format!("[{run}]"));
        assert_eq!(members(&body)[1].1, format!("[[{run}[],{run}]]"));
    }
}

fn near_json() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{",
        "}",
        "\"",
        ":",
        ",",
        " ",
        "\n",
        "\"a\"",
        "\"b\":",
        "\"\\u00e",
        "\\",
        "\"\\ud800\"",
        "\"\\n\"",
        "1",
        "-",
        "0",
        ".5",
        "e+",
        "true",
        "null",
        "fals",
        "\u{1}",
        "\t",
        "ü",
        "\"c\":1",
        "\"d\":\"x\"",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// Whether `serde_json` takes it as an object, and what it finds.
fn oracle(body: &str) -> Option<BTreeMap<String, String>> {
    let found: BTreeMap<String, Box<RawValue>> = serde_json::from_str(body).ok()?;
    Some(found.into_iter().map(|(k, v)| (k, v.get().to_owned())).collect())
}

fn small_values() -> impl Strategy<Value = Vec<BTreeMap<String, (String, f32)>>> {
    let pair = (any::<String>(), -1e9_f32..1e9);
    prop::collection::vec(prop::collection::btree_map("[ -~]{0,5}", pair, 0..3), 0..3)
}

/// Whether a value holds others, inside which less is checked.
fn is_nested(value: &str) -> bool {
    value.starts_with(['{', '['])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn the_top_level_is_judged_as_serde_json_judges_it(inner in near_json(), braces: bool) {
        let body = if braces { format!("{{{inner}}}") } else { inner };
        match (object(body.as_bytes()), oracle(&body)) {
            (Ok(_), Some(expected)) => {
                prop_assert_eq!(members(&body).into_iter().collect::<BTreeMap<_, _>>(), expected);
            }
            (Ok(_), None) => {
                prop_assert!(members(&body).iter().any(|(_, v)| is_nested(v)), "took {}", body);
            }
            (Err(_), Some(_)) => prop_assert!(false, "refused {}", body),
            (Err(_), None) => {}
        }
    }

    #[test]
    fn whatever_serde_json_writes_is_read_back(
        values in prop::collection::btree_map("\\PC{0,6}", small_values(), 0..8),
        pretty: bool,
    ) {
        let written = if pretty { serde_json::to_string_pretty(&values) } else { serde_json::to_string(&values) };
        let written = written.unwrap();
        prop_assert_eq!(members(&written).into_iter().collect::<BTreeMap<_, _>>(), oracle(&written).unwrap());
    }

    #[test]
    fn no_bytes_panic(body: Vec<u8>) {
        if let Err(fault) = object(&body) {
            let _ = fault.describe(&body);
        }
    }
}
