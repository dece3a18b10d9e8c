//! What is built into the program: from one registry, pinned, under licences that ask for no more than to be named.
//! `deny.toml` says which; cargo-deny, where it is installed, looks for known holes besides.

use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn text(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// Every package of the workspace's tree on this platform.
fn packages() -> Vec<Value> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.args(["metadata", "--locked", "--format-version=1", "--filter-platform=x86_64-unknown-linux-gnu"]);
    let told = cargo.output().unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let mut told: Value = serde_json::from_slice(&told.stdout).unwrap();
    let Value::Array(packages) = told["packages"].take() else { panic!("no packages") };
    packages
}

/// The texts in quotes between the line that begins so and the bracket that ends it.
fn listed(toml: &str, begin: &str) -> BTreeSet<String> {
    let list = toml.split_once(&format!("\n{begin} = [")).unwrap().1.split_once("\n]").unwrap().0;
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Whether a licence expression leaves a way that takes allowed licences only; `/` is an old way to say OR.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let any = any(&mut words, allowed);
    assert_eq!(words.next(), None, "{expression}");
    any
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut found = all(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        found |= all(words, allowed);
    }
    found
}

fn all(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut found = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        found &= one(words, allowed);
    }
    found
}

fn one(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let word = words.next().unwrap();
    if word == "(" {
        let found = any(words, allowed);
        assert_eq!(words.next(), Some(")"));
        return found;
    }
    // An exception gives more rights than the licence alone.
    if words.next_if_eq(&"WITH").is_some() {
        words.next().unwrap();
    }
    allowed.contains(word)
}

#[test]
fn every_licence_is_one_that_asks_for_little() {
    let allowed = listed(&text("deny.toml"), "allow");
    for package in packages() {
        let licence = package["license"].as_str().unwrap_or_default();
        let is_fine = !licence.is_empty() && is_allowed(licence, &allowed);
        assert!(is_fine, "{} {}: {licence:?}", package["name"], package["version"]);
    }
}

#[test]
fn licence_expressions_are_read_as_they_are_meant() {
    let allowed = ["MIT", "Apache-2.0"].map(str::to_owned).into();
    let fine =
        ["MIT", "GPL-3.0 OR MIT", "GPL-3.0/MIT", "MIT AND (GPL-3.0 OR Apache-2.0)", "Apache-2.0 WITH x"];
    let not = ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR Apache-2.0) AND GPL-3.0", "MIT-0", "GPL-3.0 WITH x"];
    assert!(fine.iter().all(|licence| is_allowed(licence, &allowed)));
    assert!(!not.iter().any(|licence| is_allowed(licence, &allowed)));
}

#[test]
fn every_crate_comes_from_the_registry_with_its_checksum() {
    let own = ["tollgate", "tollgate-bench"];
    let lock = text("Cargo.lock");
    for block in lock.split("\n[[package]]\n").skip(1) {
        let field = |name: &str| {
            let line = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = \""));
            line.map(|value| value.trim_end_matches('"'))
        };
        let name = field("name").unwrap();
        let checksum = field("checksum").map(str::len);
        let expected = if own.contains(&name) { (None, None) } else { (Some(REGISTRY), Some(64)) };
        assert_eq!((field("source"), checksum), expected, "{name}");
    }
}

#[test]
fn no_version_is_left_open_and_no_banned_crate_is_there() {
    let deny = text("deny.toml");
    let banned: BTreeSet<_> =
        deny.split("crate = \"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(banned.contains("openssl"), "{banned:?}");
    for package in packages() {
        let name = package["name"].as_str().unwrap();
        assert!(!banned.contains(name), "{name}");
        for need in package["dependencies"].as_array().unwrap().iter().filter(|_| package["source"].is_null())
        {
            assert!(need["req"] != "*" || need["path"].is_string(), "{name} takes any {}", need["name"]);
        }
    }
}
