//! Files and batches, in OpenAI's form.

use super::answer::{CREATED, Response};
use super::http::Request;
use super::{fault, form};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// What was uploaded and asked for, by id.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    files: Mutex<BTreeMap<String, (Value, Vec<u8>)>>,
    batches: Mutex<BTreeMap<String, Value>>,
}

impl Shelf {
    /// The answer to what is asked of files and batches; `None` if it is none of that.
    pub(super) fn answer(&self, request: &Request) -> Option<Response> {
        let route = request.route().split_once("/v1/").map_or(request.route(), |(_, rest)| rest);
        let mut segments = route.trim_start_matches('/').split('/');
        let (kind, id, verb) = (segments.next()?, segments.next(), segments.next());
        let found = match (request.method.as_str(), kind, id, verb) {
            ("POST", "files", None, None) => self.upload(request),
            ("GET", "files", None, None) => {
                Some(list(lock(&self.files).values().map(|(file, _)| file.clone())))
            }
            ("GET", "files", Some(id), None) => lock(&self.files).get(id).map(|(file, _)| ok(file)),
            ("GET", "files", Some(id), Some("content")) => lock(&self.files).get(id).map(|(_, bytes)| {
                let mut response = Response::json(200, bytes.clone());
                response.content_type = "application/octet-stream";
                response
            }),
            ("DELETE", "files", Some(id), None) => lock(&self.files)
                .remove(id)
                .map(|_| ok(&json!({ "id": id, "object": "file", "deleted": true }))),
            ("POST", "batches", None, None) => self.batch(request),
            ("GET", "batches", None, None) => Some(list(lock(&self.batches).values().cloned())),
            ("GET", "batches", Some(id), None) => lock(&self.batches).get(id).map(ok),
            ("POST", "batches", Some(id), Some("cancel")) => lock(&self.batches).get_mut(id).map(|batch| {
                batch["status"] = "cancelling".into();
                ok(batch)
            }),
            _ => return None,
        };
        Some(found.unwrap_or_else(|| fault::error(404, id.unwrap_or_default())))
    }

    fn upload(&self, request: &Request) -> Option<Response> {
        let parts = form::read(request)?;
        let file = parts.iter().find(|part| part.filename.is_some())?;
        let mut files = lock(&self.files);
        let id = format!("file-sim{}", files.len() + 1);
        let told = json!({ "id": id, "object": "file", "bytes": file.value.len(), "created_at": CREATED,
            "filename": file.filename, "purpose": form::field(&parts, "purpose"), "status": "processed" });
        let answer = ok(&told);
        files.insert(id, (told, file.value.to_vec()));
        Some(answer)
    }

    /// A batch is done as soon as it is made.
    fn batch(&self, request: &Request) -> Option<Response> {
        let asked: Value = serde_json::from_slice(&request.body).ok()?;
        let input = asked["input_file_id"].as_str()?;
        let mut files = lock(&self.files);
        let (_, bytes) = files.get(input)?;
        let output = format!("file-out{}", files.len() + 1);
        let told = json!({ "id": output, "object": "file", "bytes": bytes.len(), "created_at": CREATED,
            "filename": "output.jsonl", "purpose": "batch_output" });
        let bytes = bytes.clone();
        files.insert(output.clone(), (told, bytes));
        let mut batches = lock(&self.batches);
        let id = format!("batch_sim{}", batches.len() + 1);
        let batch = json!({ "id": id, "object": "batch", "endpoint": asked["endpoint"], "input_file_id": input,
            "completion_window": asked["completion_window"], "status": "completed", "output_file_id": output,
            "error_file_id": null, "created_at": CREATED, "model": "sim",
            "request_counts": { "total": 2, "completed": 2, "failed": 0 }, "metadata": asked["metadata"],
            "usage": { "input_tokens": 100, "output_tokens": 50, "total_tokens": 150 } });
        let answer = ok(&batch);
        batches.insert(id, batch);
        Some(answer)
    }
}

fn ok(value: &Value) -> Response {
    Response::json(200, value.to_string())
}

fn list(values: impl Iterator<Item = Value>) -> Response {
    let data: Vec<Value> = values.collect();
    ok(&json!({ "object": "list", "data": data, "has_more": false }))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
