//! `POST /organization/member_add`: users within an organization.

use super::{shown, unknown};
use crate::control::Control;
use crate::control::input::{Answer, Caller, Field, Input, Kind, Refusal, check_id, need};
use crate::control::records;
use crate::store::ORGANIZATIONS;
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

const FORM: &[Field] = &[need("organization_id", Kind::Text), need("member", Kind::Any)];

pub(in crate::control) async fn run(State(control): State<Control>, caller: Caller, input: Input) -> Answer {
    caller.must_be_admin()?;
    let form = input.read(&[FORM])?;
    let id = records::text(&form, "organization_id").unwrap_or_default();
    let list = match form.get("member") {
        Some(Value::Array(list)) => list.clone(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    };
    let mut members = Vec::with_capacity(list.len());
    for entry in &list {
        let Some(user) = entry["user_id"].as_str().filter(|user| !user.is_empty()) else {
            return Err(Refusal::bad("member: wants a user_id").of("member"));
        };
        check_id("user_id", user)?;
        let role = entry["role"].as_str().unwrap_or("internal_user");
        members.push(json!({
            "user_id": user, "organization_id": id, "user_role": role, "created_at": records::now(),
        }));
    }
    let changed = records::change(&control, &ORGANIZATIONS, id, |doc| {
        let mut known = doc.get("members").and_then(Value::as_array).cloned().unwrap_or_default();
        known.retain(|old| !members.iter().any(|new| new["user_id"] == old["user_id"]));
        known.extend(members.iter().cloned());
        doc.insert("members".to_owned(), Value::Array(known));
        Ok::<_, Refusal>(())
    });
    let doc = changed.await?.ok_or_else(|| unknown(id))?;
    let mut row = shown(&control, id, &doc).await?;
    row.insert("updated_users".to_owned(), Value::Array(members.clone()));
    row.insert("updated_organization_memberships".to_owned(), Value::Array(members));
    Ok(Json(Value::Object(row)))
}
