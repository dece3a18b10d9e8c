//! Rows as LiteLLM's releases write them, and what becomes of them on both databases.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use super::batch::{Fate, digest_of, fate, more};
use super::convert::{Lookups, Taken, Terms, convert, ends, learn, learn_aliases};
use super::kinds::{ALL, Kind};
use super::sides::{Mark, Statements};
use super::{Options, Source, days, import};
use crate::domain::{Money, Scope, Secret};
use crate::limits::Zone;
use crate::store::tests::both;
use crate::store::{CREDENTIALS, Doc, KEYS, Spent, StoreError, TABLES, TEAMS, Vault};
use serde_json::{Value, json};
use std::fs;

const TOKEN: &str = "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b";

fn kind(words: &str) -> &'static Kind {
    ALL.iter().find(|kind| kind.words == words).unwrap()
}

fn doc(value: Value) -> Doc {
    value.as_object().cloned().unwrap()
}

fn taken(words: &str, row: Value) -> Result<Taken, String> {
    convert(kind(words), doc(row), &Lookups::default())
}

#[test]
fn a_key_keeps_what_it_has_under_the_digest_of_its_text() {
    let row = json!({
        "token": TOKEN, "key_name": "sk-...1234", "key_alias": "", "spend": "3.3964e-05", "models": ["m"],
        "expires": "2026-12-21T01:48:16.628", "max_budget": 10, "budget_duration": "30d", "blocked": null,
        "model_max_budget": {}, "metadata": {"tags": ["t"]}, "budget_reset_at": "2026-12-01T00:00:00", "a_new_column": [1],
    });
    let key = taken("keys", row).unwrap();
    assert_eq!((key.id.as_str(), key.spent), (TOKEN, Money::from_pico(33_964_000)));
    assert_eq!(key.terms.ends, Some(1_796_083_200_000));
    let wanted = json!({
        "key_name": "sk-...1234", "models": ["m"], "expires": "2026-12-21T01:48:16.628000Z", "max_budget": 10.0,
        "budget_duration": "30d", "metadata": {"tags": ["t"]}, "budget_reset_at": "2026-12-01T00:00:00.000000Z",
        "a_new_column": [1],
    });
    assert_eq!(key.doc, Some(doc(wanted)));
    assert_eq!(taken("keys", json!({ "token": "sk-1234" })).unwrap().id, TOKEN);
}

#[test]
fn what_cannot_be_taken_is_told_without_its_value() {
    for (words, row, why) in [
        ("keys", json!({ "token": "canary" }), "its token is not a sha256"),
        (
            "keys",
            json!({ "token": TOKEN, "team_id": "litellm-dashboard" }),
            "it is a session of LiteLLM's own UI",
        ),
        ("keys", json!({ "token": TOKEN, "expires": "canary" }), "its expires cannot be read"),
        ("keys", json!({ "token": TOKEN, "max_budget": "NaN" }), "its max_budget cannot be read"),
        ("keys", json!({ "token": TOKEN, "max_budget": -1 }), "its max_budget is negative"),
        ("keys", json!({ "token": TOKEN, "spend": "Infinity" }), "its spend cannot be read"),
        ("teams", json!({ "team_alias": "canary" }), "it has no team_id"),
    ] {
        assert_eq!(taken(words, row).unwrap_err(), why);
    }
}

#[test]
fn rows_are_completed_by_those_they_refer_to() {
    let mut lookups = Lookups::default();
    learn_aliases(doc(json!({ "id": 7, "aliases": "{\"fast\": \"m\"}" })), &mut lookups);
    let row = json!({ "budget_id": "b", "budget_duration": "1d", "budget_reset_at": "2026-12-01T00:00:00" });
    let budget = convert(kind("budgets"), doc(row), &lookups).unwrap();
    learn(kind("budgets"), &budget, &mut lookups);
    let customer =
        convert(kind("customers"), doc(json!({ "user_id": "c", "budget_id": "b" })), &lookups).unwrap();
    assert_eq!(customer.terms, budget.terms);
    let team = convert(kind("teams"), doc(json!({ "team_id": "t", "model_id": 7 })), &lookups).unwrap();
    assert_eq!(team.doc.unwrap()["model_aliases"], json!({ "fast": "m" }));
    let member = taken("team members", json!({ "user_id": "u", "team_id": "t", "spend": 1 })).unwrap();
    assert_eq!((member.id.as_str(), member.doc.unwrap().len()), ("u\nt", 2));
    let house = taken("users", json!({ "user_id": "litellm-proxy-budget", "spend": 2.5 })).unwrap();
    assert_eq!((house.scope, house.id.as_str(), house.doc), (Some(Scope::Global), "", None));
}

#[test]
fn a_period_that_goes_on_ends_when_ours_does() {
    let noon = 1_795_176_000_000; // 2026-11-20T12:00Z
    let of =
        |period: Option<&str>, ends: Option<i64>| Terms { period: period.map(|p| p.parse().unwrap()), ends };
    let end = |scope, terms| ends(scope, terms, noon, &Zone::UTC);
    let december = 1_796_083_200_000;
    assert_eq!(end(Scope::Key, of(None, Some(december))), 0);
    assert_eq!(end(Scope::Key, of(Some("30d"), Some(noon - 1))), noon - 1, "it is over");
    assert_eq!(end(Scope::Key, of(Some("30d"), Some(noon + 5))), december);
    assert_eq!(end(Scope::Key, of(Some("30d"), None)), december);
    assert_eq!(end(Scope::Customer, of(Some("30d"), Some(noon + 5))), noon + 5);
}

#[test]
fn whoever_changed_a_row_last_is_right() {
    let (old, new) = (doc(json!({ "a": 1, "b": [{ "c": 1, "d": 2 }] })), doc(json!({ "a": 2 })));
    let turned = doc(json!({ "b": [{ "d": 2, "c": 1 }], "a": 1 }));
    assert_eq!(digest_of(&old), digest_of(&turned));
    let mark = Mark { digest: digest_of(&old), spent: Spent::default() };
    let keeps = |fate| matches!(fate, Fate::Keep(_));
    assert_eq!(fate(&old, None, None, false), Fate::Add);
    assert_eq!(fate(&old, Some(&turned), None, false), Fate::Same);
    assert_eq!(fate(&new, Some(&turned), Some(&mark), false), Fate::Change, "changed there");
    assert!(keeps(fate(&old, Some(&new), Some(&mark), false)), "changed here");
    assert!(keeps(fate(&old, Some(&new), None, false)), "made here");
    assert!(keeps(fate(&old, None, Some(&mark), false)), "removed here");
    assert_eq!(fate(&old, Some(&new), None, true), Fate::Change);
    assert_eq!(fate(&old, None, Some(&mark), true), Fate::Add);
}

#[test]
fn only_what_was_spent_since_is_added() {
    let spent = |amount, period_end| Spent { amount: Money::from_pico(amount), period_end };
    assert_eq!(more(spent(7, 1), None).pico(), 7);
    assert_eq!(more(spent(7, 1), Some(spent(5, 1))).pico(), 2);
    assert_eq!(more(spent(0, 1), Some(spent(5, 1))).pico(), -5, "set back there");
    assert_eq!(more(spent(1, 2), Some(spent(5, 1))).pico(), 1, "a new period");
}

#[tokio::test]
async fn every_statement_is_prepared_on_both() {
    for (store, _folder) in both().await {
        for table in TABLES {
            let sql = Statements::of(store.is_file(), table.kind);
            for sql in [sql.docs, sql.aliases, sql.marks, sql.add, sql.change, sql.count, sql.mark, sql.note]
            {
                let prepared = crate::store::db::on!(&store.db, pool => sqlx::Executor::prepare(pool, &sql).await.map(drop));
                assert!(prepared.is_ok(), "{sql}: {prepared:?}");
            }
        }
        for table in &days::ALL {
            let sql = days::Statements::of(store.is_file(), table);
            for sql in [sql.known, sql.owners, sql.write] {
                let prepared = crate::store::db::on!(&store.db, pool => sqlx::Executor::prepare(pool, &sql).await.map(drop));
                assert!(prepared.is_ok(), "{sql}: {prepared:?}");
            }
        }
    }
}

#[tokio::test]
async fn credentials_are_encrypted_anew_and_taken_once() {
    let vault =
        |salts: &[&str]| Vault::new(&salts.iter().filter_map(|salt| Secret::new(salt)).collect::<Vec<_>>());
    let theirs = |text: &str| {
        let sealed = vault(&["their-salt"]).seal(text).unwrap();
        sealed.rsplit(':').next().unwrap().to_owned()
    };
    let folder = files(&[(
        "LiteLLM_CredentialsTable",
        format!(
            "credential_id,credential_name,credential_values,credential_info\n1,up,\"{{\"\"api_key\"\": \"\"{}\"\"}}\",{{}}\n",
            theirs("upstream-canary")
        ),
    )]);
    for (store, _folder) in both().await {
        let run = async |vault: Vault, apply| {
            let mut source = Source::folder(folder.path()).unwrap();
            let options = Options { apply, overwrite: false, zone: Zone::UTC, vault };
            import(Some(&store), &mut source, &options).await.unwrap()
        };
        let refused = run(vault(&["our-salt"]), true).await;
        assert_eq!((refused.lines[0].refused, refused.lines[0].added), (1, 0), "{refused}");
        let both_salts = || vault(&["our-salt", "their-salt"]);
        assert_eq!(run(both_salts(), false).await.summary(), "1 credentials");
        assert_eq!(run(both_salts(), true).await.summary(), "1 credentials");
        let kept = store.get(&CREDENTIALS, "up").await.unwrap().unwrap();
        let sealed = kept["credential_values"]["api_key"].as_str().unwrap();
        assert_eq!(vault(&["our-salt"]).open(sealed).unwrap(), "upstream-canary");
        let again = run(both_salts(), true).await;
        assert!(again.is_idle() && again.lines[0].same == 1, "{again}");
        assert!(!again.to_string().contains("canary"));
    }
}

fn files(rows: &[(&str, String)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (table, text) in rows {
        fs::write(folder.path().join(format!("{table}.csv")), text).unwrap();
    }
    folder
}

fn key_rows(spend: [&str; 2], rpm: u32) -> String {
    let (a, b) = ("a".repeat(64), "b".repeat(64));
    format!(
        "token,key_alias,spend,models,rpm_limit,budget_duration,budget_reset_at\n\
         {a},robot,{},\"{{m,\"\"n o\"\"}}\",{rpm},30d,2100-01-01 00:00:00\n{b},robot,{},{{}},,,\n",
        spend[0], spend[1]
    )
}

#[tokio::test]
async fn a_second_run_takes_what_changed_there_and_leaves_what_changed_here() {
    let options = |apply, overwrite| Options { apply, overwrite, zone: Zone::UTC, vault: Vault::default() };
    let (a, b) = ("a".repeat(64), "b".repeat(64));
    for (store, _folder) in both().await {
        let first = files(&[
            ("LiteLLM_VerificationToken", key_rows(["3.3964e-05", "2"], 5)),
            ("LiteLLM_TeamTable", "team_id,team_alias,blocked\nt1,Ünï,f\n".to_owned()),
            ("LiteLLM_ProjectTable", "project_id\np\n".to_owned()),
        ]);
        let run = async |folder: &tempfile::TempDir, apply, overwrite| {
            let mut source = Source::folder(folder.path()).unwrap();
            import(Some(&store), &mut source, &options(apply, overwrite)).await.unwrap()
        };
        let dry = run(&first, false, false).await;
        assert_eq!(dry.summary(), "1 teams, 1 projects, 2 keys");
        assert!(store.get(&KEYS, &a).await.unwrap().is_none(), "a dry run writes nothing");
        assert_eq!(run(&first, true, false).await, dry);
        let again = run(&first, true, false).await;
        assert!(again.is_idle(), "{again}");
        assert_eq!(store.get(&KEYS, &a).await.unwrap().unwrap()["models"], json!(["m", "n o"]));
        assert_eq!(store.get(&KEYS, &b).await.unwrap().unwrap()["key_alias"], "robot-bbbbbbbb");
        let spent = async |id: &str| store.spent(Scope::Key, id).await.unwrap()[""].amount.pico();
        assert_eq!((spent(&a).await, spent(&b).await), (33_964_000, 2_000_000_000_000));

        let edit = |doc: &mut Doc| {
            doc.insert("rpm_limit".to_owned(), json!(1));
            Ok::<_, StoreError>(())
        };
        store.edit(&KEYS, &b, edit).await.unwrap();
        store.delete(&TEAMS, "t1").await.unwrap();
        let second = files(&[
            ("LiteLLM_VerificationToken", key_rows(["4e-05", "2.5"], 6)),
            ("LiteLLM_TeamTable", "team_id,team_alias,blocked\nt1,Ünï,t\n".to_owned()),
        ]);
        let report = run(&second, true, false).await;
        let line = |words: &str| report.lines.iter().find(|line| line.words == words).unwrap().clone();
        assert_eq!((line("keys").changed, line("keys").kept, line("teams").kept), (1, 1, 1), "{report}");
        assert_eq!((spent(&a).await, spent(&b).await), (40_000_000, 2_500_000_000_000));
        assert_eq!(store.get(&KEYS, &a).await.unwrap().unwrap()["rpm_limit"], 6);
        assert_eq!(store.get(&KEYS, &b).await.unwrap().unwrap()["rpm_limit"], 1);
        assert!(store.get(&TEAMS, "t1").await.unwrap().is_none(), "removed here, not made again");
        let report = run(&second, true, true).await;
        assert_eq!(report.summary(), "1 teams, 1 keys");
        assert!(store.get(&KEYS, &b).await.unwrap().unwrap().get("rpm_limit").is_none());
        assert!(run(&second, true, true).await.is_idle());
    }
}
