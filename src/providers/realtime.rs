//! Where a deployment takes realtime sessions.

use super::Target;

/// Whether a deployment has such an API.
#[must_use]
pub fn is_offered(target: &Target) -> bool {
    target.dialect.name() == "openai" && target.unserved.is_none()
}

/// The path and query of a session with this model; `None` where there is no such API.
#[must_use]
pub fn path(target: &Target, model: &str) -> Option<String> {
    if !is_offered(target) {
        return None;
    }
    let model = percent_encoding::utf8_percent_encode(model, UNRESERVED);
    // Azure's deployments have a path each for everything else, and a parameter here.
    if let Some(at) = target.base_path.find("/openai/deployments/") {
        let start = &target.base_path[..at];
        let version = target.query.trim_start_matches('?');
        let version = if version.is_empty() { String::new() } else { format!("{version}&") };
        return Some(format!("{start}/openai/realtime?{version}deployment={model}"));
    }
    let query = if target.query.is_empty() { "?".to_owned() } else { format!("{}&", target.query) };
    Some(format!("{}/realtime{query}model={model}", target.base_path))
}

const UNRESERVED: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
