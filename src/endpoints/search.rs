//! `/v1/search/{tool}` and `/search/{tool}`; without a tool, the body's `search_tool_name` says which.

use super::Match;
use crate::domain::EndpointKind;
use percent_encoding::percent_decode_str;

/// The tool stands where elsewhere the model does.
pub(super) fn find(path: &str) -> Option<Match<'_>> {
    let patterns = [("/v1/search", "/v1/search/{tool}"), ("/search", "/search/{tool}")];
    patterns.into_iter().find_map(|(start, below)| {
        let rest = path.strip_prefix(start)?;
        let (route, model) = match rest.strip_prefix('/') {
            None if rest.is_empty() => (start, None),
            Some(tool) if !tool.is_empty() && !tool.contains('/') => {
                (below, Some(percent_decode_str(tool).decode_utf8().ok()?))
            }
            _ => return None,
        };
        Some(Match { kind: EndpointKind::Search, route, model })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_one_part_of_a_path() {
        let found = find("/v1/search/my%20tool").unwrap();
        assert_eq!((found.route, found.model.as_deref()), ("/v1/search/{tool}", Some("my tool")));
        assert_eq!(find("/search/t").unwrap().route, "/search/{tool}");
        assert!(find("/v1/search").unwrap().model.is_none());
        assert!(find("/v1/search/a/b").is_none() && find("/v1/searches").is_none());
    }
}
