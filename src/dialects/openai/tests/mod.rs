//! Promises of the OpenAI dialect, on golden samples and on generated ones.

mod answer;
mod chat;
mod request;
mod speed;
mod stream;

use std::path::Path;

/// The golden samples of a folder: name and bytes.
fn golden(folder: &str) -> Vec<(String, Vec<u8>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dialects/openai/golden").join(folder);
    let mut samples: Vec<_> = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect();
    samples.sort();
    assert!(!samples.is_empty(), "{folder} has samples");
    samples
}

fn sample(folder: &str, name: &str) -> Vec<u8> {
    golden(folder).into_iter().find(|(n, _)| n == name).unwrap().1
}
