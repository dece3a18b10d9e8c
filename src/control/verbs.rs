//! The methods of a row, as axum serves them and as the table knows them.

use super::Control;
use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter};
use http::Method;

/// Handlers by method.
pub(super) struct Verbs {
    /// The methods that have a handler.
    pub(super) methods: Vec<Method>,
    /// What the row does, in a few words.
    pub(super) about: Option<&'static str>,
    pub(super) router: MethodRouter<Control>,
}

macro_rules! verb {
    ($name:ident, $method:ident, $words:literal) => {
        #[doc = $words]
        #[allow(dead_code, reason = "a row may come to need it")]
        pub(super) fn $name<H: Handler<T, Control>, T: 'static>(handler: H) -> Verbs {
            Verbs { methods: Vec::new(), about: None, router: MethodRouter::new() }.$name(handler)
        }

        impl Verbs {
            #[doc = $words]
            #[allow(dead_code, reason = "a row may come to need it")]
            pub(super) fn $name<H: Handler<T, Control>, T: 'static>(mut self, handler: H) -> Self {
                self.methods.push(Method::$method);
                self.router = self.router.on(MethodFilter::$method, handler);
                self
            }
        }
    };
}

verb!(get, GET, "A handler for GET, and for HEAD.");
verb!(post, POST, "A handler for POST.");
verb!(put, PUT, "A handler for PUT.");
verb!(patch, PATCH, "A handler for PATCH.");
verb!(delete, DELETE, "A handler for DELETE.");

impl Verbs {
    /// Says what the row does.
    #[allow(dead_code, reason = "a row may come to need it")]
    pub(super) const fn about(mut self, words: &'static str) -> Self {
        self.about = Some(words);
        self
    }
}
