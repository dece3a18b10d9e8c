//! `tollgate ollama` against a scripted server.

use crate::harness::{Asked, Reply, Scripted, free_address};
use crate::support::{Ended, run, tollgate};
use serde_json::json;
use std::fs;
use std::path::Path;

/// A server with these models; `pull` ends with success, or for `none` with an error.
async fn server(models: &'static [&'static str]) -> Scripted {
    Scripted::start(move |asked: &Asked| match asked.route() {
        "/api/tags" => {
            let row = |name: &&str| json!({ "name": name, "model": name, "size": 3_800_000_000_u64, "details": { "parameter_size": "7B", "family": "llama" } });
            Reply::json(&json!({ "models": models.iter().map(row).collect::<Vec<_>>() }))
        }
        "/api/ps" => Reply::json(&json!({ "models": [{ "name": models[0], "model": models[0] }] })),
        "/api/pull" => {
            let end = if asked.json()["model"] == "none" { json!({ "error": "pull model manifest: file does not exist" }) } else { json!({ "status": "success" }) };
            let steps = [json!({ "status": "pulling manifest" }), json!({ "status": "pulling 8934", "digest": "sha256:8934", "total": 200, "completed": 100 }), end];
            Reply::text("application/x-ndjson", steps.map(|step| format!("{step}\n")).concat())
        }
        _ => Reply::status(404),
    })
    .await
}

async fn ollama(folder: &Path, server: &str, arguments: &[&str]) -> Ended {
    let mut command = tollgate(folder);
    command.arg("ollama").args(arguments).env("OLLAMA_HOST", server);
    run(command).await
}

#[tokio::test]
async fn the_servers_models_are_listed_and_pulled() {
    let server = server(&["llama2:latest", "codellama:7b"]).await;
    let folder = tempfile::tempdir().unwrap();
    let listed = ollama(folder.path(), &server.url(), &["list"]).await;
    assert_eq!(listed.code, 0, "{listed:?}");
    let rows: Vec<Vec<&str>> =
        listed.stdout.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        rows,
        [vec!["llama2:latest", "3.8", "GB", "7B", "yes"], vec!["codellama:7b", "3.8", "GB", "7B"]]
    );

    let pulled = ollama(folder.path(), &server.url(), &["pull", "codellama:7b"]).await;
    assert_eq!(pulled.code, 0, "{pulled:?}");
    assert!(pulled.stderr.contains("pulling manifest") && pulled.stderr.contains("success"), "{pulled:?}");
    let none = ollama(folder.path(), &server.url(), &["pull", "none"]).await;
    assert_eq!(none.code, 1);
    assert!(none.stderr.contains("file does not exist"), "{none:?}");

    let available =
        ollama(folder.path(), "", &["list-available", "--category", "code", "--search", "llama"]).await;
    assert!(
        available.stdout.starts_with("codellama ") && !available.stdout.contains("llama2"),
        "{available:?}"
    );
    assert_eq!(ollama(folder.path(), "", &["list-available", "--category", "x"]).await.code, 1);
    let nobody = format!("http://{}", free_address());
    let away = ollama(folder.path(), &nobody, &["list"]).await;
    assert!(away.code == 1 && away.stderr.contains("nothing listens at"), "{away:?}");
}

#[tokio::test]
async fn a_sync_changes_the_ollama_entries_and_keeps_a_copy() {
    const SEED: &str = include_str!("../fixtures/seeds/seed3.yaml");
    let server = server(&["codellama:7b", "qwen3:8b"]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("litellm_config.yaml");
    fs::write(&file, SEED).unwrap();
    let arguments = ["sync", "--config", "litellm_config.yaml"];

    let dry = ollama(
        folder.path(),
        &server.url(),
        &["sync-litellm", "--config", "litellm_config.yaml", "--dry-run"],
    )
    .await;
    assert_eq!(dry.code, 0, "{dry:?}");
    for line in [
        "- llama2 (ollama/llama2)",
        "+ codellama:7b (ollama/codellama:7b)",
        "-  - model_name: llama2",
        "+  - model_name: qwen3:8b",
        "2 added, 1 removed, 0 kept",
    ] {
        assert!(dry.stdout.contains(line), "{line}: {dry:?}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), SEED);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a dry run leaves nothing");

    let done = ollama(folder.path(), &server.url(), &arguments).await;
    assert_eq!(done.code, 0, "{done:?}");
    let new = fs::read_to_string(&file).unwrap();
    let entry = |name: &str| {
        format!(
            "  - model_name: {name}\n    litellm_params:\n      model: ollama/{name}\n      api_base: http://host.docker.internal:11434\n"
        )
    };
    assert_eq!(new, SEED.replace(&entry("llama2"), &(entry("codellama:7b") + &entry("qwen3:8b"))));
    let copies: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| *path != file)
        .collect();
    assert_eq!(copies.len(), 1, "{copies:?}");
    assert_eq!(fs::read_to_string(&copies[0]).unwrap(), SEED);
    assert!(done.stdout.contains(copies[0].file_name().unwrap().to_str().unwrap()), "{done:?}");

    let again = ollama(folder.path(), &server.url(), &arguments).await;
    assert!(again.stdout.contains("0 added, 0 removed, 2 kept"), "{again:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    let mut check = tollgate(folder.path());
    check.arg("check").arg(&file).env("LITELLM_MASTER_KEY", "sk-5e1f6a2b9c8d7e40");
    assert_eq!(run(check).await.code, 0);
}

#[tokio::test]
async fn a_file_that_cannot_be_changed_safely_stays_as_it_is() {
    let server = server(&["b:1"]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.yaml");
    for (text, why) in [
        ("model_list: [{model_name: a, litellm_params: {model: ollama/a}}]\n", "line 1"),
        ("include: [other.yaml]\nmodel_list: []\n", "includes other files"),
        (
            "model_list:\n  - {model_name: a, litellm_params: {model: ollama/a, api_base: 'http://x:1'}}\n  - {model_name: b, litellm_params: {model: ollama/b, api_base: 'http://y:1'}}\n",
            "--api-base",
        ),
        ("model_list:\n  - model_name: a\n   odd\n", "not YAML"),
    ] {
        fs::write(&file, text).unwrap();
        let refused = ollama(folder.path(), &server.url(), &["sync", "-c", "c.yaml"]).await;
        assert!(refused.code == 1 && refused.stderr.contains(why), "{text}: {refused:?}");
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
    }
    fs::write(&file, "model_list:\n  - {model_name: a, litellm_params: {model: ollama/a}}\n").unwrap();
    let strange =
        ollama(folder.path(), &format!("{}/strange", server.url()), &["sync", "-c", "c.yaml"]).await;
    assert!(strange.code == 1 && strange.stderr.contains("404"), "{strange:?}");
    assert!(fs::read_to_string(&file).unwrap().contains("ollama/a"), "a server that fails has no say");
}
