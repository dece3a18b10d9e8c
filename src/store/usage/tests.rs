//! One story of the books on both databases.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use super::*;
use crate::domain::{
    AttemptRecord, Attribution, CallId, Charge, CounterId, Money, RecordId, Scope, TargetId, Timings,
    UsageRecord, fixture,
};
use crate::store::db::{Store, on};
use crate::store::tests::both;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The arrival of all records: 15 June 2025, 15:06:40.
pub(super) const ARRIVED: u64 = 1_750_000_000_000;

pub(in crate::store) fn charge(scope: Scope, id: &str, slot: &str, period_end: i64) -> Charge {
    Charge { counter: CounterId { scope, id: Arc::from(id), slot: Arc::from(slot) }, period_end }
}

/// A call of key `k` by user `u1` of team `t1` that cost 1,000.
pub(in crate::store) fn record(number: u128) -> UsageRecord {
    let attribution = Attribution {
        key_alias: Some(Arc::from("alias")),
        user_id: Some(Arc::from("u1")),
        team_id: Some(Arc::from("t1")),
        tags: vec![Arc::from("prod"), Arc::from("prod"), Arc::from("q\"1")],
        charges: vec![charge(Scope::Key, "k", "", 0), charge(Scope::User, "u1", "", 500)],
        ..Attribution::default()
    };
    UsageRecord {
        id: RecordId::new(ARRIVED, number),
        call_id: CallId::new(&format!("call-{number}")),
        response_id: Some(Arc::from(format!("chatcmpl-{number}"))),
        attribution: Some(Box::new(attribution)),
        arrived: SystemTime::UNIX_EPOCH + Duration::from_millis(ARRIVED),
        key_hash: Some("k".into()),
        cost: Money::from_pico(1000),
        price_version: Some(u64::MAX),
        timings: Timings { end: Duration::from_millis(250), ..Timings::default() },
        ..fixture::answered()
    }
}

pub(in crate::store) fn booking<'a>(records: &'a [UsageRecord], progress: &'a [Progress]) -> Booking<'a> {
    let deployed: &(dyn Fn(&TargetId) -> Option<Deployed> + Sync) =
        &|_| Some(Deployed { group: Arc::from("glm"), api_base: Arc::from("http://up/v1") });
    Booking { records, deployed, rows: true, progress, gone: &[] }
}

pub(super) async fn number(store: &Store, sql: &str) -> i64 {
    store.number(sql).await.unwrap()
}

#[tokio::test]
async fn a_batch_is_booked_once_however_often_it_is_sent() {
    for (store, _folder) in both().await {
        let mut records: Vec<UsageRecord> = (1..=150).map(record).collect();
        let failed = AttemptRecord { status: 503, ..records[7].attempts[0].clone() };
        records[7].attempts.insert(0, failed);
        let progress = [Progress { segment: u64::MAX / 2, booked: 77 }];
        let booked = store.book(&booking(&records[..100], &progress)).await.unwrap();
        assert_eq!((booked.records, booked.counters.len()), (100, 2));
        let key = booked.counters.iter().find(|total| total.counter.scope == Scope::Key).unwrap();
        assert_eq!((key.total.pico(), key.amount.pico(), key.period_end), (100_000, 100_000, 0));
        // Half of it again, with one that stands twice.
        let mut again = records[50..].to_vec();
        again.push(record(150));
        let booked = store.book(&booking(&again, &progress)).await.unwrap();
        assert_eq!(booked.records, 50);
        let key = booked.counters.iter().find(|total| total.counter.scope == Scope::Key).unwrap();
        assert_eq!((key.total.pico(), key.amount.pico()), (150_000, 50_000));
        assert_eq!(store.book(&booking(&again, &progress)).await.unwrap().records, 0);
        for (sql, expected) in [
            ("SELECT COUNT(*) FROM tollgate_usage", 150),
            ("SELECT COUNT(*) FROM tollgate_attempt", 2),
            ("SELECT CAST(SUM(cost) AS BIGINT) FROM tollgate_usage_hour", 150_000),
            ("SELECT CAST(SUM(requests) AS BIGINT) FROM tollgate_usage_day WHERE day = '2025-06-15'", 150),
            ("SELECT requests FROM tollgate_usage_tag_day WHERE tag = 'prod'", 150),
            ("SELECT spent FROM tollgate_spend WHERE scope = 'user'", 150_000),
        ] {
            assert_eq!(number(&store, sql).await, expected, "{sql}");
        }
        assert_eq!(store.journal_progress(u64::MAX / 2).await.unwrap(), Some(77));
        let gone = Booking { gone: &[u64::MAX / 2], ..booking(&[], &[]) };
        store.book(&gone).await.unwrap();
        store.make_durable().await.unwrap();
        assert_eq!(store.journal_progress(u64::MAX / 2).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_counter_begins_anew_with_its_period_and_never_goes_back() {
    for (store, _folder) in both().await {
        for (number, period_end, total, kept) in
            [(1, 100, 1000, 100), (2, 100, 2000, 100), (3, 200, 1000, 200), (4, 100, 1000, 200)]
        {
            let mut record = record(number);
            record.attribution.as_mut().unwrap().charges = vec![charge(Scope::Team, "t1", "7d", period_end)];
            let booked = store.book(&booking(&[record], &[])).await.unwrap();
            let found = &booked.counters[0];
            assert_eq!((found.total.pico(), found.period_end), (total, kept), "record {number}");
            assert_eq!(found.amount.pico(), if kept == period_end { 1000 } else { 0 });
        }
        let spent = crate::store::Spent { amount: Money::from_pico(i64::MAX - 10), period_end: 200 };
        let counter = charge(Scope::Team, "t1", "7d", 200);
        store.set_spent(&counter.counter, spent).await.unwrap();
        let mut record = record(5);
        record.attribution.as_mut().unwrap().charges = vec![counter];
        let booked = store.book(&booking(&[record], &[])).await.unwrap();
        assert_eq!(booked.counters[0].total.pico(), i64::MAX);
    }
}

#[tokio::test]
async fn books_that_were_tampered_with_do_not_verify() {
    for (store, _folder) in both().await {
        let mut records: Vec<UsageRecord> = (1..=9).map(record).collect();
        records[3].attribution.as_mut().unwrap().charges[1].period_end = 600;
        store.book(&booking(&records, &[])).await.unwrap();
        let spent = crate::store::Spent { amount: Money::from_pico(7), period_end: 0 };
        store.set_spent(&charge(Scope::Key, "k", "", 0).counter, spent).await.unwrap();
        let verified = store.verify_usage(true, None).await.unwrap();
        assert_eq!((verified.calls, verified.cost.pico(), verified.counters, verified.days), (9, 9000, 2, 1));
        assert_eq!((verified.differences.as_slice(), verified.adjusted), (&[][..], 1));
        for (sql, words) in [
            (
                "UPDATE tollgate_spend SET booked = booked - 1 WHERE scope = 'key'",
                "rows charge 9000, the counter has 8999",
            ),
            ("UPDATE tollgate_usage_hour SET cost = cost + 1", "9 calls and 9001 pico-dollars by hour"),
            (
                "DELETE FROM tollgate_usage WHERE request_id = 'chatcmpl-4'",
                "8 calls and 8000 pico-dollars in rows",
            ),
        ] {
            crate::store::db::on!(&store.db, pool => sqlx::query(sql).execute(pool).await.map(drop)).unwrap();
            let found = store.verify_usage(true, None).await.unwrap().differences;
            assert!(found.iter().any(|difference| difference.contains(words)), "{sql}: {found:?}");
        }
        assert_eq!(store.verify_usage(false, None).await.unwrap().skipped, 1);
    }
}

#[tokio::test]
async fn without_rows_sums_are_kept_all_the_same() {
    for (store, _folder) in both().await {
        let records: Vec<UsageRecord> = (1..=9).map(record).collect();
        let booked = store.book(&Booking { rows: false, ..booking(&records, &[]) }).await.unwrap();
        assert_eq!(booked.records, 9);
        assert_eq!(number(&store, "SELECT COUNT(*) FROM tollgate_usage").await, 0);
        assert_eq!(number(&store, "SELECT CAST(SUM(cost) AS BIGINT) FROM tollgate_usage_day").await, 9000);
        assert_eq!(number(&store, "SELECT spent FROM tollgate_spend WHERE scope = 'key'").await, 9000);
        assert_eq!(number(&store, "SELECT booked FROM tollgate_spend WHERE scope = 'key'").await, 0);
    }
}

#[tokio::test]
async fn old_rows_go_and_sums_stay() {
    for (store, _folder) in both().await {
        let mut records: Vec<UsageRecord> = (1..=30).map(record).collect();
        let now = SystemTime::now();
        let ms = u64::try_from(now.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis()).unwrap();
        records.push(UsageRecord { id: RecordId::new(ms, 1), arrived: now, ..record(31) });
        records.iter_mut().for_each(|record| record.attempts.extend_from_within(..));
        store.book(&booking(&records, &[])).await.unwrap();
        let month = Duration::from_secs(30 * 86_400);
        let mut deleted = Vec::new();
        while deleted.last() != Some(&0) {
            deleted.push(store.delete_old_usage(month, 20).await.unwrap());
        }
        assert_eq!(deleted, [20, 10, 0]);
        assert_eq!(number(&store, "SELECT COUNT(*) FROM tollgate_usage").await, 1);
        assert_eq!(number(&store, "SELECT COUNT(*) FROM tollgate_attempt").await, 2);
        assert_eq!(number(&store, "SELECT CAST(SUM(cost) AS BIGINT) FROM tollgate_usage_day").await, 31_000);
        assert_eq!(number(&store, "SELECT spent FROM tollgate_spend WHERE scope = 'key'").await, 31_000);
        assert_eq!(number(&store, "SELECT booked FROM tollgate_spend WHERE scope = 'key'").await, 1000);
    }
}

/// Names and columns that the SQL of LiteLLM's users reads.
const VIEWS: [(&str, &str); 19] = [
    (
        "LiteLLM_SpendLogs",
        r#"request_id, spend, "startTime", "endTime", model, "user", metadata, request_tags, end_user"#,
    ),
    (
        "LiteLLM_VerificationToken",
        "token, key_name, key_alias, spend, models, max_budget, budget_reset_at, blocked",
    ),
    ("LiteLLM_UserTable", "user_id, user_email, spend, teams, max_budget"),
    ("LiteLLM_TeamTable", "team_id, team_alias, spend, members_with_roles, blocked"),
    ("LiteLLM_TeamMembership", "user_id, team_id, spend, budget_id"),
    ("LiteLLM_EndUserTable", "user_id, alias, spend, blocked"),
    ("LiteLLM_OrganizationTable", "organization_id, organization_alias, spend"),
    ("LiteLLM_BudgetTable", "budget_id, max_budget, budget_duration, created_at"),
    ("LiteLLM_DailyUserSpend", "user_id, date, api_key, model, spend, api_requests, cache_read_input_tokens"),
    ("LiteLLM_DailyTeamSpend", "team_id, date, spend"),
    ("LiteLLM_DailyOrganizationSpend", "organization_id, date, spend"),
    ("LiteLLM_DailyEndUserSpend", "end_user_id, date, spend"),
    ("LiteLLM_DailyTagSpend", "tag, date, spend"),
    ("MonthlyGlobalSpend", "date, spend"),
    ("MonthlyGlobalSpendPerKey", "date, spend, api_key"),
    ("MonthlyGlobalSpendPerUserPerKey", r#"date, spend, api_key, "user""#),
    ("Last30dKeysBySpend", "api_key, key_alias, key_name, total_spend"),
    ("Last30dModelsBySpend", "model, total_spend"),
    ("Last30dTopEndUsersSpend", "end_user, total_events, total_spend"),
];

#[tokio::test]
async fn litellms_names_can_be_read() {
    for (store, _folder) in both().await {
        let key = serde_json::json!({
            "key_alias": "one", "models": ["m"], "max_budget": 1.5, "blocked": null, "metadata": {},
            "created_at": "2026-11-21T07:30:00.000000+00:00", "budget_reset_at": "nonsense", "tpm_limit": "many",
        });
        store.insert(&crate::store::KEYS, "k", key.as_object().cloned().unwrap()).await.unwrap();
        store.book(&booking(&(1..=3).map(record).collect::<Vec<_>>(), &[])).await.unwrap();
        for (view, columns) in VIEWS {
            let sql = format!(r#"SELECT {columns} FROM "{view}""#);
            let read = on!(&store.db, pool => sqlx::query(&sql).fetch_all(pool).await.map(|rows| rows.len()));
            assert!(read.is_ok(), "{view}: {read:?}");
        }
        for (sql, count) in [
            (
                r#"SELECT COUNT(*) FROM "LiteLLM_SpendLogs" WHERE spend > 0 AND spend < 1e-8 AND "user" = 'u1'"#,
                3,
            ),
            (
                r#"SELECT COUNT(*) FROM "LiteLLM_VerificationToken" WHERE spend > 2e-9 AND max_budget = 1.5"#,
                1,
            ),
            (
                r#"SELECT CAST(SUM(api_requests) AS BIGINT) FROM "LiteLLM_DailyTeamSpend" WHERE team_id = 't1'"#,
                3,
            ),
        ] {
            assert_eq!(number(&store, sql).await, count, "{sql}");
        }
    }
}

#[tokio::test]
async fn a_table_of_litellms_own_is_left_alone() {
    for (store, _folder) in crate::store::tests::unmigrated().await {
        for sql in [
            r#"CREATE TABLE "LiteLLM_SpendLogs" (request_id TEXT PRIMARY KEY)"#,
            r#"INSERT INTO "LiteLLM_SpendLogs" VALUES ('theirs')"#,
        ] {
            on!(&store.db, pool => sqlx::query(sql).execute(pool).await.map(drop)).unwrap();
        }
        store.migrate().await.unwrap();
        store.book(&booking(&[record(1)], &[])).await.unwrap();
        assert_eq!(
            number(&store, r#"SELECT COUNT(*) FROM "LiteLLM_SpendLogs" WHERE request_id = 'theirs'"#).await,
            1
        );
        assert_eq!(number(&store, r#"SELECT COUNT(*) FROM "LiteLLM_DailyUserSpend""#).await, 1);
    }
}

#[tokio::test]
async fn calls_are_found_whether_they_are_new_old_or_late() {
    for (store, _folder) in both().await {
        const ALL: u64 = 5 * find::SPAN / 2;
        let late = |number: u64| number % 1000 == 7;
        let made = |number: u64| {
            let mut record = record(number.into());
            record.id = RecordId::new(ARRIVED + number / 3, number.into());
            let own = record.attribution.as_mut().unwrap();
            own.user_id = Some(Arc::from(format!("u{}", number % 5)));
            own.session_id = (number % 2000 == 1).then(|| Arc::from("s"));
            record
        };
        let on_time: Vec<_> = (0..ALL).filter(|number| !late(*number)).map(made).collect();
        for some in on_time.chunks(3000) {
            store.book(&booking(some, &[])).await.unwrap();
        }
        while store.index_calls().await.unwrap() {}
        if store.is_file() {
            assert_eq!(number(&store, "SELECT COUNT(*) FROM tollgate_seek_span").await, 1);
        }
        let rest: Vec<_> = (0..ALL).filter(|number| late(*number)).map(made).collect();
        store.book(&booking(&rest, &[])).await.unwrap();
        let found = async |query: &CallQuery| -> Vec<u64> {
            let rows = store.calls(query).await.unwrap();
            rows.iter()
                .map(|row| row.request_id.strip_prefix("chatcmpl-").unwrap().parse().unwrap())
                .collect()
        };
        for wanted in [0, 7, 1007, 5000, ALL - 1] {
            let only = vec![(CallColumn::RequestId, format!("chatcmpl-{wanted}"))];
            assert_eq!(found(&CallQuery { only, limit: 9, ..CallQuery::default() }).await, [wanted]);
            let content = store.call_content(&format!("chatcmpl-{wanted}")).await.unwrap();
            assert_eq!(content, Some((None, None)));
        }
        let users: Vec<u64> = (0..ALL).filter(|number| number % 5 == 2).collect();
        let only = vec![(CallColumn::User, "u2".to_owned()), (CallColumn::ApiKey, "k".to_owned())];
        let query = CallQuery { only, limit: 1000, ..CallQuery::default() };
        assert_eq!(store.count_calls(&query).await.unwrap(), users.len() as u64);
        for offset in (0..5000_u32).step_by(1000) {
            let newest: Vec<u64> = users.iter().rev().skip(offset as usize).take(1000).copied().collect();
            assert_eq!(found(&CallQuery { offset, ..query.clone() }).await, newest, "newest, from {offset}");
            let oldest: Vec<u64> = users.iter().skip(offset as usize).take(1000).copied().collect();
            let ascending = CallQuery { offset, ascending: true, ..query.clone() };
            assert_eq!(found(&ascending).await, oldest, "oldest, from {offset}");
        }
        let between = CallQuery { from_ms: Some(ARRIVED + 100), to_ms: Some(ARRIVED + 102), ..query.clone() };
        assert_eq!(found(&between).await, [302]);
        let only = vec![(CallColumn::Session, "s".to_owned())];
        let dearest = CallQuery { only, order: CallOrder::Cost, limit: 3, ..CallQuery::default() };
        assert_eq!(found(&dearest).await.len(), 3);
        assert_eq!(store.count_calls(&dearest).await.unwrap(), ALL.div_ceil(2000));
    }
}

#[tokio::test]
async fn no_search_by_what_calls_say_reads_all_of_them() {
    let (store, _folder) = both().await.swap_remove(0);
    let crate::store::db::Db::Sqlite(file) = &store.db else { panic!("a file is meant") };
    for (column, _) in find::COLUMNS {
        let query = CallQuery {
            only: vec![(column, "x".to_owned())],
            from_ms: Some(7),
            limit: 50,
            ..CallQuery::default()
        };
        for asked in [searches::page(&query, true), searches::count(&query, true)] {
            let sql = format!("EXPLAIN QUERY PLAN {}", asked.sql);
            let plan: Vec<String> = sqlx::query(&sql)
                .fetch_all(&file.pool)
                .await
                .unwrap()
                .iter()
                .map(|row| sqlx::Row::get(row, 3))
                .collect();
            let is_whole = |step: &&String| {
                ["SCAN u", "SCAN f"].iter().any(|scan| step == scan || step.starts_with(&format!("{scan} ")))
            };
            assert_eq!(plan.iter().find(is_whole), None, "{column:?}: {plan:#?}");
            assert!(
                plan.iter().any(|step| step.contains("SEARCH f USING PRIMARY KEY (span=? AND hash=?")),
                "{plan:#?}"
            );
            // Only the ids of a page are sorted, once more: they come from two places. And those of a span.
            let mut sorts = plan
                .windows(2)
                .filter(|pair| pair[1].contains("TEMP B-TREE") && !pair[1].contains("LAST TERM OF ORDER BY"));
            assert!(sorts.all(|pair| pair[0].starts_with("SCAN (subquery")), "{plan:#?}");
        }
    }
}

#[tokio::test]
async fn what_was_found_by_spans_goes_with_its_rows() {
    let (store, _folder) = both().await.swap_remove(0);
    let made = |number: u64| UsageRecord { id: RecordId::new(ARRIVED + number, 0), ..record(number.into()) };
    let records: Vec<_> = (0..4 * find::SPAN).map(made).collect();
    store.book(&booking(&records, &[])).await.unwrap();
    while store.index_calls().await.unwrap() {}
    assert_eq!(number(&store, "SELECT MAX(span) FROM tollgate_seek_span").await, 2);
    while store.delete_old_usage(Duration::from_secs(86_400), 10_000).await.unwrap() > 0 {}
    assert_eq!(number(&store, "SELECT COUNT(*) FROM tollgate_usage").await, 0);
    assert_eq!(number(&store, "SELECT COUNT(*) FROM tollgate_seek_span").await, 1);
    assert_eq!(number(&store, "SELECT MIN(span) FROM tollgate_seek").await, 2);
}

#[tokio::test]
async fn calls_of_an_older_file_are_found() {
    let (store, _folder) = both().await.swap_remove(0);
    let made = |number: u64| UsageRecord { id: RecordId::new(ARRIVED + number, 0), ..record(number.into()) };
    let records: Vec<_> = (0..3 * find::SPAN).map(made).collect();
    store.book(&booking(&records, &[])).await.unwrap();
    // As an older release left it.
    let shared = tables::SHARED.iter().map(|(name, _)| *name);
    let sets: Vec<String> = shared.map(|name| format!("{name} = a.{name}")).collect();
    let whole =
        format!("UPDATE tollgate_usage SET {} FROM tollgate_alike a WHERE a.n = alike", sets.join(", "));
    for sql in [
        whole.as_str(),
        r#"DROP VIEW "LiteLLM_SpendLogs""#,
        "DROP VIEW tollgate_calls",
        "ALTER TABLE tollgate_usage DROP COLUMN alike",
        "DROP TABLE tollgate_alike",
        "DROP TABLE tollgate_seek_span",
        "DROP TABLE tollgate_seek",
        "DROP TABLE tollgate_deleted_key",
        "DROP TABLE tollgate_project",
        "DROP TABLE tollgate_tag",
        "DROP TABLE tollgate_limited_day",
        "DROP TABLE tollgate_usage_span",
        "DROP TABLE tollgate_usage_find",
        "CREATE INDEX tollgate_usage_request_id ON tollgate_usage (request_id)",
        "CREATE INDEX tollgate_usage_api_key ON tollgate_usage (api_key, id)",
        "DELETE FROM tollgate_schema WHERE minor >= 5",
    ] {
        on!(&store.db, pool => sqlx::query(sql).execute(pool).await.map(drop)).unwrap();
    }
    store.migrate().await.unwrap();
    let only = vec![(CallColumn::RequestId, "chatcmpl-1".to_owned())];
    let query = CallQuery { only, limit: 9, ..CallQuery::default() };
    assert_eq!(store.calls(&query).await.unwrap().len(), 1, "before its span is entered");
    while store.index_calls().await.unwrap() {}
    assert_eq!(number(&store, "SELECT COUNT(*) FROM tollgate_seek_span").await, 1);
    assert_eq!(store.calls(&query).await.unwrap().len(), 1, "and after");
}
