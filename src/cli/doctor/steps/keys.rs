//! A virtual key's life: made, used, charged, deleted. Only the charge costs tokens.

use super::{COSTS, NO_GATEWAY, calls};
use crate::cli::doctor::finding::Finding;
use crate::cli::doctor::trouble::Trouble;
use crate::cli::doctor::visit::Visit;
use crate::cli::http::Client;
use crate::domain::Secret;
use serde_json::json;
use std::time::{Duration, Instant};

/// Longest wait for a call to be booked.
const BOOKED: Duration = Duration::from_secs(20);
/// Longest wait for a deletion to count, also with a second gateway on the database.
const GONE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(200);
const NO_KEY: &str = "no key was made";

pub(super) fn make(visit: &mut Visit<'_>) -> Finding {
    let (Some(admin), Some(model)) = (&visit.admin, &visit.model) else { return Finding::skip(NO_GATEWAY) };
    // Should this program end before it deletes the key, the key ends by itself.
    let alias = format!("doctor-{}", uuid::Uuid::new_v4().simple());
    let wish = json!({ "models": [model], "max_budget": 1.0, "duration": "10m", "key_alias": alias });
    let answer = match admin.post("/key/generate", &wish) {
        Err(error) => return Finding::unanswered(&error),
        Ok(answer) => answer,
    };
    match answer.json()["key"].as_str().and_then(Secret::new) {
        Some(key) if answer.status == 200 => {
            visit.minted = Some(key);
            Finding::pass(format!("for {model}, ten minutes and $1"))
        }
        _ => Finding::fail(Trouble::KeyNotMade, answer.complaint()),
    }
}

pub(super) fn use_it(visit: &mut Visit<'_>) -> Finding {
    let Some(client) = holder(visit) else { return Finding::skip(NO_KEY) };
    match client.get("/v1/models") {
        Err(error) => Finding::unanswered(&error),
        Ok(answer) if answer.status != 200 => Finding::fail(Trouble::KeyNotUsable, answer.complaint()),
        Ok(answer) => {
            let body = answer.json();
            let seen: Vec<&str> = body["data"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|model| model["id"].as_str())
                .collect();
            if seen.iter().copied().eq(visit.model.as_deref()) {
                return Finding::pass("taken; it sees its own model only");
            }
            Finding::fail(Trouble::KeyNotUsable, format!("it sees {}", seen.join(", ")))
        }
    }
}

pub(super) fn budget(visit: &mut Visit<'_>) -> Finding {
    if !visit.arguments.spend {
        return Finding::skip(COSTS);
    }
    let (Some(client), Some(model)) = (holder(visit), &visit.model) else { return Finding::skip(NO_KEY) };
    if visit.admin.as_ref().is_some_and(|admin| has_no_price(admin, model)) {
        return Finding::fail(Trouble::NoPrice, format!("no call of {model} costs anything"));
    }
    if let Err(found) = calls::ask(&client, model) {
        return found;
    }
    let until = Instant::now() + BOOKED;
    while Instant::now() < until {
        // A key may look itself up.
        let spent = client.get("/key/info").ok().and_then(|answer| answer.json()["info"]["spend"].as_f64());
        if let Some(spent) = spent.filter(|spent| *spent > 0.0) {
            return Finding::pass(format!("its call took ${spent:.9} of $1"));
        }
        std::thread::sleep(PAUSE);
    }
    Finding::fail(Trouble::NotCharged, format!("nothing is booked within {} s", BOOKED.as_secs()))
}

fn has_no_price(admin: &Client, model: &str) -> bool {
    let Ok(answer) = admin.get("/model/info") else { return false };
    let rows = answer.json()["data"].as_array().cloned().unwrap_or_default();
    let mut own = rows.iter().filter(|row| row["model_name"] == model);
    own.all(|row| row["model_info"]["output_cost_per_token"].as_f64().unwrap_or_default() <= 0.0)
}

pub(super) fn delete(visit: &mut Visit<'_>) -> Finding {
    let (Some(admin), Some(key), Some(client)) = (&visit.admin, &visit.minted, holder(visit)) else {
        return Finding::skip(NO_KEY);
    };
    match admin.post("/key/delete", &json!({ "keys": [key.expose()] })) {
        Err(error) => return Finding::unanswered(&error),
        Ok(answer) if answer.status != 200 => return Finding::fail(Trouble::KeyOutlives, answer.complaint()),
        Ok(_) => {}
    }
    let until = Instant::now() + GONE;
    while Instant::now() < until {
        if client.get("/v1/models").is_ok_and(|answer| answer.status == 401) {
            return Finding::pass("and refused from then on");
        }
        std::thread::sleep(PAUSE);
    }
    Finding::fail(Trouble::KeyOutlives, "it is still taken")
}

fn holder(visit: &Visit<'_>) -> Option<Client> {
    Some(visit.gateway.with_key(visit.minted.clone()?))
}
