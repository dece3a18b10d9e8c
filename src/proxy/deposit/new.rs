//! New files, and new batches of files that there are.

use super::{Errand, Plan, Planned, keeper, owner};
use crate::dialects::openai::{forms, request as json_request};
use crate::domain::{ApiError, EndpointKind, ErrorKind};
use crate::endpoints::stored::Stored;
use crate::proxy::admission::Visitor;
use crate::proxy::body::Clock;
use crate::proxy::upload::{self, Form, Way};
use crate::runtime::Snapshot;
use bytes::Bytes;
use pingora::Result;
use pingora_proxy::Session;
use serde_json::Value;

/// A new batch, of a file that there is.
pub(super) fn batch(snapshot: &Snapshot, visitor: &Visitor, errand: Errand, bytes: &Bytes) -> Planned {
    let mut body: Value = serde_json::from_slice(bytes)
        .map_err(|fault| ApiError::new(ErrorKind::InvalidJson, format!("Invalid JSON payload: {fault}")))?;
    let input = body.get("input_file_id").and_then(Value::as_str).map(str::to_owned).ok_or_else(|| {
        let words = "Missing required parameter: 'input_file_id'.";
        ApiError::new(ErrorKind::InvalidRequest, words).with_param("input_file_id")
    })?;
    let (receipt, given) = owner::open(snapshot, &visitor.standing, &input, EndpointKind::Files)?;
    if let Some(members) = body.as_object_mut() {
        members.insert("input_file_id".to_owned(), receipt.id.into());
        for name in ["model", "custom_llm_provider", "target_model_names"] {
            members.shift_remove(name);
        }
    }
    let requested = Some(given.group.name.to_string());
    let request = json_request::read(EndpointKind::Batches, Bytes::from(body.to_string()));
    let errand = Errand { owner: receipt.owner, ..errand };
    // What is sent is not what came, so the body that came is forgotten.
    Ok(Plan { errand, given: Some(given), requested, request, way: Way::Replayed })
}

/// A new file.
pub(super) async fn file(
    snapshot: &Snapshot,
    session: &mut Session,
    clock: Clock,
    (visitor, stored, errand): (&Visitor, &Stored<'_>, Errand),
) -> Result<Planned> {
    let limit = snapshot.config.server.max_upload_bytes;
    let form = upload::read(session, clock, stored.kind, true, limit).await?;
    let Form { scan, taken, length } = match form {
        Ok(form) => form,
        Err(error) => return Ok(Err(error)),
    };
    let (bytes, way) = match taken.on_its_way(limit) {
        Ok(taken) => taken,
        Err(error) => return Ok(Err(error)),
    };
    let is_whole = way.is_whole();
    Ok(forms::read(stored.kind, bytes, scan, length).and_then(|read| {
        let (given, requested) =
            keeper::of_file(snapshot, session, &visitor.standing, stored, &read, is_whole)?;
        Ok(Plan { errand, given, requested, request: Ok(read), way })
    }))
}
