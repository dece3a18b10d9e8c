use super::stored::{MOST, MOST_ATTEMPTS, usage_of};
use super::text::LONGEST;
use super::*;
use crate::domain::{
    AttemptRecord, Attribution, Charge, Content, CounterId, Money, Outcome, RecordId, Scope, TargetId,
    Timings, UpstreamClass, UsageRecord, fixture,
};
use proptest::prelude::*;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub(in crate::ledger) fn plain(number: u128) -> UsageRecord {
    let charge = |scope, id: &str, period_end| Charge {
        counter: CounterId { scope, id: Arc::from(id), slot: Arc::from("") },
        period_end,
    };
    let attribution = Attribution {
        key_alias: Some(Arc::from("alias")),
        user_id: Some(Arc::from("u1")),
        team_id: Some(Arc::from("t1")),
        tags: vec![Arc::from("prod")],
        charges: vec![
            charge(Scope::Key, fixture::KEY_HASH, 0),
            charge(Scope::User, "u1", 5),
            charge(Scope::Global, "", 0),
        ],
        ..Attribution::default()
    };
    let mut record = UsageRecord {
        id: RecordId::new(fixture::ARRIVED, number),
        response_id: Some(Arc::from(format!("chatcmpl-{number}"))),
        attribution: Some(Box::new(attribution)),
        price_version: Some(1),
        ..fixture::answered()
    };
    // The journal does not keep it.
    record.attempts.iter_mut().for_each(|attempt| attempt.started = Duration::ZERO);
    record
}

fn texts() -> impl Strategy<Value = Option<Arc<str>>> {
    proptest::option::of("[^\0]{0,40}".prop_map(|text| Arc::from(text.as_str())))
}

fn attributions() -> impl Strategy<Value = Attribution> {
    let charges = proptest::collection::vec((0..8usize, "[^\0]{0,9}", "[^\0]{0,9}", any::<i64>()), 0..5);
    let ends = (texts(), proptest::option::of(any::<IpAddr>()), charges);
    let names = (texts(), texts(), texts(), texts(), texts(), texts());
    (names, proptest::collection::vec("[^\0]{0,20}", 0..4), ends).prop_map(
        |(names, tags, (session_id, ip, charges))| {
            let (key_alias, user_id, team_id, team_alias, organization_id, customer) = names;
            let charge = |(scope, id, slot, period_end): (usize, String, String, i64)| {
                let counter = CounterId { scope: Scope::ALL[scope], id: id.into(), slot: slot.into() };
                Charge { counter, period_end }
            };
            Attribution {
                key_alias,
                user_id,
                team_id,
                team_alias,
                organization_id,
                customer,
                tags: tags.into_iter().map(Arc::from).collect(),
                session_id,
                ip,
                charges: charges.into_iter().map(charge).collect(),
                ..Attribution::default()
            }
        },
    )
}

fn records() -> impl Strategy<Value = UsageRecord> {
    let outcome = (0..16u8, 0..14u8).prop_map(|(kind, class)| match kind {
        0 => Outcome::Refused("RateLimitError"),
        1 => Outcome::ClientGone,
        2 => words::class(class).map_or(Outcome::Completed, Outcome::Interrupted),
        _ => Outcome::Completed,
    });
    let attempts =
        proptest::collection::vec((texts(), proptest::option::of(0..14u8), any::<u16>(), 0..u64::MAX), 0..4);
    let numbers = (any::<u128>(), any::<[u64; 7]>(), any::<i64>(), any::<[Option<u32>; 3]>(), any::<u32>());
    let rest = (
        texts(),
        texts(),
        texts(),
        texts(),
        texts(),
        any::<u16>(),
        any::<bool>(),
        proptest::option::of(any::<u64>()),
    );
    (numbers, proptest::option::of(attributions()), outcome, attempts, rest).prop_map(|parts| {
        let ((id, usage, cost, times, end), attribution, outcome, attempts, rest) = parts;
        let (response_id, group, upstream_model, provider, key_hash, status, stream, price_version) = rest;
        let time = |n: u32| Duration::from_nanos(u64::from(n));
        let attempt =
            |(target, failure, status, nanos): (Option<Arc<str>>, Option<u8>, u16, u64)| AttemptRecord {
                target: TargetId::new(target.as_deref().unwrap_or("")),
                failure: failure.and_then(words::class),
                status,
                started: Duration::ZERO,
                duration: Duration::from_nanos(nanos),
            };
        UsageRecord {
            id: RecordId::from_bits(id),
            response_id,
            attribution: attribution.map(Box::new),
            arrived: SystemTime::UNIX_EPOCH + Duration::from_nanos(u64::from(end) << 20),
            group,
            upstream_model,
            provider,
            key_hash,
            stream,
            status,
            outcome,
            attempts: attempts.into_iter().map(attempt).collect(),
            usage: usage_of(usage),
            cost: Money::from_pico(cost),
            price_version,
            priced: stream,
            timings: Timings {
                upstream_start: times[0].map(time),
                first_token: times[1].map(time),
                upstream_end: times[2].map(time),
                end: time(end),
            },
            content: stream.then(|| Box::new(Content { request: "{}".into(), response: "é".into() })),
            ..plain(1)
        }
    })
}

fn read(payload: &[u8]) -> Result<UsageRecord, NoRecord> {
    decode(payload, &mut Known::default())
}

fn payload(record: &UsageRecord) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(record, &mut bytes).unwrap();
    bytes
}

fn framed(segment: u64, record: &UsageRecord) -> Vec<u8> {
    let mut bytes = vec![0; FRAME];
    encode(record, &mut bytes).unwrap();
    finish(segment, &mut bytes);
    bytes
}

/// All that a record holds; what was said is not shown by `Debug`.
fn shown(record: &UsageRecord) -> String {
    format!("{record:?} {:?}", record.content.as_ref().map(|c| (&c.request, &c.response)))
}

fn ids(segment: u64, bytes: &[u8]) -> Vec<RecordId> {
    Frames::new(segment, bytes).map(|(payload, _)| read(payload).unwrap().id).collect()
}

proptest! {
    #[test]
    fn a_record_reads_back_as_it_was(record in records()) {
        prop_assert_eq!(shown(&read(&payload(&record)).unwrap()), shown(&record));
    }

    #[test]
    fn bytes_that_are_no_record_are_refused_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        drop(read(&bytes));
        prop_assert_eq!(Frames::new(7, &bytes).count(), 0);
    }
}

#[test]
fn what_a_client_made_long_is_cut_and_what_no_database_takes_is_replaced() {
    let long = "é".repeat(1_000_000);
    let mut record = plain(1);
    record.requested_model = Arc::from(long.as_str());
    record.response_id = Some("a\0b".into());
    record.content = Some(Box::new(Content { request: long.clone(), response: long }));
    record.attempts = vec![record.attempts[0].clone(); 500];
    let own = record.attribution.as_mut().unwrap();
    own.tags = vec![Arc::clone(&record.requested_model); 1000];
    let bytes = payload(&record);
    assert!(bytes.len() < 500 * 1024, "{}", bytes.len());
    let back = read(&bytes).unwrap();
    assert_eq!((back.requested_model.len(), back.response_id.as_deref()), (LONGEST, Some("a b")));
    assert_eq!((back.attempts.len(), back.attribution.unwrap().tags.len()), (MOST_ATTEMPTS, MOST));
}

#[test]
fn a_torn_tail_loses_nothing_that_was_whole() {
    let whole = [framed(9, &plain(1)), framed(9, &plain(2))].concat();
    // The last byte is not zero, as what follows it is.
    let content = Some(Box::new(Content { request: String::new(), response: "x".into() }));
    let last = framed(9, &UsageRecord { content, ..plain(3) });
    for cut in 0..last.len() {
        let mut bytes = [&whole[..], &last[..cut]].concat();
        bytes.resize(whole.len() + 2 * last.len(), 0);
        assert_eq!(ids(9, &bytes), [plain(1).id, plain(2).id], "torn at {cut}");
        bytes.truncate(whole.len() + cut);
        assert_eq!(ids(9, &bytes), [plain(1).id, plain(2).id], "cut at {cut}");
    }
}

#[test]
fn a_flipped_bit_costs_its_own_record_only() {
    let frames = [framed(9, &plain(1)), framed(9, &plain(2)), framed(9, &plain(3))];
    let (begin, end) = (frames[0].len(), frames[0].len() + frames[1].len());
    for at in begin..end {
        let mut bytes = frames.concat();
        bytes[at] ^= 0x10;
        assert_eq!(ids(9, &bytes), [plain(1).id, plain(3).id], "flipped at {at}");
        let mut walk = Frames::new(9, &bytes);
        assert_eq!((walk.by_ref().count(), walk.skipped()), (2, frames[1].len()));
    }
}

#[test]
fn records_of_a_segments_former_life_are_not_read() {
    assert!(ids(10, &framed(9, &plain(1))).is_empty());
    let mixed = [framed(10, &plain(1)), framed(9, &plain(2))].concat();
    assert_eq!(ids(10, &mixed), [plain(1).id]);
}

#[test]
fn a_class_is_kept() {
    let mut record = plain(1);
    record.outcome = Outcome::Interrupted(UpstreamClass::Connection);
    assert_eq!(read(&payload(&record)).unwrap().outcome, record.outcome);
}
