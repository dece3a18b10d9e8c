//! Renaming the model keeps JSON what it is, and no error body does harm. The first two bytes of the
//! input are the status, the rest is the body.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tollgate::dialects::openai::{answer, read_failure, rename_model};

fuzz_target!(|input: &[u8]| {
    let Some((status, body)) = input.split_first_chunk() else { return };
    let failure = read_failure(u16::from_be_bytes(*status), body, None);
    assert!(!failure.message.is_empty() && !failure.message.chars().any(char::is_control));
    assert!(failure.message.chars().count() <= 2000);

    let facts = answer::read(body);
    let renamed = rename_model(Bytes::copy_from_slice(body), "pub\"lic");
    let Ok(Value::Object(came)) = serde_json::from_slice(body) else { return };
    assert!(facts.is_json_object || came.len() > 200);
    let Ok(Value::Object(sent)) = serde_json::from_slice(&renamed) else { panic!("no longer JSON") };
    assert_eq!(sent.len(), came.len());
    for (name, value) in &came {
        assert!(name == "model" || sent.get(name) == Some(value), "{name} was changed");
    }
});
