use super::*;

#[test]
fn every_value_knows_its_line_and_column() {
    let root = parse("a: 1\nb:\n  - x\n  - y: No\n", "f.yaml").unwrap();
    let list = &root.get("b").unwrap().node;
    assert_eq!((list.items()[0].mark.line, list.items()[0].mark.column), (3, 5));
    let y = list.items()[1].get("y").unwrap();
    assert_eq!((y.mark.line, y.mark.column, &*y.mark.file), (4, 5, "f.yaml"));
    assert!(y.node.value == Value::Bool(false), "PyYAML reads No as false");
}

#[test]
fn faults_name_their_line() {
    for (text, line, words) in [
        ("a: 1\na: 2\n", 2, "second \"a\""),
        ("a: [1, 2\n", 2, "not YAML"),
        ("a: b: c\n", 1, "not YAML"),
        ("a: !python/object:os.system x\n", 1, "tag"),
        ("a: 1\n---\nb: 2\n", 2, "second document"),
        ("? [1]\n: 2\n", 1, "key must be"),
        ("<<: 3\n", 1, "takes a mapping"),
        ("a: &x [*x]\n", 1, ""),
    ] {
        let fault = parse(text, "f").unwrap_err();
        assert_eq!(fault.place.line, line, "{text:?}: {fault}");
        assert!(fault.message.contains(words), "{text:?}: {fault}");
    }
}

#[test]
fn anchors_and_merges_work_and_give_way() {
    let root = parse("d: &d {a: 1, b: 2}\ne:\n  <<: *d\n  b: 3\nf: *d\n", "f").unwrap();
    assert_eq!(root.get("e").unwrap().node.to_json().to_string(), r#"{"a":1,"b":3}"#);
    assert_eq!(root.get("f").unwrap().node.to_json().to_string(), r#"{"a":1,"b":2}"#);
}

#[test]
fn aliases_cannot_blow_up() {
    let mut text = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for i in 1..12 {
        let item = format!("*a{}", i - 1);
        text += &format!("a{i}: &a{i} [{}]\n", [item.as_str(); 9].join(", "));
    }
    let fault = parse(&text, "f").unwrap_err();
    assert!(fault.message.contains("aliases"), "{fault}");
    let deep = "[".repeat(100_000);
    assert!(parse(&deep, "f").is_err());
    let deep = "- ".repeat(MAX_DEPTH + 1);
    assert!(parse(&deep, "f").unwrap_err().message.contains("deep"));
}

#[test]
fn quoted_words_stay_text_and_empty_files_are_null() {
    let root = parse("a: \"true\"\nb: '1'\nc: !!str 5\nd:\n", "f").unwrap();
    assert_eq!(root.to_json().to_string(), r#"{"a":"true","b":"1","c":"5","d":null}"#);
    assert!(parse("# nothing\n", "f").unwrap().value == Value::Null);
}

#[test]
fn debug_does_not_print_texts() {
    let root = parse("api_key: sk-canary\n", "f").unwrap();
    assert!(!format!("{root:?} {:?}", root.get("api_key").unwrap().node).contains("canary"));
}

#[test]
fn many_keys_take_no_more_than_linear_time() {
    let text: String = (0..50_000).map(|i| format!("k{i}: 1\n")).collect();
    assert_eq!(parse(&text, "f").unwrap().entries().len(), 50_000);
}
