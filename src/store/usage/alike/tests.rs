#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use crate::domain::{
    Attribution, EndpointKind, Outcome, RecordId, Scope, UpstreamClass, UsageRecord, UsageSource,
};
use crate::store::db::Store;
use crate::store::usage::tests::{ARRIVED, booking, number, record};
use crate::store::usage::{bulk, tables};
use std::sync::Arc;
use std::time::Duration;

/// What a call's row says of the columns that calls share.
fn said(file: &rusqlite::Connection, record: &UsageRecord) -> Vec<rusqlite::types::Value> {
    let names: Vec<&str> = tables::SHARED.iter().map(|(name, _)| *name).collect();
    let sql = format!("SELECT {} FROM tollgate_calls WHERE id = ?1", names.join(", "));
    file.query_row(&sql, [record.id.to_string()], |row| (0..names.len()).map(|n| row.get(n)).collect())
        .unwrap()
}

fn meant(record: &UsageRecord) -> Vec<rusqlite::types::Value> {
    let mut cells = Vec::new();
    tables::shared(record, record.target.as_ref().map(|_| Arc::from("http://up/v1")), &mut cells);
    let value = |cell: &bulk::Cell<'_>| match rusqlite::ToSql::to_sql(cell).unwrap() {
        rusqlite::types::ToSqlOutput::Borrowed(value) => value.into(),
        other => panic!("{other:?}"),
    };
    cells.iter().map(value).collect()
}

fn own(record: &mut UsageRecord) -> &mut Attribution {
    record.attribution.as_mut().unwrap()
}

/// What two calls may differ in.
const CHANGES: [fn(&mut UsageRecord); 27] = [
    |_| {},
    |record| record.endpoint = EndpointKind::Embeddings,
    |record| record.route = Arc::from("/other?key=sk"),
    |record| record.key_hash = None,
    |record| own(record).key_alias = None,
    |record| own(record).user_id = Some(Arc::from("other")),
    |record| own(record).team_id = None,
    |record| own(record).team_alias = Some(Arc::from("t1")),
    |record| own(record).organization_id = Some(Arc::from("t1")),
    |record| own(record).customer = Some(Arc::from("c1")),
    |record| own(record).charges[0].period_end = 7,
    |record| own(record).charges[0].counter.scope = Scope::Provider,
    |record| own(record).charges[0].counter.id = Arc::from("x"),
    |record| own(record).charges[1].counter.slot = Arc::from("x"),
    |record| own(record).charges.truncate(1),
    |record| record.attribution = None,
    |record| record.requested_model = Arc::from("glm"),
    |record| record.group = None,
    |record| record.upstream_model = None,
    |record| record.target = None,
    |record| record.provider = None,
    |record| record.outcome = Outcome::Refused("timeout"),
    |record| record.outcome = Outcome::Interrupted(UpstreamClass::Timeout),
    |record| record.status = 500,
    |record| record.stream = true,
    |record| (record.price_version, record.priced) = (None, false),
    |record| (record.usage_source, record.attempts) = (UsageSource::Estimated, Vec::new()),
];

/// A call, and others that differ from it in one thing each, some milliseconds later.
fn differing(later: u64) -> Vec<UsageRecord> {
    let first = record(1);
    let numbered = CHANGES.iter().zip(0..).map(|(change, number)| {
        let mut made = UsageRecord { id: RecordId::new(ARRIVED + later, number), ..first.clone() };
        change(&mut made);
        made
    });
    numbered.collect()
}

#[tokio::test]
async fn calls_that_differ_in_one_thing_are_told_apart() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("t.db");
    let settings = crate::store::DatabaseSettings::sqlite(path.clone());
    let store = Store::open(&settings).await.unwrap();
    let records = [0, 1, 2, 86_400_000].map(differing);
    store.book(&booking(&records[0], &[])).await.unwrap();
    // Some are there already: what was written for the others meanwhile is undone.
    let again: Vec<_> = records[1].iter().chain(&records[0]).cloned().collect();
    let unknown = |mut record: UsageRecord| {
        record.provider = Some(Arc::from("new"));
        record
    };
    let again: Vec<_> = again.into_iter().map(unknown).collect();
    store.book(&booking(&again, &[])).await.unwrap();
    let alikes = number(&store, "SELECT COUNT(*) FROM tollgate_alike").await;
    store.book(&booking(&again, &[])).await.unwrap();
    store.book(&booking(&records[2], &[])).await.unwrap();
    let told = number(&store, "SELECT COUNT(*) FROM tollgate_alike").await;
    assert!(told <= alikes + records[0].len() as i64, "{alikes}, then {told}");
    store.close().await;
    let store = Store::open(&settings).await.unwrap();
    store.book(&booking(&records[3], &[])).await.unwrap();
    let file = rusqlite::Connection::open(&path).unwrap();
    let second = again.iter().take(CHANGES.len());
    for record in records[0].iter().chain(second).chain(&records[2]).chain(&records[3]) {
        assert_eq!(said(&file, record), meant(record), "{record:?}");
    }
    assert!(number(&store, "SELECT COUNT(*) FROM tollgate_usage WHERE alike IS NULL").await == 0);
    // Sharing is the point of it.
    let verified = store.verify_usage(true, None).await.unwrap();
    assert_eq!((verified.calls, verified.differences.as_slice()), (4 * CHANGES.len() as u64, &[][..]));
    while store.delete_old_usage(Duration::from_secs(86_400), 10).await.unwrap() > 0 {}
    assert_eq!(number(&store, "SELECT COUNT(*) FROM tollgate_alike").await, 0);
    let verified = store.verify_usage(true, None).await.unwrap();
    assert_eq!(verified.calls, 0);
    assert!(verified.differences.iter().all(|one| !one.contains("charge")), "{verified:?}");
}
