//! `tollgate init` as scripts and containers use it: what it writes, what it says, what it leaves alone.

use crate::harness::{Launch, MASTER_KEY, eventually, upstream_of};
use crate::support::{CHAT, Ended, Running, chat, post, run, tollgate};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

const KEY: &str = "canary-maas-0123456789abcdef";

async fn init(folder: &Path, arguments: &[&str], variables: &[(&str, &str)], input: &str) -> Ended {
    let mut command = tollgate(folder);
    command.arg("init").args(arguments).envs(variables.iter().copied());
    let file = folder.join("input");
    fs::write(&file, input).unwrap();
    command.stdin(File::open(&file).unwrap());
    let ended = run(command).await;
    fs::remove_file(file).unwrap();
    ended
}

fn env_of(folder: &Path) -> String {
    fs::read_to_string(folder.join(".env")).unwrap()
}

/// The values of a file that `init` wrote.
fn values(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    lines.map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned())).collect()
}

#[tokio::test]
async fn a_script_gets_a_file_for_its_own_eyes_and_sees_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let ended = init(
        folder.path(),
        &["--ci"],
        &[("HUAWEI_MAAS_API_KEY", KEY), ("HUAWEI_MAAS_EXTRA_API_KEYS", "extra-maas-key-1,extra-maas-key-2")],
        "",
    )
    .await;
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{ended:?}");
    let mode = fs::metadata(folder.path().join(".env")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = env_of(folder.path());
    for (name, value) in values(&text) {
        let is_shown = ["COUNT", "BASE", "RETENTION"].iter().any(|end| name.ends_with(end));
        assert!(is_shown || !ended.stdout.contains(&value), "{name} is shown: {}", ended.stdout);
    }
    assert!(
        text.contains("HUAWEI_MAAS_API_KEY_COUNT=\"3\"\n")
            && text.contains("HUAWEI_MAAS_API_KEY_2=\"extra-maas-key-2\""),
        "{text}"
    );
    assert!(!ended.stdout.contains('\x1b'), "no colours in a file");
    // A document's check of what is there, as it stands.
    let lines = r#"source .env
for VAR in LITELLM_MASTER_KEY LITELLM_SALT_KEY DB_PASSWORD HUAWEI_MAAS_API_KEY; do
VAL="${!VAR:-}"
[ -z "$VAL" ] && echo "MISSING: $VAR" || echo "OK: $VAR (len=${#VAL})"
done"#;
    let mut shell = Command::new("bash");
    shell.arg("-c").arg(lines).current_dir(folder.path()).env_clear();
    let said = run(shell).await.stdout;
    assert_eq!(
        said,
        format!(
            "OK: LITELLM_MASTER_KEY (len=46)\nOK: LITELLM_SALT_KEY (len=43)\nOK: DB_PASSWORD (len=43)\nOK: HUAWEI_MAAS_API_KEY (len={})\n",
            KEY.len()
        )
    );
}

#[tokio::test]
async fn placeholders_and_missing_keys_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, variables, input, words) in [
        (vec!["--ci"], vec![], "", "HUAWEI_MAAS_API_KEY is not set"),
        (vec!["--auto"], vec![], "", "HUAWEI_MAAS_API_KEY is not set"),
        (vec!["--ci"], vec![("HUAWEI_MAAS_API_KEY", "change-me-to-your-maas-api-key")], "", "placeholder"),
        (
            vec!["--ci"],
            vec![("HUAWEI_MAAS_API_KEY", KEY), ("LITELLM_MASTER_KEY", "sk-change-me")],
            "",
            "LITELLM_MASTER_KEY",
        ),
        (
            vec!["--ci"],
            vec![("HUAWEI_MAAS_API_KEY", KEY), ("DB_PASSWORD", "change-me-to-a-strong-password")],
            "",
            "DB_PASSWORD",
        ),
        (vec!["--stdin"], vec![], "your-key-here\n", "placeholder"),
        (vec![], vec![], "", "no terminal"),
        (vec!["add-key"], vec![], "some-good-key-1\n", "make it with tollgate init"),
    ] {
        let ended = init(folder.path(), &arguments, &variables, input).await;
        let told = ended.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(ended.code, 1, "{arguments:?}: {ended:?}");
        assert!(told.contains(words) && ended.stdout.is_empty(), "{arguments:?}: {ended:?}");
        assert!(!told.contains("canary"), "{told}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{arguments:?}");
    }
    assert_eq!(init(folder.path(), &["--auto", "--ci"], &[], "").await.code, 2);
}

#[tokio::test]
async fn a_file_that_is_there_stays_unless_told() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(
        init(folder.path(), &["--stdin"], &[], &format!("{KEY}\nsecond-maas-key\n{KEY}\n")).await.code,
        0
    );
    let first = env_of(folder.path());
    assert!(first.contains("HUAWEI_MAAS_API_KEY_COUNT=\"2\""));
    // Again, as a deployment script does.
    let again = init(folder.path(), &["--ci"], &[("HUAWEI_MAAS_API_KEY", "another-maas-key")], "").await;
    assert_eq!(again.code, 0, "{again:?}");
    assert!(again.stdout.contains("stays as it is: 2 keys") && env_of(folder.path()) == first);
    // One that will not do is left alone too, and it is said why.
    let sample = "LITELLM_MASTER_KEY=\"sk-change-me\"\nMINE=1\nLITELLM_SALT_KEY=\"salt-of-before\"\n";
    fs::remove_file(folder.path().join(".env")).unwrap();
    fs::write(folder.path().join(".env"), sample).unwrap();
    let kept = init(folder.path(), &["--ci"], &[("HUAWEI_MAAS_API_KEY", KEY)], "").await;
    let told = kept.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        kept.code == 1
            && told.contains("LITELLM_MASTER_KEY: it is a placeholder")
            && told.contains("chmod 600"),
        "{told}"
    );
    assert_eq!(env_of(folder.path()), sample);
    // Told so, it keeps what is good, and a copy.
    let forced = init(folder.path(), &["--ci", "--force"], &[("HUAWEI_MAAS_API_KEY", KEY)], "").await;
    assert_eq!(forced.code, 0, "{forced:?}");
    let text = env_of(folder.path());
    assert!(
        text.contains("LITELLM_SALT_KEY=\"salt-of-before\"\n")
            && text.contains("MINE=1\n")
            && !text.contains("change-me")
    );
    let copy = folder.path().join(".env.bak1");
    assert_eq!(fs::read_to_string(&copy).unwrap(), sample);
    assert_eq!(fs::metadata(copy).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_key_that_is_added_serves_after_a_hangup_and_one_that_is_removed_does_not() {
    let keys = ["first-maas-key", "second-maas-key"];
    let upstream = upstream_of(&keys.map(|key| (key, "ok"))).await;
    let launch = Launch::of_text(include_str!("../fixtures/seeds/seed0.yaml"))
        .variable("LITELLM_MASTER_KEY", MASTER_KEY)
        .variable("HUAWEI_MAAS_API_BASE", &upstream.base_url())
        .variable("HUAWEI_MAAS_API_KEY", keys[0]);
    let gate = launch.start().await;
    let deployments = async || gate.get("/model/info").await.json()["data"].as_array().unwrap().len();
    assert_eq!(deployments().await, 5);
    fs::write(gate.folder().join(".env"), format!("# ours\nHUAWEI_MAAS_API_KEY={}\n", keys[0])).unwrap();
    let added = init(gate.folder(), &["add-key"], &[], &format!("{}\n", keys[1])).await;
    assert!(
        added.code == 0 && added.stdout.contains("2 keys") && !added.stdout.contains(keys[1]),
        "{added:?}"
    );
    let twice = init(gate.folder(), &["add-key"], &[], keys[1]).await;
    assert!(
        twice.code == 1 && twice.stderr.contains("as number 1") && !twice.stderr.contains(keys[1]),
        "{twice:?}"
    );
    gate.signal("HUP");
    eventually("each model has two", async || (deployments().await == 10).then_some(())).await;
    assert_eq!(gate.call(&post(CHAT, &chat("glm-5.1", ""))).await.status(), 200);
    assert_eq!(init(gate.folder(), &["remove-key", "1"], &[], "").await.code, 0);
    gate.signal("HUP");
    eventually("each model has one again", async || (deployments().await == 5).then_some(())).await;
    assert!(env_of(gate.folder()).starts_with("# ours\n"));
    let last = init(gate.folder(), &["remove-key", "0"], &[], "").await;
    assert!(last.code == 1 && last.stderr.contains("only key"), "{last:?}");
}

#[tokio::test]
async fn keys_that_are_added_at_once_are_all_there() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(init(folder.path(), &["--stdin"], &[], &format!("{KEY}\n")).await.code, 0);
    let added: Vec<_> = (0..6)
        .map(|n| {
            let input = folder.path().join(format!("key{n}"));
            fs::write(&input, format!("maas-key-added-{n}\n")).unwrap();
            let mut command = tollgate(folder.path());
            command
                .args(["init", "add-key"])
                .stdin(File::open(input).unwrap())
                .stdout(std::process::Stdio::null());
            Running(command.spawn().unwrap())
        })
        .collect();
    for mut child in added {
        let status = eventually("it ends", async || child.0.try_wait().unwrap()).await;
        assert!(status.success());
    }
    let text = env_of(folder.path());
    assert!(text.contains("HUAWEI_MAAS_API_KEY_COUNT=\"7\"\n"), "{text}");
    for n in 0..6 {
        assert_eq!(text.matches(&format!("maas-key-added-{n}\"")).count(), 1, "{text}");
        assert_eq!(text.matches(&format!("\nHUAWEI_MAAS_API_KEY_{n}=")).count(), 1, "{text}");
    }
}
