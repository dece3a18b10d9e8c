//! How a deployment wants to be asked, whatever its dialect.

use serde_json::{Map, Value};

/// What a deployment says about its parameters.
#[derive(Clone, Copy, Debug)]
pub struct ShapeParams<'a> {
    /// Members that are sent unless the client sent its own.
    pub defaults: &'a Map<String, Value>,
    /// Members that are always sent.
    pub extra_body: &'a Map<String, Value>,
    /// Parameters the provider takes although they are not listed.
    pub allowed: &'a [String],
    /// Parameters never sent.
    pub drop: &'a [String],
    /// Whether `stream_options` is understood.
    pub takes_stream_options: bool,
}

/// How a deployment wants to be asked.
#[derive(Clone, Copy, Debug)]
pub struct Shape<'a> {
    /// The model to ask for.
    pub model: &'a str,
    /// Its parameters.
    pub params: ShapeParams<'a>,
    /// Drop unsupported parameters instead of refusing them; the request's own word comes first.
    pub drop_params: bool,
    /// Ask for usage at the end of a stream whether or not the client did.
    pub ask_usage: bool,
}
