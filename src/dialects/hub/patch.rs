//! What LiteLLM's `modify_params` allows: small changes by which an upstream takes a conversation that it would
//! refuse as it is.

use super::{Body, Function, Message, Part, Request, Role, Tool};
use serde_json::json;

/// LiteLLM's name of the function that stands for those that are not declared.
const STAND_IN: &str = "dummy_tool";

impl Request {
    /// Puts a turn of the client before a conversation that the model begins.
    pub(in crate::dialects) fn begin_with_client(&mut self) {
        let operator = |message: &Message| matches!(message.role, Role::System | Role::Developer);
        let at = self.messages.iter().position(|message| !operator(message)).unwrap_or(self.messages.len());
        if self.messages.get(at).is_none_or(|first| first.role == Role::Assistant) {
            self.messages.insert(at, Message::new(Role::User, vec![Part::text(".")]));
        }
    }

    /// Declares a function where the conversation has calls and declares none.
    pub(in crate::dialects) fn declare_a_function(&mut self) {
        let parts = || self.messages.iter().flat_map(|message| &message.parts);
        let has_calls = parts().any(|part| matches!(part.body, Body::Call(_) | Body::Result(_)));
        if self.tools.is_empty() && has_calls {
            self.tools.push(Tool::Function(Function {
                name: STAND_IN.to_owned(),
                description: Some("This is a dummy tool call".to_owned()),
                schema: json!({ "type": "object", "properties": {} }),
                strict: None,
                cache: None,
            }));
        }
    }
}
