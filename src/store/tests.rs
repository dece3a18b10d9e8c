//! One story on both databases, and every statement prepared on both.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test that cannot go on fails")]

use super::db::Db;
use super::{
    CUSTOMERS, DatabaseSettings, Doc, Filter, KEYS, MEMBERS, ORGANIZATIONS, Order, Query, Spent, Store,
    StoreError, TABLES, TEAMS, USERS, changes, farewell, query, rotate, spend, usage,
};
use crate::domain::{CounterId, KeyDigest, Money, Scope};
use serde_json::{Value, json};
use sqlx::Executor;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// Both databases, each empty: a file, and a schema of its own on the server that `tests/run` starts.
pub(crate) async fn both() -> Vec<(Store, Option<TempDir>)> {
    let stores = unmigrated().await;
    for (store, _folder) in &stores {
        store.migrate().await.unwrap();
    }
    stores
}

/// The same without a schema.
pub(super) async fn unmigrated() -> Vec<(Store, Option<TempDir>)> {
    let folder = TempDir::new().unwrap();
    let file = Store::connect(&DatabaseSettings::sqlite(folder.path().join("t.db"))).unwrap();
    let mut stores = vec![(file, Some(folder))];
    match std::env::var("TOLLGATE_TEST_DATABASE_URL") {
        Ok(url) => stores.push((server(&url).await, None)),
        Err(_) => eprintln!("TOLLGATE_TEST_DATABASE_URL is not set: Postgres is left out"),
    }
    stores
}

async fn server(url: &str) -> Store {
    let schema = format!("t{}", uuid::Uuid::new_v4().simple());
    let plain = Store::connect(&DatabaseSettings::postgres(url).unwrap()).unwrap();
    let Db::Postgres(pool) = &plain.db else { panic!("a server is meant") };
    pool.execute(format!("CREATE SCHEMA {schema}").as_str()).await.unwrap();
    let glue = if url.contains('?') { '&' } else { '?' };
    Store::connect(&DatabaseSettings::postgres(&format!("{url}{glue}schema={schema}")).unwrap()).unwrap()
}

fn doc(value: Value) -> Doc {
    value.as_object().cloned().unwrap()
}

#[tokio::test]
async fn a_document_is_added_found_changed_and_removed() {
    for (store, _folder) in both().await {
        for (id, alias) in [("a", "50%_off"), ("b", "50xyoff"), ("c", "Ünï")] {
            store.insert(&KEYS, id, doc(json!({"key_alias": alias, "user_id": "u1"}))).await.unwrap();
        }
        let taken = store.insert(&KEYS, "d", doc(json!({"key_alias": "Ünï"}))).await;
        assert!(matches!(taken, Err(StoreError::Taken(_))), "{taken:?}");
        let taken = store.insert(&KEYS, "a", doc(json!({}))).await;
        assert!(matches!(taken, Err(StoreError::Taken(_))), "{taken:?}");
        let search = |filter| Query { filters: vec![filter], limit: 10, ..Query::default() };
        let found =
            store.list(&KEYS, &search(Filter::Contains("key_alias", "50%_".to_owned()))).await.unwrap();
        assert_eq!((found.total, found.rows[0].0.as_str()), (1, "a"));
        let order = Some(Order { column: "key_alias", descending: true });
        let page = Query { order, limit: 1, offset: 1, ..Query::default() };
        let found = store.list(&KEYS, &page).await.unwrap();
        assert_eq!((found.total, found.rows.len()), (3, 1));
        for (offset, wanted) in [(0, ["c", "b"].as_slice()), (1, &["b", "a"]), (2, &["a"]), (3, &[])] {
            let page = Query { order, limit: 2, offset, ..Query::default() };
            let found = store.list(&KEYS, &page).await.unwrap();
            assert!(found.rows.iter().map(|(id, _)| id.as_str()).eq(wanted.iter().copied()), "{offset}");
        }
        let edited = store
            .edit(&KEYS, "a", |doc| {
                doc.insert("user_id".to_owned(), json!("u2"));
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
        assert_eq!(edited.unwrap()["user_id"], "u2");
        assert!(store.delete(&KEYS, "b").await.unwrap());
        assert!(!store.delete(&KEYS, "b").await.unwrap());
        assert!(store.get(&KEYS, "b").await.unwrap().is_none());
        let changed = store.changes(Duration::from_secs(60), i64::MAX).await.unwrap();
        assert_eq!(changed.first().map(|c| (c.kind.as_str(), c.id.as_str())), Some(("key", "a")));
        // Of somebody whose clock is an hour behind.
        let late = "INSERT INTO tollgate_change (at_ms, kind, id) SELECT at_ms - 3600000, 'key', 'late' \
            FROM tollgate_change ORDER BY seq DESC LIMIT 1";
        super::db::on!(&store.db, pool => pool.execute(late).await.map(drop)).unwrap();
        let last = changed.iter().map(|change| change.seq).max().unwrap();
        let heard = store.changes(Duration::ZERO, last).await.unwrap();
        assert!(heard.iter().any(|change| change.seq > last && change.id == "late"), "{heard:?}");
        store.prune_changes(Duration::ZERO).await.unwrap();
    }
}

#[tokio::test]
async fn a_key_is_read_with_its_budget_and_its_successor() {
    for (store, _folder) in both().await {
        let (old, new) = (KeyDigest::new([1; 32]), KeyDigest::new([2; 32]));
        let budget = json!({"max_budget": 1.5, "budget_duration": "1d", "rpm_limit": 7});
        store.insert(&super::BUDGETS, "b1", doc(budget)).await.unwrap();
        let key = json!({"budget_id": "b1", "rpm_limit": 3, "models": ["m"], "max_budget": null,
            "metadata": {"model_rpm_limit": {"m": 2}, "tags": ["t"]}, "expires": "2030-01-01T00:00:00.000000+00:00"});
        store.insert(&KEYS, &new.to_hex(), doc(key)).await.unwrap();
        let facts = store.key_facts(&new).await.unwrap().unwrap();
        assert_eq!((facts.rates.rpm, facts.budget.max), (Some(3), Money::from_dollars(1.5)));
        assert_eq!(facts.model_rates[0].1.rpm, Some(2));
        assert_eq!(facts.expires, Some(1_893_456_000_000));
        assert!(store.key_facts(&old).await.unwrap().is_none());
        store.retire_key(&old, &new, i64::MAX).await.unwrap();
        assert_eq!(store.key_facts(&old).await.unwrap().unwrap().digest, new);
    }
}

#[tokio::test]
async fn no_statement_keeps_a_name_on_the_server() {
    for (store, _folder) in both().await {
        let Db::Postgres(server) = &store.db else { continue };
        for id in 0..20 {
            store.insert(&KEYS, &id.to_string(), Doc::new()).await.unwrap();
            store.get(&KEYS, &id.to_string()).await.unwrap();
        }
        // One that is asked for by its text alone does not add to them.
        let row = server.fetch_one("SELECT count(*)::text FROM pg_prepared_statements").await.unwrap();
        assert_eq!(sqlx::Row::get::<String, _>(&row, 0), "0");
        assert!(!server.is_shared().await.unwrap());
    }
}

#[tokio::test]
async fn a_key_is_put_in_the_place_of_another_with_what_it_spent() {
    for (store, _folder) in both().await {
        let [first, second, third] = [1, 2, 3].map(|byte| KeyDigest::new([byte; 32]));
        let key = || doc(json!({"key_alias": "robot"}));
        store.insert(&KEYS, &first.to_hex(), key()).await.unwrap();
        let counter = CounterId { scope: Scope::Key, id: Arc::from(first.to_hex()), slot: Arc::from("") };
        store.set_spent(&counter, Spent { amount: Money::from_pico(5), period_end: 0 }).await.unwrap();
        assert!(store.replace_key(&first, &second, key(), Some(i64::MAX)).await.unwrap());
        assert!(!store.replace_key(&first, &third, key(), None).await.unwrap());
        assert_eq!(store.spent(Scope::Key, &second.to_hex()).await.unwrap()[""].amount.pico(), 5);
        assert_eq!(store.key_facts(&first).await.unwrap().unwrap().digest, second);
        assert!(store.replace_key(&second, &third, key(), None).await.unwrap());
        assert_eq!(store.key_facts(&first).await.unwrap().unwrap().digest, third);
        assert!(store.key_facts(&second).await.unwrap().is_none());
        store.insert(&KEYS, &second.to_hex(), doc(json!({}))).await.unwrap();
        let taken = store.replace_key(&third, &second, key(), None).await;
        assert!(matches!(taken, Err(StoreError::Taken(_))), "{taken:?}");
        assert!(store.key_facts(&third).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn counters_are_set_and_read() {
    for (store, _folder) in both().await {
        let counter = CounterId { scope: Scope::Key, id: Arc::from("k"), slot: Arc::from("") };
        let spent = Spent { amount: Money::from_pico(i64::MAX), period_end: 5 };
        store.set_spent(&counter, Spent::default()).await.unwrap();
        store.set_spent(&counter, spent).await.unwrap();
        assert_eq!(store.spent(Scope::Key, "k").await.unwrap()[""], spent);
        let among = store.spent_among(Scope::Key, &["k", "none"]).await.unwrap();
        assert_eq!((among.len(), among["k"]), (1, spent));
        store.insert(&KEYS, "k", doc(json!({}))).await.unwrap();
        assert!(store.delete(&KEYS, "k").await.unwrap());
        assert_eq!(store.spent(Scope::Key, "k").await.unwrap()[""], Spent::default());
    }
}

#[tokio::test]
async fn who_goes_and_comes_again_begins_at_zero_and_the_books_agree() {
    for (store, _folder) in both().await {
        let (old, new) = (KeyDigest::new([1; 32]), KeyDigest::new([2; 32]));
        let (key, row) = (old.to_hex(), || doc(json!({})));
        let mut numbers = 1..;
        let mut book = async |key: &str| {
            let mut call = usage::tests::record(numbers.next().unwrap());
            call.key_hash = Some(Arc::from(key));
            call.attribution.as_mut().unwrap().charges = vec![
                usage::tests::charge(Scope::Key, key, "", 0),
                usage::tests::charge(Scope::User, "u1", "", 500),
            ];
            store.book(&usage::tests::booking(&[call], &[])).await.unwrap();
        };
        let spent = async |scope, id: &str| store.spent(scope, id).await.unwrap()[""].amount.pico();
        store.insert(&KEYS, &key, row()).await.unwrap();
        store.insert(&USERS, "u1", row()).await.unwrap();
        book(&key).await;
        assert!(store.delete_key(&key, row()).await.unwrap());
        assert!(store.delete(&USERS, "u1").await.unwrap());
        // One that was under way.
        book(&key).await;
        assert!(store.delete(&USERS, "u1").await.is_ok_and(|found| !found));
        store.insert(&KEYS, &key, row()).await.unwrap();
        store.insert(&USERS, "u1", row()).await.unwrap();
        book(&key).await;
        assert_eq!((spent(Scope::User, "u1").await, spent(Scope::Key, &key).await), (1000, 2000));
        assert!(store.replace_key(&old, &new, row(), None).await.unwrap());
        book(&new.to_hex()).await;
        assert_eq!((spent(Scope::Key, &key).await, spent(Scope::Key, &new.to_hex()).await), (0, 3000));
        // And back, to a key that was used before.
        assert!(store.replace_key(&new, &old, row(), None).await.unwrap());
        book(&key).await;
        assert_eq!((spent(Scope::Key, &key).await, spent(Scope::Key, &new.to_hex()).await), (4000, 0));
        let verified = store.verify_usage(true, None).await.unwrap();
        assert!(verified.differences.is_empty(), "{:?}", verified.differences);
        assert_eq!(verified.calls, 5);
    }
}

#[test]
fn counters_are_of_the_rows_whose_kind_they_are_named_after() {
    let tables =
        [(&KEYS, Scope::Key), (&USERS, Scope::User), (&TEAMS, Scope::Team), (&MEMBERS, Scope::Member)];
    let more = [(&CUSTOMERS, Scope::Customer), (&ORGANIZATIONS, Scope::Organization)];
    for (table, scope) in tables.into_iter().chain(more) {
        assert_eq!(spend::scope_of(table), Some(scope));
    }
    assert_eq!(TABLES.iter().filter(|table| spend::scope_of(table).is_some()).count(), 6);
}

#[tokio::test]
async fn a_schema_is_made_once_and_a_newer_one_is_refused() {
    for (store, _folder) in both().await {
        let (one, two) = tokio::join!(store.migrate(), store.migrate());
        one.unwrap();
        two.unwrap();
        let newer = "INSERT INTO tollgate_schema (major, minor, name) VALUES (1, 999, 'later')";
        super::db::on!(&store.db, pool => pool.execute(newer).await.map(drop)).unwrap();
        store.migrate().await.unwrap();
        let much = "INSERT INTO tollgate_schema (major, minor, name) VALUES (2, 1, 'other')";
        super::db::on!(&store.db, pool => pool.execute(much).await.map(drop)).unwrap();
        let refused = store.migrate().await.unwrap_err().to_string();
        assert!(refused.contains("schema 2.001"), "{refused}");
    }
}

/// Everything that is ever sent to a database.
fn statements(is_file: bool) -> Vec<String> {
    let filters = || {
        let column = TABLES[0].columns[0];
        vec![
            Filter::Is(column, String::new()),
            Filter::OneOf(column, vec![String::new(); 2]),
            Filter::Contains(column, String::new()),
            Filter::Missing(column),
            Filter::Present(column),
            Filter::Id(String::new()),
        ]
    };
    let order = Some(Order { column: KEYS.columns[0], descending: true });
    let search = Query { filters: filters(), any: vec![filters(), filters()], order, limit: 1, offset: 1 };
    let by_spent = Query { order: Some(Order { column: query::SPENT, descending: true }), ..search.clone() };
    let fixed = [
        changes::NOTE,
        changes::SINCE,
        changes::PRUNE,
        rotate::SUCCESSOR,
        rotate::RETIRE,
        rotate::FOLLOW,
        rotate::INHERIT,
        spend::OF_ENTITY,
        spend::SET,
        spend::FORGET,
        farewell::TAKE,
        farewell::SPENT,
    ];
    let tables = TABLES.iter().flat_map(|t| [t.get, t.insert, t.update, t.delete].map(str::to_owned));
    let searches = TABLES.iter().flat_map(|t| {
        [
            query::page(t, &Query::default(), is_file, query::Span::forwards(&search)).sql,
            query::count(t, &Query::default(), is_file).sql,
        ]
    });
    let full = [
        query::page(&KEYS, &search, is_file, query::Span::forwards(&search)).sql,
        query::page(&KEYS, &search, is_file, query::Span::of(&Query { offset: 9, ..search.clone() }, 10)).sql,
        query::count(&KEYS, &search, is_file).sql,
        query::candidates(&KEYS, &search, is_file).sql,
        query::among(&KEYS, &search, &[], is_file).sql,
        query::page(&KEYS, &by_spent, is_file, query::Span::forwards(&by_spent)).sql,
        query::among(&KEYS, &by_spent, &[], is_file).sql,
    ];
    let fixed = fixed.iter().map(|&sql| sql.to_owned()).chain([spend::among(2)]);
    fixed.chain(tables).chain(searches).chain(full).collect()
}

#[tokio::test]
async fn every_statement_is_prepared_on_both() {
    for (store, _folder) in both().await {
        for sql in statements(store.is_file()).into_iter().chain(usage::statements(store.is_file())) {
            let prepared = super::db::on!(&store.db, pool => pool.prepare(&sql).await.map(drop));
            assert!(prepared.is_ok(), "{sql}: {prepared:?}");
        }
    }
}
