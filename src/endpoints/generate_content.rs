//! Google's `generateContent` and its kin: the path names the model, and its last word what is to be done.

use super::Match;
use crate::domain::EndpointKind;
use percent_encoding::percent_decode_str;

/// One method of Google's models.
#[derive(Clone, Copy, Debug)]
pub struct Method {
    /// Which API it is.
    pub kind: EndpointKind,
    /// Its name.
    pub name: &'static str,
    /// Its patterns, in the order of [`BEFORE`].
    pub routes: [&'static str; 3],
}

/// What stands before the model's name.
const BEFORE: [&str; 3] = ["/v1beta/models/", "/models/", "/v1/models/"];

macro_rules! method {
    ($kind:ident, $name:literal) => {
        Method {
            kind: EndpointKind::$kind,
            name: $name,
            routes: [
                concat!("/v1beta/models/{model}:", $name),
                concat!("/models/{model}:", $name),
                concat!("/v1/models/{model}:", $name),
            ],
        }
    };
}

/// All of them.
pub static METHODS: [Method; 3] = [
    method!(GenerateContent, "generateContent"),
    method!(StreamContent, "streamGenerateContent"),
    method!(CountContent, "countTokens"),
];

pub(super) fn find(path: &str) -> Option<Match<'_>> {
    let (place, name) = path.rsplit_once(':')?;
    let method = METHODS.iter().find(|method| method.name == name)?;
    let mut routes = BEFORE.iter().zip(method.routes);
    routes.find_map(|(before, route)| {
        let model = place.strip_prefix(before).filter(|model| !model.is_empty())?;
        let model = percent_decode_str(model).decode_utf8().ok()?;
        Some(Match { kind: method.kind, route, model: Some(model) })
    })
}
