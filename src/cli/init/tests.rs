use super::ask::Person;
use super::collect::{From, Sources, collect};
use super::keys::{self, KeysError};
use super::text::Text;
use super::values::{Kind, Unfit, masked};
use super::{fill, write};
use crate::config::Env;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;

/// Answers from a list, and what was told.
#[derive(Default)]
struct Script {
    answers: VecDeque<&'static str>,
    asked: Vec<(String, bool)>,
    told: Vec<String>,
}

impl Person for Script {
    fn answer(&mut self, question: &str, is_secret: bool) -> io::Result<String> {
        self.asked.push((question.to_owned(), is_secret));
        self.answers.pop_front().map(str::to_owned).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn tell(&mut self, words: &str) -> io::Result<()> {
        self.told.push(words.to_owned());
        Ok(())
    }
}

fn sources(env: &Env) -> Sources<'_> {
    Sources { env, old: Text::default(), input: None, person: None, asks_all: false }
}

#[test]
fn without_a_person_the_rest_is_made_and_differs_each_time() {
    let env = Env::of(&[
        ("HUAWEI_MAAS_API_KEY", "maas-key-1"),
        ("HUAWEI_MAAS_EXTRA_API_KEYS", "maas-key-2, maas-key-1"),
    ]);
    let [one, two] = [(); 2].map(|()| fill(None, &collect(sources(&env)).unwrap()));
    assert_ne!(one, two);
    let values = one.values();
    let of = |name: &str| values.get(name).unwrap_or_default().to_owned();
    assert!(of("LITELLM_MASTER_KEY").starts_with("sk-") && of("LITELLM_MASTER_KEY").len() == 46);
    assert!(of("LITELLM_SALT_KEY").len() == 43 && of("DB_PASSWORD").len() == 43);
    assert_ne!(of("LITELLM_SALT_KEY"), of("DB_PASSWORD"));
    assert_eq!(of("HUAWEI_MAAS_API_KEY_COUNT"), "2");
    assert_eq!(
        (of("HUAWEI_MAAS_API_KEY_0"), of("HUAWEI_MAAS_API_KEY_1")),
        ("maas-key-1".into(), "maas-key-2".into())
    );
    assert_eq!(of("HUAWEI_MAAS_API_KEY"), "maas-key-1");
}

#[test]
fn what_is_missing_or_shown_in_documentation_is_refused() {
    let refused = |vars: &[(&str, &str)]| collect(sources(&Env::of(vars))).unwrap_err().to_string();
    assert!(refused(&[]).contains("HUAWEI_MAAS_API_KEY is not set"));
    assert!(refused(&[("HUAWEI_MAAS_API_KEY", "change-me-to-your-maas-api-key")]).contains("placeholder"));
    let good = ("HUAWEI_MAAS_API_KEY", "maas-key-1");
    let told = refused(&[good, ("LITELLM_MASTER_KEY", "sk-change-me")]);
    assert!(told.contains("LITELLM_MASTER_KEY") && told.contains("placeholder"), "{told}");
    let told = refused(&[good, ("LITELLM_SALT_KEY", "change-me-to-a-long-random-string")]);
    assert!(told.contains("LITELLM_SALT_KEY"), "{told}");
    let told = refused(&[good, ("DB_PASSWORD", "canary@db/other")]);
    assert!(told.contains("DB_PASSWORD") && !told.contains("canary"), "{told}");
}

#[test]
fn a_person_is_asked_again_until_it_will_do_and_secrets_are_typed_unseen() {
    let env = Env::default();
    let answers = [
        "",
        "change-me",
        "with blank",
        "maas-key-1",
        "maas-key-1",
        "maas-key-2",
        "",
        "sk-short",
        "",
        "",
        "",
        "",
        "30d",
        "",
    ];
    let mut script = Script { answers: answers.into(), ..Script::default() };
    let values = collect(Sources { person: Some(&mut script), asks_all: true, ..sources(&env) }).unwrap();
    assert_eq!(values.keys, ["maas-key-1", "maas-key-2"]);
    assert_eq!(values.values[4], ("30d".to_owned(), From::Typed));
    assert_eq!(values.values[0].1, From::Made);
    assert!(script.answers.is_empty(), "{:?}", script.asked);
    assert_eq!(script.told.len(), 5, "{:?}", script.told);
    for (question, is_secret) in &script.asked {
        let shown = question.starts_with("How long") || question.starts_with("Address");
        assert_eq!(*is_secret, !shown, "{question}");
    }
    // With --auto only what cannot be made.
    let mut script = Script { answers: ["maas-key-1"].into(), ..Script::default() };
    collect(Sources { person: Some(&mut script), ..sources(&env) }).unwrap();
    assert_eq!(script.asked.len(), 1);
    // Nobody answers any more.
    let mut script = Script::default();
    assert!(collect(Sources { person: Some(&mut script), ..sources(&env) }).is_err());
}

const OLD: &str =
    "# mine\nexport LITELLM_SALT_KEY=salt-of-old # kept\nLITELLM_MASTER_KEY=\"sk-change-me\"\nOTHER=1\r\n";

#[test]
fn a_file_written_over_keeps_its_secrets_and_lines() {
    let env = Env::of(&[("HUAWEI_MAAS_API_KEY", "maas-key-1")]);
    let old = Text::new(OLD.to_owned());
    let values = collect(Sources { old: old.clone(), ..sources(&env) }).unwrap();
    let text = fill(Some(old), &values);
    assert!(
        text.as_str().starts_with("# mine\nexport LITELLM_SALT_KEY=salt-of-old # kept\n"),
        "{}",
        text.as_str()
    );
    assert!(text.as_str().contains("OTHER=1\r\n"));
    assert!(!text.as_str().contains("sk-change-me"));
    assert_eq!(values.values[1].1, From::Kept);
}

#[test]
fn what_is_in_use_stays_whatever_its_characters() {
    let old = "LITELLM_SALT_KEY='p$a\"ss w#rd'\nDB_PASSWORD=\"a@b/c\"\nHUAWEI_MAAS_API_KEY='odd$key'\n";
    let env = Env::of(&[]);
    let values = collect(Sources { old: Text::new(old.to_owned()), ..sources(&env) }).unwrap();
    let text = fill(Some(Text::new(old.to_owned())), &values);
    let read = text.values();
    assert_eq!(read.get("LITELLM_SALT_KEY"), Some("p$a\"ss w#rd"));
    assert_eq!(read.get("DB_PASSWORD"), Some("a@b/c"));
    assert_eq!(
        (read.get("HUAWEI_MAAS_API_KEY"), read.get("HUAWEI_MAAS_API_KEY_0")),
        (Some("odd$key"), Some("odd$key"))
    );
    for value in ["a", "$x", "it's", "it's \\ \"$x\"", "`", "a\\\\b$"] {
        let mut text = Text::default();
        text.set("X", value, "");
        assert_eq!(text.values().get("X"), Some(value), "{}", text.as_str());
    }
}

#[test]
fn keys_are_added_behind_and_those_behind_a_removed_one_move_up() {
    let mut text = Text::new("# top\nHUAWEI_MAAS_API_KEY=\"maas-key-a\" # main\nX=1\n# end\n".to_owned());
    assert_eq!(keys::add(&mut text, " maas-key-b \n"), Ok(1));
    assert_eq!(
        text.as_str(),
        "# top\nHUAWEI_MAAS_API_KEY=\"maas-key-a\"\nHUAWEI_MAAS_API_KEY_COUNT=\"2\"\nHUAWEI_MAAS_API_KEY_0=\"maas-key-a\"\n\
         HUAWEI_MAAS_API_KEY_1=\"maas-key-b\"\nX=1\n# end\n"
    );
    assert_eq!(keys::add(&mut text, "maas-key-c"), Ok(2));
    assert_eq!(keys::add(&mut text, "maas-key-b"), Err(KeysError::Known(1)));
    assert_eq!(keys::add(&mut text, "your-api-key"), Err(KeysError::Unfit(Unfit::Placeholder)));
    assert_eq!(keys::remove(&mut text, 3), Err(KeysError::None(3, 2)));
    assert_eq!(keys::remove(&mut text, 0), Ok(()));
    assert_eq!(keys::list(&text), ["maas-key-b", "maas-key-c"]);
    let values = text.values();
    assert_eq!(values.get("HUAWEI_MAAS_API_KEY"), Some("maas-key-b"), "the main key is number 0");
    assert_eq!(values.get("HUAWEI_MAAS_API_KEY_COUNT"), Some("2"));
    assert_eq!(values.get("HUAWEI_MAAS_API_KEY_2"), None);
    assert_eq!(keys::remove(&mut text, 1), Ok(()));
    assert_eq!(keys::remove(&mut text, 0), Err(KeysError::Last));
    assert!(text.as_str().starts_with("# top\n") && text.as_str().ends_with("X=1\n# end\n"));
}

#[test]
fn files_are_replaced_whole_for_their_owner_alone_and_through_links() {
    let folder = tempfile::tempdir().unwrap();
    let (real, link) = (folder.path().join("real"), folder.path().join(".env"));
    fs::write(&real, "old").unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o644)).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let lock = write::Lock::beside(&link).unwrap();
    assert!(write::is_open_to_others(&link).unwrap());
    let copy = write::back_up(&link, &lock).unwrap();
    write::replace(&link, "new", &lock).unwrap();
    assert_eq!(fs::read_to_string(&real).unwrap(), "new");
    assert_eq!(fs::read_to_string(&copy).unwrap(), "old");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    for file in [&real, &copy] {
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    // What a service's group may read it may read afterwards.
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(!write::is_open_to_others(&real).unwrap());
    write::replace(&link, "newer", &lock).unwrap();
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    assert_ne!(write::back_up(&link, &lock).unwrap(), copy);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4, "no half-written file is left");
}

#[test]
fn what_is_shown_of_a_key_is_too_little_to_use() {
    assert_eq!(masked("short"), "(len=5)");
    assert_eq!(masked("0123456789abcdefghij"), "…ghij (len=20)");
    assert_eq!(Kind::UpstreamKey.check("sk-$(rm)"), Err(Unfit::Character));
    assert_eq!(Kind::Duration.check("15days"), Err(Unfit::Duration));
    assert_eq!(Kind::Url.check("ftp://x"), Err(Unfit::Url));
}

proptest! {
    /// Whatever the file held: afterwards the keys are these, numbered from 0, and lines of others are untouched.
    #[test]
    fn keys_put_into_any_text_are_read_back(
        before in proptest::collection::vec("(# [a-z =]{0,8}|[A-Z]{1,6}=[a-z\"']{0,6}|HUAWEI_MAAS_API_KEY_[0-4]=k[a-z]{9}|)", 0..8),
        keys in proptest::collection::hash_set("[a-z0-9]{10}", 1..5),
    ) {
        let keys: Vec<String> = keys.into_iter().collect();
        let mut text = Text::new(before.join("\n"));
        // A quote that is never closed swallows what comes after it; such a file is at fault before.
        prop_assume!(!before.iter().any(|line| line.contains(['"', '\''])));
        keys::put(&mut text, &keys);
        prop_assert_eq!(keys::list(&text), keys);
        let others = |text: &str| text.lines().filter(|l| !l.contains("HUAWEI") && !l.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        prop_assert_eq!(others(text.as_str()), others(&before.join("\n")));
    }
}
