//! A key that is used all the time is no longer asked about; what changes is effective with the next call all the same.

use super::{Place, places};
use serde_json::{Value, json};

/// Enough calls that every thread has met the key more than once.
const OFTEN: usize = 24;

async fn used_often(place: &Place, key: &str) {
    for _ in 0..OFTEN {
        assert_eq!(place.chat(key).await, 200);
    }
}

/// Refused by every thread after one change, and served by all of them after the other.
async fn back_and_forth(place: &Place, key: &str, (away, back): ((&str, Value), (&str, Value)), status: u16) {
    used_often(place, key).await;
    place.done(away.0, away.1.clone()).await;
    for call in 0..OFTEN {
        assert_eq!(place.chat(key).await, status, "call {call} after {} {}", away.0, away.1);
    }
    place.done(back.0, back.1).await;
    used_often(place, key).await;
}

#[tokio::test]
async fn a_change_is_effective_with_the_next_call() {
    for place in places().await {
        place.done("/user/new", json!({ "user_id": "ann", "auto_create_key": false })).await;
        place.done("/team/new", json!({ "team_id": "t1" })).await;
        let (key, _) = place.key(json!({ "team_id": "t1", "user_id": "ann" })).await;
        let update = |fields: Value| ("/key/update", crate::harness::with(fields, json!({ "key": key })));
        let team = |fields: Value| ("/team/update", crate::harness::with(fields, json!({ "team_id": "t1" })));
        let only_other = || json!({ "models": ["other"] });
        let any = || json!({ "models": [] });
        back_and_forth(&place, &key, (update(only_other()), update(any())), 401).await;
        back_and_forth(&place, &key, (team(only_other()), team(any())), 401).await;
        let blocks = ("/team/block", json!({ "team_id": "t1" }));
        back_and_forth(&place, &key, (blocks, ("/team/unblock", json!({ "team_id": "t1" }))), 401).await;
        let none = update(json!({ "rpm_limit": 0 }));
        back_and_forth(&place, &key, (none, update(json!({ "rpm_limit": null }))), 429).await;
        place.done("/key/delete", json!({ "keys": [key] })).await;
        for _ in 0..OFTEN {
            assert_eq!(place.chat(&key).await, 401);
        }
    }
}

#[tokio::test]
async fn an_owner_that_comes_later_counts_at_once() {
    for place in places().await {
        let (key, _) = place.key(json!({ "user_id": "late" })).await;
        used_often(&place, &key).await;
        let late = json!({ "user_id": "late", "models": ["other"], "auto_create_key": false });
        place.done("/user/new", late).await;
        for _ in 0..OFTEN {
            assert_eq!(place.chat(&key).await, 401);
        }
    }
}
