//! `GET /user/available_roles`: what users may be.

use crate::control::input::{Answer, Caller};
use axum::Json;
use serde_json::json;

pub(in crate::control) async fn run(_caller: Caller) -> Answer {
    let role = |label: &str, words: &str| json!({ "description": words, "ui_label": label });
    Ok(Json(json!({
        "proxy_admin": role("Admin (All Permissions)", "admin over litellm proxy, has all permissions"),
        "proxy_admin_viewer": role("Admin (View Only)", "view all keys, view all spend"),
        "internal_user": role("Internal User (Create/Delete/View)", "view/create/delete their own keys, view their own spend"),
        "internal_user_viewer": role("Internal User (View Only)", "view their own keys, view their own spend"),
    })))
}
