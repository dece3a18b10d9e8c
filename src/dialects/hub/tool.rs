//! Functions that a model may call.

use serde_json::Value;

/// Something a model may use.
#[derive(Clone, Debug, PartialEq)]
pub enum Tool {
    /// A function of the client.
    Function(Function),
    /// A tool of the provider's own, as the client wrote it: `{"type": …}`.
    Native(Value),
}

/// A function of the client.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The JSON schema of its arguments, an object.
    pub schema: Value,
    /// Whether the schema is to be kept to the letter.
    pub strict: Option<bool>,
    /// Anthropic's `cache_control`, which other dialects ignore.
    pub cache: Option<Value>,
}

/// Whether and what the model must call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolChoice {
    /// As it sees fit.
    Auto,
    /// Nothing.
    None,
    /// Anything, but something.
    Required,
    /// This function.
    Named(String),
}
