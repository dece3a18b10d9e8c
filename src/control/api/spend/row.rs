//! A call in the shape of LiteLLM's spend logs.

use super::{dates, dollars};
use crate::store::CallRow;
use serde_json::{Value, json};

/// The row of `"LiteLLM_SpendLogs"`.
pub(super) fn shown(row: &CallRow) -> Value {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    json!({
        "request_id": row.request_id,
        "call_type": row.call_type,
        "api_key": row.api_key,
        "spend": dollars(row.cost),
        "total_tokens": row.total_tokens,
        "prompt_tokens": row.prompt_tokens,
        "completion_tokens": row.completion_tokens,
        "startTime": dates::iso(row.started_ms),
        "endTime": dates::iso(row.ended_ms),
        "completionStartTime": dates::iso(row.first_token_ms.unwrap_or(row.ended_ms)),
        "request_duration_ms": row.ended_ms - row.started_ms,
        "model": row.model.as_ref().unwrap_or(&row.requested_model),
        "model_id": text(&row.model_id),
        "model_group": text(&row.model_group),
        "custom_llm_provider": text(&row.provider),
        "api_base": text(&row.api_base),
        "user": text(&row.user_id),
        "metadata": metadata(row),
        "cache_hit": "None",
        "cache_key": "Cache OFF",
        "request_tags": tags(row),
        "team_id": text(&row.team_id),
        "organization_id": text(&row.organization_id),
        "end_user": text(&row.customer),
        "requester_ip_address": row.ip,
        "messages": {},
        "response": {},
        "proxy_server_request": {},
        "session_id": row.session_id.as_ref().unwrap_or(&row.call_id),
        "status": row.status,
        "mcp_namespaced_tool_name": null,
        "agent_id": null,
    })
}

fn tags(row: &CallRow) -> Value {
    let read = row.tags.as_deref().and_then(|tags| serde_json::from_str(tags).ok());
    read.unwrap_or_else(|| json!([]))
}

fn metadata(row: &CallRow) -> Value {
    let error = (row.status != "success").then(|| {
        json!({
            "error_code": row.http_status.to_string(),
            "error_class": row.error_class.as_ref().unwrap_or(&row.outcome),
            "llm_provider": row.provider.clone().unwrap_or_default(),
            "error_message": "",
            "traceback": "",
        })
    });
    json!({
        "user_api_key": row.api_key,
        "user_api_key_alias": row.key_alias,
        "user_api_key_team_id": row.team_id,
        "user_api_key_team_alias": row.team_alias,
        "user_api_key_org_id": row.organization_id,
        "user_api_key_user_id": row.user_id,
        "user_api_key_request_route": row.route,
        "requester_ip_address": row.ip,
        "status": row.status,
        "attempted_retries": (row.attempts - 1).max(0),
        "usage_object": {
            "prompt_tokens": row.prompt_tokens,
            "completion_tokens": row.completion_tokens,
            "total_tokens": row.total_tokens,
            "prompt_tokens_details": { "cached_tokens": row.cached_tokens },
            "completion_tokens_details": { "reasoning_tokens": row.reasoning_tokens },
        },
        "additional_usage_values": {
            "cache_read_input_tokens": row.cached_tokens,
            "cache_creation_input_tokens": row.cache_write_tokens,
        },
        "cost_breakdown": { "total_cost": dollars(row.cost) },
        "error_information": error,
        "usage_source": row.usage_source,
    })
}
