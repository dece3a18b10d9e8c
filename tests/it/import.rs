//! Moving in from LiteLLM: its database or its files, looked at first, brought over once, and served.

use crate::harness::{Config, Launch, Schema};
use crate::support::{run, tollgate};
use serde_json::Value;
use std::fs;
use std::path::Path;
use tollgate::domain::Secret;
use tollgate::store::Vault;

/// LiteLLM's key for credentials, and ours.
const SALT: &str = "salt-canary-8d1e";
const ROBOT: &str = "sk-robot-canary-1f0a";
const PERSON: &str = "sk-person-canary-2e9b";

fn sha256(key: &str) -> String {
    crate::support::sha256(key.as_bytes())
}

/// Everything that is in LiteLLM's tables.
async fn everything(schema: &Schema) -> Vec<String> {
    let mut all = Vec::new();
    for table in TABLES {
        all.extend(schema.texts(&format!("SELECT row_to_json(t)::text FROM \"{table}\" t ORDER BY 1")).await);
    }
    all
}

const TABLES: [&str; 16] = [
    "LiteLLM_CredentialsTable",
    "LiteLLM_ProjectTable",
    "LiteLLM_TagTable",
    "LiteLLM_DailyUserSpend",
    "LiteLLM_DailyTagSpend",
    "LiteLLM_TableOfTomorrow",
    "LiteLLM_BudgetTable",
    "LiteLLM_UserTable",
    "LiteLLM_ModelTable",
    "LiteLLM_TeamTable",
    "LiteLLM_TeamMembership",
    "LiteLLM_VerificationToken",
    "LiteLLM_EndUserTable",
    "LiteLLM_OrganizationTable",
    "LiteLLM_ProxyModelTable",
    "LiteLLM_SpendLogs",
];

/// LiteLLM's tables with the rows of a small company.
pub(crate) fn litellm() -> String {
    let (robot, person, session) = (sha256(ROBOT), sha256(PERSON), sha256("sk-session"));
    let vault = Vault::new(&[Secret::new(SALT).unwrap()]);
    // LiteLLM's form is ours without what names the key.
    let sealed = vault.seal("named-canary").unwrap().rsplit(':').next().unwrap().to_owned();
    format!(
        r#"
CREATE TABLE "LiteLLM_BudgetTable" (
    budget_id text PRIMARY KEY, max_budget double precision, soft_budget double precision, max_parallel_requests int,
    tpm_limit bigint, rpm_limit bigint, model_max_budget jsonb, budget_duration text, budget_reset_at timestamp(3),
    allowed_models text[] DEFAULT '{{}}', created_at timestamp(3) NOT NULL DEFAULT now(), created_by text NOT NULL,
    updated_at timestamp(3) NOT NULL DEFAULT now(), updated_by text NOT NULL);
CREATE TABLE "LiteLLM_OrganizationTable" (
    organization_id text PRIMARY KEY, organization_alias text NOT NULL, budget_id text NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{{}}', models text[], spend double precision NOT NULL DEFAULT 0,
    model_spend jsonb NOT NULL DEFAULT '{{}}', created_at timestamp(3) NOT NULL DEFAULT now(), created_by text NOT NULL);
CREATE TABLE "LiteLLM_UserTable" (
    user_id text PRIMARY KEY, user_alias text, team_id text, sso_user_id text, organization_id text, password text,
    teams text[] DEFAULT '{{}}', user_role text, max_budget double precision, spend double precision NOT NULL DEFAULT 0,
    user_email text, models text[], metadata jsonb NOT NULL DEFAULT '{{}}', max_parallel_requests int, tpm_limit bigint,
    rpm_limit bigint, budget_duration text, budget_reset_at timestamp(3), model_spend jsonb NOT NULL DEFAULT '{{}}',
    model_max_budget jsonb NOT NULL DEFAULT '{{}}', created_at timestamp(3) DEFAULT now());
CREATE TABLE "LiteLLM_ModelTable" (id serial PRIMARY KEY, aliases jsonb, created_at timestamp(3) DEFAULT now());
CREATE TABLE "LiteLLM_TeamTable" (
    team_id text PRIMARY KEY, team_alias text, organization_id text, admins text[], members text[],
    members_with_roles jsonb NOT NULL DEFAULT '{{}}', metadata jsonb NOT NULL DEFAULT '{{}}', max_budget double precision,
    soft_budget double precision, spend double precision NOT NULL DEFAULT 0, models text[], max_parallel_requests int,
    tpm_limit bigint, rpm_limit bigint, budget_duration text, budget_reset_at timestamp(3),
    blocked boolean NOT NULL DEFAULT false, model_id int, created_at timestamp(3) NOT NULL DEFAULT now());
CREATE TABLE "LiteLLM_TeamMembership" (
    user_id text, team_id text, spend double precision NOT NULL DEFAULT 0, budget_id text, PRIMARY KEY (user_id, team_id));
CREATE TABLE "LiteLLM_VerificationToken" (
    token text PRIMARY KEY, key_name text, key_alias text, soft_budget_cooldown boolean NOT NULL DEFAULT false,
    spend double precision NOT NULL DEFAULT 0, expires timestamp(3), models text[], aliases jsonb NOT NULL DEFAULT '{{}}',
    config jsonb NOT NULL DEFAULT '{{}}', user_id text, team_id text, permissions jsonb NOT NULL DEFAULT '{{}}',
    max_parallel_requests int, metadata jsonb NOT NULL DEFAULT '{{}}', blocked boolean, tpm_limit bigint, rpm_limit bigint,
    max_budget double precision, budget_duration text, budget_reset_at timestamp(3), allowed_cache_controls text[] DEFAULT '{{}}',
    allowed_routes text[] DEFAULT '{{}}', model_spend jsonb NOT NULL DEFAULT '{{}}',
    model_max_budget jsonb NOT NULL DEFAULT '{{}}', budget_id text, organization_id text, created_by text,
    created_at timestamp(3) DEFAULT now(), budget_limits jsonb, column_of_tomorrow text);
CREATE TABLE "LiteLLM_EndUserTable" (
    user_id text PRIMARY KEY, alias text, spend double precision NOT NULL DEFAULT 0, allowed_model_region text,
    default_model text, budget_id text, blocked boolean NOT NULL DEFAULT false);
CREATE TABLE "LiteLLM_ProxyModelTable" (
    model_id text PRIMARY KEY, model_name text NOT NULL, litellm_params jsonb NOT NULL, model_info jsonb,
    created_at timestamp(3) NOT NULL DEFAULT now(), created_by text NOT NULL);
CREATE TABLE "LiteLLM_SpendLogs" (request_id text PRIMARY KEY, spend double precision NOT NULL);
CREATE TABLE "LiteLLM_CredentialsTable" (
    credential_id text PRIMARY KEY, credential_name text UNIQUE NOT NULL, credential_values jsonb NOT NULL,
    credential_info jsonb, created_at timestamp(3) NOT NULL DEFAULT now(), created_by text NOT NULL);
CREATE TABLE "LiteLLM_ProjectTable" (
    project_id text PRIMARY KEY, project_alias text, team_id text, budget_id text, metadata jsonb NOT NULL DEFAULT '{{}}',
    models text[], spend double precision NOT NULL DEFAULT 0, model_rpm_limit jsonb NOT NULL DEFAULT '{{}}',
    blocked boolean NOT NULL DEFAULT false, created_at timestamp(3) NOT NULL DEFAULT now());
CREATE TABLE "LiteLLM_TagTable" (
    tag_name text PRIMARY KEY, description text, models text[], spend double precision NOT NULL DEFAULT 0, budget_id text);
CREATE TABLE "LiteLLM_DailyUserSpend" (
    id text PRIMARY KEY, user_id text, date text NOT NULL, api_key text NOT NULL, model text, model_group text,
    custom_llm_provider text, mcp_namespaced_tool_name text, endpoint text, prompt_tokens bigint NOT NULL DEFAULT 0,
    completion_tokens bigint NOT NULL DEFAULT 0, cache_read_input_tokens bigint NOT NULL DEFAULT 0,
    cache_creation_input_tokens bigint NOT NULL DEFAULT 0, spend double precision NOT NULL DEFAULT 0,
    api_requests bigint NOT NULL DEFAULT 0, successful_requests bigint NOT NULL DEFAULT 0,
    failed_requests bigint NOT NULL DEFAULT 0, created_at timestamp(3) NOT NULL DEFAULT now());
CREATE TABLE "LiteLLM_DailyTagSpend" (
    id text PRIMARY KEY, tag text, date text NOT NULL, api_key text NOT NULL, model text, model_group text,
    custom_llm_provider text, endpoint text, prompt_tokens bigint NOT NULL DEFAULT 0,
    completion_tokens bigint NOT NULL DEFAULT 0, spend double precision NOT NULL DEFAULT 0,
    api_requests bigint NOT NULL DEFAULT 0, successful_requests bigint NOT NULL DEFAULT 0,
    failed_requests bigint NOT NULL DEFAULT 0);
CREATE TABLE "LiteLLM_TableOfTomorrow" (id int);

INSERT INTO "LiteLLM_CredentialsTable" (credential_id, credential_name, credential_values, created_by)
    VALUES ('1', 'up', '{{"api_key": "{sealed}"}}', 'admin');
INSERT INTO "LiteLLM_ProjectTable" (project_id, project_alias, team_id, models, spend) VALUES ('p1', 'Gate', 't1', '{{m}}', 0.5);
INSERT INTO "LiteLLM_TagTable" VALUES ('prod', 'what is served', '{{}}', 0.25, 'b1');
INSERT INTO "LiteLLM_DailyUserSpend" (id, user_id, date, api_key, model, model_group, custom_llm_provider, endpoint,
        prompt_tokens, completion_tokens, spend, api_requests, successful_requests, failed_requests)
    VALUES ('d1', NULL, '2026-01-02', '{robot}', 'openai/m', 'm', 'openai', '/v1/chat/completions', 110, 70, 0.125, 3, 2, 1),
           ('d2', 'u1', '2026-01-03', '{person}', 'openai/m', 'm', 'openai', NULL, 1, 2, 0.0625, 1, 1, 0),
           ('d3', 'u1', 'yesterday', '{person}', 'openai/m', 'm', 'openai', NULL, 1, 2, 0.0625, 1, 1, 0);
INSERT INTO "LiteLLM_DailyTagSpend" (id, tag, date, api_key, model, model_group, custom_llm_provider, spend, api_requests)
    VALUES ('g1', 'prod', '2026-01-02', '{robot}', 'openai/m', 'm', 'openai', 0.125, 3);
INSERT INTO "LiteLLM_TableOfTomorrow" VALUES (1), (2);

INSERT INTO "LiteLLM_BudgetTable" (budget_id, max_budget, rpm_limit, budget_duration, budget_reset_at, created_by, updated_by)
    VALUES ('b1', 1.5, 60, '30d', '2100-01-01', 'admin', 'admin');
INSERT INTO "LiteLLM_OrganizationTable" (organization_id, organization_alias, budget_id, models, spend, created_by)
    VALUES ('o1', 'Acme', 'b1', '{{}}', 0.1, 'admin');
INSERT INTO "LiteLLM_UserTable" (user_id, user_role, spend, user_email, models, teams, password)
    VALUES ('u1', 'internal_user', 12345.678901234567, 'u1@acme.test', '{{}}', '{{t1}}', 'scrypt:canary'),
           ('litellm-proxy-budget', NULL, 7.25, NULL, '{{}}', '{{}}', NULL);
INSERT INTO "LiteLLM_ModelTable" (aliases) VALUES ('{{"fast": "m"}}');
INSERT INTO "LiteLLM_TeamTable" (team_id, team_alias, admins, members, members_with_roles, models, spend, max_budget, model_id)
    VALUES ('t1', 'Bots "R" Us', '{{}}', '{{}}', '[{{"role": "admin", "user_id": "u1"}}]', '{{m,"n, o"}}', 3.3964e-05, 10, 1);
INSERT INTO "LiteLLM_TeamMembership" VALUES ('u1', 't1', 0.3, 'b1');
INSERT INTO "LiteLLM_VerificationToken" (token, key_name, key_alias, spend, expires, models, aliases, user_id, team_id,
        metadata, rpm_limit, max_budget, budget_duration, budget_reset_at, budget_id, budget_limits, column_of_tomorrow)
    VALUES ('{robot}', 'sk-...1f0a', 'robot', 3.3964e-05, '2100-06-01 12:30:00.125', '{{m}}', '{{"x": "m"}}', NULL, 't1',
        '{{"model_rpm_limit": {{"m": 2}}, "tags": ["t"]}}', 9, 20, '30d', '2100-01-01', NULL,
        '[{{"budget_duration": "1d", "max_budget": 5}}]', 'kept'),
       ('{person}', 'sk-...2e9b', NULL, 0, NULL, '{{}}', '{{}}', 'u1', NULL, '{{}}', NULL, NULL, NULL, NULL, 'b1', NULL, NULL),
       ('{session}', 'sk-...sion', NULL, 0, NULL, '{{}}', '{{}}', 'u1', 'litellm-dashboard', '{{}}', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
       ('no-digest', 'sk-canary-whole', NULL, 0, NULL, '{{}}', '{{}}', NULL, NULL, '{{}}', NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO "LiteLLM_EndUserTable" VALUES ('c1', 'A customer', 0.002, NULL, 'm', 'b1', true);
INSERT INTO "LiteLLM_ProxyModelTable" (model_id, model_name, litellm_params, model_info, created_by)
    VALUES ('m1', 'stored', '{{"model": "c2VhbGVk", "api_key": "Y2FuYXJ5"}}', '{{"id": "m1", "db_model": true}}', 'admin');
INSERT INTO "LiteLLM_SpendLogs" VALUES ('r1', 0.1);
"#
    )
}

/// Runs `tollgate import litellm`: exit code and what it said.
pub(crate) async fn import(folder: &Path, from: &str, to: &str, arguments: &[&str]) -> (i32, String) {
    let mut command = tollgate(folder);
    command.args(["import", "litellm", "--data-dir", "data", "--from", from]).args(arguments);
    if !to.is_empty() {
        command.env("DATABASE_URL", to);
    }
    command.env("LITELLM_SALT_KEY", SALT);
    let ended = run(command).await;
    let said = ended.stdout + &ended.stderr;
    assert!(!said.contains("canary"), "{said}");
    (ended.code, said)
}

/// The counts of a line of the table, and what is added to counters.
fn line(said: &str, words: &str) -> (Vec<u64>, String) {
    let line =
        said.lines().find_map(|line| line.strip_prefix(words)).unwrap_or_else(|| panic!("{words}: {said}"));
    let mut cells: Vec<&str> = line.split_whitespace().collect();
    let spent = cells.pop().unwrap().to_owned();
    (cells.iter().map(|cell| cell.parse().unwrap()).collect(), spent)
}

/// Calls `/v1/models` with the keys that were brought over.
pub(crate) async fn is_served(launch: Launch) {
    let mut gate = launch.start().await;
    for (key, status) in [(ROBOT, 200), (PERSON, 200), ("sk-session", 401), ("sk-nobody", 401)] {
        gate.key = key.to_owned();
        assert_eq!(gate.get("/v1/models").await.status(), status, "{key}\n{}", gate.output());
    }
    gate.key = sha256(ROBOT);
    assert_eq!(gate.get("/v1/models").await.status(), 401, "a digest is no key");
    assert!(!gate.output().contains("canary"), "{}", gate.output());
}

pub(crate) fn config() -> Config {
    Config::new().deployment("m", "m", "http://127.0.0.1:9/v1", "k")
}

#[tokio::test]
async fn a_database_is_looked_at_brought_over_once_and_served() {
    let (Some(theirs), Some(ours)) = (Schema::make().await, Schema::make().await) else { return };
    theirs.run(&litellm()).await;
    let before = everything(&theirs).await;
    let folder = tempfile::tempdir().unwrap();
    let (code, said) = import(folder.path(), &theirs.url(), &ours.url(), &[]).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(line(&said, "keys"), (vec![2, 0, 0, 0, 2], "3.3964e-05".to_owned()), "{said}");
    assert_eq!(line(&said, "users"), (vec![1, 0, 0, 0, 0], "12352.928901234567".to_owned()), "{said}");
    for words in [
        "its token is not a sha256",
        "a session of LiteLLM's own UI",
        "1 LiteLLM_SpendLogs: single calls",
        "2 LiteLLM_TableOfTomorrow: not known here",
        "its date cannot be read",
        "add --apply",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(
        ours.texts("SELECT relname::text FROM pg_class WHERE relnamespace = current_schema()::regnamespace")
            .await
            .is_empty()
    );

    let (code, applied) = import(folder.path(), &theirs.url(), &ours.url(), &["--apply"]).await;
    assert_eq!((code, applied.lines().last()), (0, Some("Done.")), "{applied}");
    assert_eq!(said.lines().take(9).collect::<Vec<_>>(), applied.lines().take(9).collect::<Vec<_>>());
    let (code, again) = import(folder.path(), &theirs.url(), &ours.url(), &["--apply"]).await;
    assert_eq!((code, line(&again, "keys").0), (0, vec![0, 0, 2, 0, 2]), "{again}");
    assert!(again.contains("Nothing to do"), "{again}");
    assert_eq!(everything(&theirs).await, before, "the source is only read");
    for (words, counts, spent) in [
        ("credentials", vec![1, 0, 0, 0, 0], "0.0"),
        ("projects", vec![1, 0, 0, 0, 0], "0.0"),
        ("tags", vec![1, 0, 0, 0, 0], "0.0"),
        ("daily totals ", vec![2, 0, 0, 0, 1], "0.1875"),
        ("daily totals of tags", vec![1, 0, 0, 0, 0], "0.125"),
    ] {
        assert_eq!(line(&applied, words), (counts, spent.to_owned()), "{words}: {applied}");
    }
    let kept = ours.texts("SELECT doc ->> 'credential_values' FROM tollgate_credential").await;
    assert!(kept[0].contains("tollgate:") && !kept[0].contains("canary"), "{kept:?}");
    let days = "SELECT concat_ws(' ', day, user_id, team_id, requests, failures, prompt_tokens, cost) FROM tollgate_usage_day ORDER BY 1";
    let days = ours.texts(days).await;
    assert_eq!(days, ["2026-01-02  t1 3 1 110 125000000000", "2026-01-03 u1  1 0 1 62500000000"]);
    // LiteLLM goes on for a while: its totals are what they are then, and not added once more.
    theirs.run("UPDATE \"LiteLLM_DailyUserSpend\" SET api_requests = 5, spend = 0.25 WHERE id = 'd1'").await;
    let (_, more) = import(folder.path(), &theirs.url(), &ours.url(), &["--apply"]).await;
    assert_eq!(line(&more, "daily totals "), (vec![0, 1, 1, 0, 1], "0.125".to_owned()), "{more}");

    let counters = ours
        .texts("SELECT concat_ws(' ', scope, replace(id, E'\\n', '/'), spent) FROM tollgate_spend ORDER BY 1")
        .await;
    let (robot, wanted) = (
        format!("key {} 33964000", sha256(ROBOT)),
        [
            "customer c1 2000000000",
            "global 7250000000000",
            "member u1/t1 300000000000",
            "organization o1 100000000000",
            "team t1 33964000",
            "user u1 12345678901234567",
        ],
    );
    for counter in wanted.into_iter().chain([robot.as_str()]) {
        assert!(
            counters.iter().any(|found| found.split_whitespace().eq(counter.split_whitespace())),
            "{counter}: {counters:?}"
        );
    }
    let key = ours.texts(&format!("SELECT doc::text FROM tollgate_key WHERE id = '{}'", sha256(ROBOT))).await;
    let key: Value = serde_json::from_str(&key[0]).unwrap();
    assert_eq!(
        (&key["column_of_tomorrow"], &key["expires"]),
        (&"kept".into(), &"2100-06-01T12:30:00.125000Z".into())
    );
    let model = ours.texts("SELECT doc ->> 'litellm_params' FROM tollgate_model").await;
    assert!(model[0].contains("Y2FuYXJ5"), "a sealed value is kept as it is: {model:?}");
    is_served(Launch::of(&config()).variable("DATABASE_URL", &ours.url())).await;
    let gate = Launch::of(&config()).variable("DATABASE_URL", &ours.url()).start().await;
    let activity = gate.get("/global/activity?start_date=2026-01-01&end_date=2026-01-31").await.json();
    assert_eq!(
        (&activity["sum_api_requests"], &activity["sum_total_tokens"]),
        (&6.into(), &183.into()),
        "{activity}"
    );
    drop(gate);
    let mut verify = tollgate(folder.path());
    fs::write(folder.path().join("config.yaml"), config().text()).unwrap();
    verify.args(["ledger", "verify", "--config", "config.yaml"]).env("DATABASE_URL", ours.url());
    let verified = run(verify).await;
    assert!(verified.stdout.contains("the books agree"), "{} {}", verified.stdout, verified.stderr);
    theirs.drop().await;
    ours.drop().await;
}

#[tokio::test]
async fn a_gateway_on_litellms_database_moves_in_by_itself() {
    for limit in [1, 5] {
        let Some(schema) = Schema::make().await else { return };
        schema.run(&litellm()).await;
        let before = everything(&schema).await;
        let url = schema.url().replace("connection_limit=5", &format!("connection_limit={limit}"));
        let launch = || Launch::of(&config()).variable("DATABASE_URL", &url);
        let gate = launch().start().await;
        let said = gate.output();
        assert!(said.contains("brought over from LiteLLM's tables in this database: 1 budgets"), "{said}");
        assert!(said.contains("2 keys") && said.contains("4 rows cannot be taken"), "{said}");
        drop(gate);
        schema.run(&format!("DELETE FROM tollgate_key WHERE id = '{}'", sha256(PERSON))).await;
        let mut gate = launch().start().await;
        assert!(!gate.output().contains("brought over"), "{}", gate.output());
        gate.key = PERSON.to_owned();
        assert_eq!(gate.get("/v1/models").await.status(), 401, "what was removed here stays removed");
        gate.key = ROBOT.to_owned();
        assert_eq!(gate.get("/v1/models").await.status(), 200);
        assert_eq!(everything(&schema).await, before, "LiteLLM's tables are only read");
        schema.drop().await;
    }
}

#[tokio::test]
async fn a_folder_of_csv_files_is_brought_into_a_file() {
    let Some(theirs) = Schema::make().await else { return };
    theirs.run(&litellm()).await;
    let folder = tempfile::tempdir().unwrap();
    for table in TABLES {
        let sql = format!("COPY \"{table}\" TO STDOUT (FORMAT csv, HEADER)");
        let mut connection = theirs.connect().await;
        let mut copy = connection.copy_out_raw(&sql).await.unwrap();
        let mut bytes = Vec::new();
        while let Some(piece) = futures::StreamExt::next(&mut copy).await {
            bytes.extend_from_slice(&piece.unwrap());
        }
        fs::write(folder.path().join(format!("{table}.csv")), bytes).unwrap();
    }
    let (code, dry) = import(folder.path(), ".", "", &[]).await;
    assert_eq!((code, line(&dry, "keys").0), (0, vec![2, 0, 0, 0, 2]), "{dry}");
    assert!(!folder.path().join("data").exists(), "a dry run makes no file");
    let (code, said) = import(folder.path(), ".", "", &["--apply"]).await;
    assert_eq!(code, 0, "{said}");
    // What a server gives and what it writes into files comes to the same.
    let (_, again) = import(folder.path(), &theirs.url(), "", &["--apply"]).await;
    assert!(again.contains("Nothing to do"), "{again}");
    let data = folder.path().join("data");
    is_served(Launch::of(&config()).argument("--data-dir").argument(data.to_str().unwrap())).await;
    theirs.drop().await;
}

#[tokio::test]
async fn what_is_no_litellm_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let gone = "postgres://u:canary@127.0.0.1:1/x?pool_timeout=1";
    for (from, words) in [
        (".", "this folder holds no table"),
        ("mysql://u:canary@h/x", "postgres://"),
        (gone, "cannot be reached"),
    ] {
        let (code, said) = import(folder.path(), from, "", &["--apply"]).await;
        assert_eq!(code, 1, "{from}: {said}");
        assert!(said.contains(words), "{from}: {said}");
    }
    let Some(empty) = Schema::make().await else { return };
    let (code, said) = import(folder.path(), &empty.url(), "", &[]).await;
    assert_eq!(code, 1);
    assert!(said.contains("this database holds no table"), "{said}");
    empty.drop().await;
}
