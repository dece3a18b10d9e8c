//! `/v1/files` and `/v1/batches`: what an upstream keeps.

use crate::domain::EndpointKind;
use http::Method;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// What there is.
    List,
    /// A new one.
    Create,
    /// What is known of one.
    Get,
    /// What is in a file.
    Content,
    /// A file is no longer wanted.
    Delete,
    /// A batch is no longer wanted.
    Cancel,
}

/// A path of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored<'a> {
    /// Files or batches.
    pub kind: EndpointKind,
    /// The path's pattern, for metrics.
    pub route: &'static str,
    /// What is asked; `None` if the path exists and the method does not.
    pub verb: Option<Verb>,
    /// Of which one.
    pub id: Option<&'a str>,
    /// The provider that the path names (`/openai/v1/files`).
    pub provider: Option<&'a str>,
}

/// What a path's end means: method and verb.
type Verbs = &'static [(Method, Verb)];

/// The patterns with `/v1`, without, and below a provider, and what may be asked there.
struct Shape {
    kind: EndpointKind,
    name: &'static str,
    /// Whether an id follows, and what follows it.
    below: Option<&'static str>,
    routes: [&'static str; 3],
    verbs: Verbs,
}

macro_rules! shape {
    ($kind:ident, $name:literal, $below:expr, $end:literal, $verbs:expr) => {
        Shape {
            kind: EndpointKind::$kind,
            name: $name,
            below: $below,
            routes: [
                concat!("/v1/", $name, $end),
                concat!("/", $name, $end),
                concat!("/{provider}/v1/", $name, $end),
            ],
            verbs: $verbs,
        }
    };
}

static SHAPES: [Shape; 6] = [
    shape!(Files, "files", None, "", &[(Method::GET, Verb::List), (Method::POST, Verb::Create)]),
    shape!(Files, "files", Some(""), "/{id}", &[(Method::GET, Verb::Get), (Method::DELETE, Verb::Delete)]),
    shape!(Files, "files", Some("content"), "/{id}/content", &[(Method::GET, Verb::Content)]),
    shape!(Batches, "batches", None, "", &[(Method::GET, Verb::List), (Method::POST, Verb::Create)]),
    shape!(Batches, "batches", Some(""), "/{id}", &[(Method::GET, Verb::Get)]),
    shape!(Batches, "batches", Some("cancel"), "/{id}/cancel", &[(Method::POST, Verb::Cancel)]),
];

/// Every pattern with its methods.
pub fn patterns() -> impl Iterator<Item = (&'static str, &'static Method)> {
    SHAPES.iter().flat_map(|shape| {
        shape.routes.iter().flat_map(|route| shape.verbs.iter().map(|(method, _)| (*route, method)))
    })
}

/// Finds what a path asks of files or batches.
#[must_use]
pub fn find<'a>(method: &Method, path: &'a str) -> Option<Stored<'a>> {
    let path = path.strip_suffix('/').unwrap_or(path).strip_prefix('/')?;
    let mut segments = path.split('/');
    let first = segments.next()?;
    let (at, provider, name) = match first {
        "v1" => (0, None, segments.next()?),
        "files" | "batches" => (1, None, first),
        provider if segments.next() == Some("v1") => (2, Some(provider), segments.next()?),
        _ => return None,
    };
    let (id, below) = (segments.next(), segments.next());
    if segments.next().is_some() || id == Some("") || below == Some("") {
        return None;
    }
    let below = id.map(|_| below.unwrap_or_default());
    let shape = SHAPES.iter().find(|shape| shape.name == name && shape.below == below)?;
    let verb = shape.verbs.iter().find(|(own, _)| own == method).map(|(_, verb)| *verb);
    Some(Stored { kind: shape.kind, route: shape.routes.get(at)?, verb, id, provider })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_with_what_they_ask() {
        for (method, path, route, verb, id, provider) in [
            (Method::POST, "/v1/files", "/v1/files", Some(Verb::Create), None, None),
            (Method::GET, "/files", "/files", Some(Verb::List), None, None),
            (Method::GET, "/v1/files/f-1", "/v1/files/{id}", Some(Verb::Get), Some("f-1"), None),
            (Method::DELETE, "/v1/files/f-1/", "/v1/files/{id}", Some(Verb::Delete), Some("f-1"), None),
            (Method::GET, "/files/f/content", "/files/{id}/content", Some(Verb::Content), Some("f"), None),
            (
                Method::GET,
                "/azure/v1/files/f",
                "/{provider}/v1/files/{id}",
                Some(Verb::Get),
                Some("f"),
                Some("azure"),
            ),
            (
                Method::POST,
                "/v1/batches/b/cancel",
                "/v1/batches/{id}/cancel",
                Some(Verb::Cancel),
                Some("b"),
                None,
            ),
            (Method::DELETE, "/v1/batches/b", "/v1/batches/{id}", None, Some("b"), None),
        ] {
            let kind = if path.contains("files") { EndpointKind::Files } else { EndpointKind::Batches };
            assert_eq!(find(&method, path), Some(Stored { kind, route, verb, id, provider }), "{path}");
        }
        for path in
            ["/v1", "/v1/filesx", "/v1/files/a/b", "/v1/files/a/content/x", "/x/files", "/v1/files//content"]
        {
            assert_eq!(find(&Method::GET, path), None, "{path}");
        }
        assert_eq!(patterns().count(), 27);
    }
}
