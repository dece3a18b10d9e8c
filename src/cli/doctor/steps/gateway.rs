//! Whether the gateway lives, is ready, has its database, and takes the admin's key.

use super::counted;
use crate::cli::doctor::finding::Finding;
use crate::cli::doctor::trouble::Trouble;
use crate::cli::doctor::visit::Visit;

pub(super) fn process(visit: &mut Visit<'_>) -> Finding {
    match visit.gateway.get("/health/liveliness") {
        Err(error) => Finding::unanswered(&error),
        Ok(answer) if answer.status == 200 && answer.json().is_string() => Finding::pass("it lives"),
        Ok(answer) => Finding::fail(Trouble::Odd, answer.complaint()),
    }
}

pub(super) fn readiness(visit: &mut Visit<'_>) -> Finding {
    match visit.gateway.get("/health/readiness") {
        Err(_) => Finding::skip("needs the gateway"),
        Ok(answer) if answer.status == 503 => Finding::fail(Trouble::GoingAway, answer.complaint()),
        Ok(answer) if answer.status != 200 => Finding::fail(Trouble::Odd, answer.complaint()),
        Ok(answer) => {
            let body = answer.json();
            let version = body["tollgate_version"].as_str().unwrap_or("of unknown version");
            let generation = body["config_generation"].as_u64().unwrap_or_default();
            Finding::pass(format!("tollgate {version}, configuration {generation} since its start"))
        }
    }
}

pub(super) fn database(visit: &mut Visit<'_>) -> Finding {
    let Ok(answer) = visit.gateway.get("/health/readiness") else {
        return Finding::skip("needs the gateway");
    };
    match answer.json()["db"].as_str() {
        Some("connected") => Finding::pass("connected"),
        Some(other) => Finding::fail(Trouble::DatabaseAway, other),
        None => Finding::skip("the gateway does not say"),
    }
}

pub(super) fn admin_key(visit: &mut Visit<'_>) -> Finding {
    let Some(key) = visit.master_key() else {
        return Finding::fail(Trouble::NoMasterKey, "LITELLM_MASTER_KEY is not set");
    };
    let admin = visit.gateway.with_key(key);
    match admin.get("/v1/models") {
        Err(_) => Finding::skip("needs the gateway"),
        Ok(answer) if matches!(answer.status, 400 | 401 | 403) => {
            Finding::fail(Trouble::WrongMasterKey, answer.complaint())
        }
        Ok(answer) if answer.status != 200 => Finding::fail(Trouble::Odd, answer.complaint()),
        Ok(answer) => {
            visit.admin = Some(admin);
            let body = answer.json();
            let models: Vec<&str> = body["data"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|model| model["id"].as_str())
                .collect();
            let Some(first) = models.first() else {
                return Finding::fail(Trouble::NoModels, "/v1/models is empty");
            };
            let asked = visit.arguments.model.as_deref();
            if let Some(unknown) = asked.filter(|asked| !models.contains(asked)) {
                return Finding::fail(
                    Trouble::UnknownModel,
                    format!("{unknown} is not among {}", models.join(", ")),
                );
            }
            visit.model.get_or_insert_with(|| (*first).to_owned());
            Finding::pass(format!("taken; {} served", counted(models.len(), "model")))
        }
    }
}
